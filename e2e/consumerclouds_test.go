package e2e

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/copra-video/copra/internal/azurite"
	"github.com/copra-video/copra/internal/s3server"
	"github.com/copra-video/copra/internal/testmedia"
)

// formServer receives results as Sponzy does: one form for each file.
type formServer struct {
	*httptest.Server
	mu    sync.Mutex
	forms map[string]form
}

type form struct {
	path   string
	values url.Values
	size   int64
}

func newFormServer(t *testing.T) *formServer {
	s := &formServer{forms: map[string]form{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(8 << 20); err != nil || r.Method != http.MethodPost || len(r.MultipartForm.File["encoded_video"]) != 1 {
			http.Error(w, "no form", http.StatusBadRequest)
			return
		}
		part := r.MultipartForm.File["encoded_video"][0]
		s.mu.Lock()
		defer s.mu.Unlock()
		s.forms[part.Filename] = form{r.URL.Path, url.Values(r.MultipartForm.Value), part.Size}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *formServer) take(name string) (form, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.forms[name]
	return f, ok
}

// b2Server is as much of Backblaze's native API as a small upload needs. The tests of
// storage/b2 have a complete one.
type b2Server struct {
	*httptest.Server
	mu    sync.Mutex
	files []string
}

func newB2Server(t *testing.T) *b2Server {
	s := &b2Server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer object
		switch call := path.Base(r.URL.Path); {
		case call == "b2_authorize_account":
			if id, key, _ := r.BasicAuth(); id != "key-id" || key != "app-key" {
				http.Error(w, `{"status":401,"code":"unauthorized"}`, http.StatusUnauthorized)
				return
			}
			answer = object{"accountId": "acc", "authorizationToken": "t", "apiInfo": object{"storageApi": object{
				"apiUrl": s.URL, "downloadUrl": s.URL, "recommendedPartSize": 100 << 20, "absoluteMinimumPartSize": 5 << 20,
				"bucketId": "bucket-1", "bucketName": "vods", "capabilities": []string{"writeFiles"}}}}
		case call == "b2_get_upload_url":
			answer = object{"uploadUrl": s.URL + "/upload", "authorizationToken": "u"}
		case r.URL.Path == "/upload":
			body, err := io.ReadAll(r.Body)
			sum := ""
			if n := len(body) - 2*sha1.Size; err == nil && n >= 0 {
				digest := sha1.Sum(body[:n])
				sum, answer = hex.EncodeToString(digest[:]), object{"fileId": "f"}
				if sum != string(body[n:]) {
					http.Error(w, `{"status":400,"code":"bad_request"}`, http.StatusBadRequest)
					return
				}
			}
			name, _ := url.PathUnescape(r.Header.Get("X-Bz-File-Name"))
			s.mu.Lock()
			s.files = append(s.files, name)
			s.mu.Unlock()
			answer["fileName"], answer["contentSha1"] = name, sum
		default:
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(s.Close)
	return s
}

// The HLS service on Backblaze: no account_id, variants with profiles. The endpoint is
// added.
func replayB2(t *testing.T, c *consumer) {
	b2 := newB2Server(t)
	j := c.done(t, c.fill(t, `{
		"input": {"url": "$INPUT"},
		"storage": {"service": "backblaze", "bucket_id": "bucket-1", "endpoint": "$B2", "credentials": {"app_key_id": "key-id", "app_key": "app-key"}},
		"outputs": {
			"httpstream": {"path": "/vods/42/", "hls": {"path": "hls/"}, "variants": [
				"mp4:240p::quality=4,maxrate=400k,vprofile=main,pix_fmt=yuv420p",
				"mp4:720p::quality=5,maxrate=4000k,vprofile=high,pix_fmt=yuv420p"]},
			"jpg:300x": {"path": "/vods/42/poster.jpg", "offsets": [0]}
		},
		"notification": {"type": "http", "url": "$HOOK", "params": {"id": "42"}, "events": true}}`, "$B2", b2.URL))
	c.hooked(t)
	ends(t, j.output(t, "httpstream").stream(t, "hls"), "/vods/42/hls/master.m3u8")
	b2.mu.Lock()
	defer b2.mu.Unlock()
	for _, want := range []string{"vods/42/hls/master.m3u8", "vods/42/poster.jpg"} {
		if !slices.Contains(b2.files, want) {
			t.Errorf("no %s among %q", want, b2.files)
		}
	}
	if last := b2.files[len(b2.files)-1]; !slices.ContainsFunc(b2.files, func(f string) bool { return strings.HasSuffix(f, ".ts") }) || strings.HasSuffix(last, ".ts") {
		t.Errorf("uploads in the order %q", b2.files)
	}
}

// blobs starts an Azurite with a container that anyone may read, and returns the pairs for
// fill.
func (c *consumer) blobs(t *testing.T) []string {
	t.Helper()
	endpoint := azurite.Start(t)
	key, err := azblob.NewSharedKeyCredential(azurite.Account, azurite.Key)
	if err != nil {
		t.Fatal(err)
	}
	client, err := container.NewClientWithSharedKeyCredential(endpoint+"/media", key, nil)
	if err != nil {
		t.Fatal(err)
	}
	access := container.PublicAccessTypeBlob
	if _, err := client.Create(t.Context(), &container.CreateOptions{Access: &access}); err != nil {
		t.Fatal(err)
	}
	return []string{"$BLOBS", endpoint, "$ACCOUNT", azurite.Account, "$KEY", azurite.Key}
}

// The photo site: an image as input, no Content-Type, and access_key. The endpoint is
// added.
func replayPhotos(t *testing.T, c *consumer) {
	c.header = http.Header{"Content-Type": nil}
	words := append(c.blobs(t), "$PHOTO", inputs(t).add(testmedia.Clip(t, testmedia.Photo)))
	j := c.done(t, c.fill(t, `{
		"input": {"url": "$PHOTO"},
		"storage": {"service": "azure", "container": "media", "endpoint": "$BLOBS", "credentials": {"account": "$ACCOUNT", "access_key": "$KEY"}},
		"outputs": {"webp:1300x866": {"path": "/photos/1/large.webp"}, "png:1300x866": {"path": "/photos/1/large.png"}, "jpg:400x400": {"path": "/photos/1/square.jpg", "fit": "crop"}},
		"notification": {"type": "http", "url": "$HOOK?secret=s"}}`, words...))
	c.hooked(t)
	for key, want := range map[string][2]int{"webp:1300x866": {1300, 866}, "png:1300x866": {1300, 866}, "jpg:400x400": {400, 400}} {
		u := j.output(t, key).images(t)[0]
		if w, h := probe(t, save(t, u, path.Base(u))).video(t, key); w != want[0] || h != want[1] {
			t.Errorf("%s is %dx%d", key, w, h)
		}
	}
	ends(t, j.output(t, "webp:1300x866").images(t)[0], "/media/photos/1/large.webp")
}

// The HLS service on Azure: variants inside hls, metadata that is a hash of
// its own, and a secret in the path of the webhook.
func replayAzureHLS(t *testing.T, c *consumer) {
	words := c.blobs(t)
	c.name += "/0123456789abcdef"
	j := c.done(t, c.fill(t, `{
		"input": {"url": "$INPUT"},
		"storage": {"service": "azure", "container": "media", "endpoint": "$BLOBS", "path": "/streams/7", "credentials": {"account": "$ACCOUNT", "access_key": "$KEY"}},
		"outputs": {"httpstream": {"hls": {"path": "/hls", "variants": ["mp4:240p", "mp4:x:64k"]}}},
		"notification": {"type": "http", "url": "$HOOK", "metadata": {"video": 7}, "events": true}}`, words...))
	master := j.output(t, "httpstream").stream(t, "hls")
	ends(t, master, "/media/streams/7/hls/master.m3u8")
	if text := string(fetch(t, master)); strings.Count(text, "#EXT-X-STREAM-INF") != 2 {
		t.Errorf("the ladder of hls.variants became\n%s", text)
	}
	for _, h := range c.hooked(t) {
		if !h.Metadata {
			t.Errorf("no metadata: %s", h.raw)
		}
	}
}

// R2 as s3other with the region auto: sprite sheets of webp with their WebVTT track.
func replayR2(t *testing.T, c *consumer) {
	gateway, words := c.bucketOf(t, s3server.StartIn(t, "auto"))
	words = append(words, "$CLIP", inputs(t).add(testmedia.Clip(t, testmedia.Standard)))
	j := c.wait(t, c.accepted(t, c.fill(t, `{
		"input": {"url": "$CLIP"},
		"storage": {"service": "s3other", "bucket": "$BUCKET", "region": "auto", "endpoint": "$ENDPOINT", "force_path_style": true, "credentials": {"access_key_id": "$ACCESS", "secret_access_key": "$SECRET"}},
		"outputs": {"webp:160x": {"path": "/v/sprite_%02d.webp", "interval": 1, "sprite": {"columns": 2, "limit": 2}, "vtt": {"filename": "thumbs.vtt"}}},
		"notification": {"type": "http", "url": "$HOOK"}}`, words...)).ID, time.Minute)
	if j.Status != "job.completed" {
		t.Fatalf("%s", j.raw)
	}
	c.holds(t, gateway, "v/sprite_01.webp", "v/sprite_02.webp", "v/thumbs.vtt")
	track, _, _ := gateway.Object(c.name, "v/thumbs.vtt")
	if !strings.Contains(string(track), "sprite_02.webp#xywh=160,0,160,90") {
		t.Errorf("track:\n%s", track)
	}
	if got := j.output(t, "webp:160x").images(t); len(got) != 3 || !strings.HasSuffix(got[2], "/v/thumbs.vtt") {
		t.Errorf("urls %q", got)
	}
}

// Outputs that go to presigned addresses of their own, without a storage.
func replayPresigned(t *testing.T, c *consumer) {
	var mu sync.Mutex
	put := map[string]int64{}
	bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut || r.URL.Query().Get("X-Amz-Signature") == "" {
			http.Error(w, "not by PUT", http.StatusForbidden)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		mu.Lock()
		put[r.URL.Path] = n
		mu.Unlock()
	}))
	defer bucket.Close()
	signed := func(name string) string {
		return fmt.Sprintf("%s/bucket/%s?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=abc", bucket.URL, name)
	}
	c.done(t, c.fill(t, `{"input": {"url": "$INPUT"}, "outputs": {"mp4:240p": {"url": "$VIDEO"}, "jpg:100x": {"url": "$PICTURE"}}}`, "$VIDEO", signed("a.mp4"), "$PICTURE", signed("a.jpg")))
	mu.Lock()
	defer mu.Unlock()
	if put["/bucket/a.mp4"] == 0 || put["/bucket/a.jpg"] == 0 {
		t.Errorf("uploads %v", put)
	}
}
