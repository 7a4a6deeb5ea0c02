package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// upload is a file that a customer's server received.
type upload struct {
	method, path, name, contentType string
	fields                          map[string]string
	file                            string // where it was put
}

// uploads is a customer's server. It receives PUTs and forms, and, as an IPFS
// node, folders named by their content.
type uploads struct {
	*httptest.Server
	dir  string
	mu   sync.Mutex
	list []upload
	cid  string
}

func newUploads(t *testing.T) *uploads {
	u := &uploads{dir: t.TempDir()}
	u.Server = httptest.NewServer(u)
	t.Cleanup(u.Close)
	return u
}

func (u *uploads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got := upload{method: r.Method, path: r.URL.Path, contentType: r.Header.Get("Content-Type"), fields: map[string]string{}}
	if r.Method == http.MethodPut {
		u.keep(w, got, r.Body)
		return
	}
	if r.URL.Path == "/api/v0/version" { // asked before the work
		io.WriteString(w, "{}")
		return
	}
	form, err := r.MultipartReader()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sum := sha256.New()
	for {
		part, err := form.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if params["filename"] == "" {
			value, _ := io.ReadAll(part)
			got.fields[params["name"]] = string(value)
			continue
		}
		got.name, got.contentType = params["filename"], part.Header.Get("Content-Type")
		if r.URL.Path == "/api/v0/add" {
			got.path, _ = url.QueryUnescape(got.name)
		}
		fmt.Fprint(sum, got.path)
		u.keep(w, got, io.TeeReader(part, sum))
	}
	if r.URL.Path == "/api/v0/add" {
		u.mu.Lock()
		u.cid = "bafy" + hex.EncodeToString(sum.Sum(nil))
		fmt.Fprintf(w, "{\"Name\": \"\", \"Hash\": %q}\n", u.cid)
		u.mu.Unlock()
	}
}

func (u *uploads) keep(w http.ResponseWriter, got upload, body io.Reader) {
	f, err := os.CreateTemp(u.dir, "upload")
	if err == nil {
		_, err = io.Copy(f, body)
		f.Close()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	got.file = f.Name()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = append(u.list, got)
}

func (u *uploads) all() []upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.list)
}

// Outputs with a URL of their own, in a job without a storage. A presigned URL
// gets the bare file, another one a form.
func TestOutputURL(t *testing.T) {
	t.Parallel()
	srv, to := shared(t), newUploads(t)
	j := srv.completed(t, 60*time.Second, object{"input": object{"url": short(t)}, "outputs": object{
		"mp4:240p": object{"url": to.URL + "/bkt/clip.mp4?X-Amz-Signature=secret"},
		"mp3":      object{"url": to.URL + "/receive?token=secret"},
		"jpg:100x": object{"url": to.URL + "/receive"},
	}})
	if strings.Contains(string(j.raw), "secret") {
		t.Errorf("the job tells a secret: %s", j.raw)
	}
	if got := j.output(t, "mp4:240p").URL; got != to.URL+"/bkt/clip.mp4" {
		t.Errorf("url %s", got)
	}
	seen := map[string]upload{}
	for _, got := range to.all() {
		seen[got.method+" "+got.fields["encoded_video_id"]] = got
	}
	if len(seen) != 3 {
		t.Fatalf("received %+v", to.all())
	}
	clip := seen["PUT "]
	if clip.path != "/bkt/clip.mp4" || clip.contentType != "video/mp4" {
		t.Errorf("received %+v", clip)
	}
	if _, h := probe(t, clip.file).video(t, "the upload"); h != 240 {
		t.Errorf("the upload has %d lines", h)
	}
	sound, picture := seen["POST mp3"], seen["POST jpg:100x"]
	if sound.fields["job_id"] != j.ID || sound.fields["video_id"] != "mp3" || sound.name != "video.mp3" || sound.contentType != "audio/mpeg" {
		t.Errorf("received %+v", sound)
	}
	if _, isVideo := picture.fields["video_id"]; isVideo || picture.fields["job_id"] != j.ID || picture.name != "image.jpg" {
		t.Errorf("received %+v", picture)
	}
}

// A storage that is a URL receives all files of a job below it, playlists last.
func TestURLStorage(t *testing.T) {
	t.Parallel()
	srv, to := shared(t), newUploads(t)
	j := srv.completed(t, 60*time.Second, object{
		"input":   object{"url": short(t)},
		"storage": object{"url": to.URL + "/in?token=secret", "path": "/v", "public_host": "https://cdn.example.com"},
		"outputs": object{"httpstream": object{"hls": object{"path": "/hls"}, "variants": []string{"mp4:240p"}}},
	})
	if got := j.output(t, "httpstream").stream(t, "hls"); got != "https://cdn.example.com/v/hls/master.m3u8" {
		t.Errorf("url %s", got)
	}
	all := to.all()
	if len(all) < 3 || all[len(all)-1].path != "/in/v/hls/master.m3u8" {
		t.Errorf("received %+v", all)
	}
	for _, got := range all {
		if !strings.HasPrefix(got.path, "/in/v/hls/") || got.name != filepath.Base(got.path) || got.fields["job_id"] != j.ID {
			t.Errorf("received %+v", got)
		}
	}
}

// On IPFS a stream is one folder, whose address is known after the upload.
func TestIPFS(t *testing.T) {
	t.Parallel()
	srv, to := shared(t), newUploads(t)
	j := srv.completed(t, 60*time.Second, object{
		"input": object{"url": short(t)},
		"storage": object{"service": "ipfs_infura", "endpoint": to.URL, "gateway_dns": "ipfs.example.com",
			"credentials": object{"project_id": "a", "project_secret": "b"}},
		"outputs": object{"httpstream": object{"hls": object{"path": "/hls"}, "variants": []string{"mp4:240p"}}},
	})
	if got := j.output(t, "httpstream").stream(t, "hls"); got != "https://ipfs.example.com/ipfs/"+to.cid+"/hls/master.m3u8" {
		t.Errorf("url %s", got)
	}
	files := map[string]bool{}
	for _, got := range to.all() {
		files[got.path] = true
	}
	if !files["hls/master.m3u8"] || len(files) < 3 {
		t.Errorf("received %v", slices.Sorted(maps.Keys(files)))
	}
}
