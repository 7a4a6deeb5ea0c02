package httpupload

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is a server that reads forms as PHP and Rails do, and PUTs.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	files  map[string]received // by path
	answer func(n int, w http.ResponseWriter, r *http.Request) bool
	n      int
}

type received struct {
	method, query, part, name, contentType string
	user                                   string
	body                                   []byte
	fields                                 map[string][]string
	request                                *http.Request
}

func newReceiver(t *testing.T) *receiver {
	rc := &receiver{files: map[string]received{}}
	rc.Server = httptest.NewServer(rc)
	t.Cleanup(rc.Close)
	return rc
}

func (rc *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rc.mu.Lock()
	rc.n++
	n := rc.n
	rc.mu.Unlock()
	if rc.answer != nil && rc.answer(n, w, r) {
		return
	}
	user, password, _ := r.BasicAuth()
	got := received{method: r.Method, query: r.URL.RawQuery, contentType: r.Header.Get("Content-Type"), user: user + ":" + password, request: r}
	if r.Method == http.MethodPut {
		var err error
		if got.body, err = io.ReadAll(r.Body); err != nil {
			return
		}
	} else {
		if err := r.ParseMultipartForm(64 << 20); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		got.fields = r.MultipartForm.Value
		for part, files := range r.MultipartForm.File {
			f, err := files[0].Open()
			if err != nil {
				return
			}
			got.body, _ = io.ReadAll(f)
			f.Close()
			got.part, got.name, got.contentType = part, files[0].Filename, files[0].Header.Get("Content-Type")
		}
		r.MultipartForm.RemoveAll()
	}
	rc.mu.Lock()
	rc.files[r.URL.Path] = got
	rc.mu.Unlock()
}

func (rc *receiver) file(path string) received {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return rc.files[path]
}

func options(t *testing.T, exact bool) Options {
	c := netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).HTTPClient(netguard.Options{MaxRedirects: netguard.NoRedirects})
	t.Cleanup(c.CloseIdleConnections)
	return Options{Client: c, Exact: exact, Retry: retry.Policy{Waits: []time.Duration{0}}}
}

func open(t *testing.T, address, publicHost string, exact bool) *Bucket {
	t.Helper()
	b, err := Open(&job.Storage{Service: "url", URL: job.NewSecret(address), PublicHost: publicHost}, options(t, exact))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storagetest.Target {
		rc := newReceiver(t)
		cutter := storagetest.NewCutter(t, strings.TrimPrefix(rc.URL, "http://"))
		return storagetest.Target{
			Bucket: open(t, "http://"+cutter.Addr+"/in/box?token=1", "", false),
			Read: func(key string) ([]byte, http.Header, error) {
				f := rc.file("/in/box/" + key)
				if f.request == nil {
					return nil, nil, nil
				}
				return f.body, http.Header{"Content-Type": {f.contentType}}, nil
			},
			Break: cutter.Arm,
		}
	})
}

func TestForm(t *testing.T) {
	rc := newReceiver(t)
	form := map[string]string{"job_id": "j1", "encoded_video_id": "mp4", "video_id": "mp4"}
	address := strings.Replace(rc.URL, "://", "://us%40er:pa%3Ass@", 1)
	for _, tt := range []struct {
		url, public string
		exact       bool
		path, query string
		part, name  string
		told        string
	}{
		{address, "", false, "/v/a b.mp4", "", "encoded_video", "a b.mp4", rc.URL + "/v/a%20b.mp4"},
		{address + "/x/?b=2&a=%31&", "", false, "/x/v/a b.mp4", "b=2&a=%31&", "encoded_video", "a b.mp4", rc.URL + "/x/v/a%20b.mp4"},
		{address + "/x?http_file_name=data", "cdn.example.com/", false, "/x/v/a b.mp4", "", "data", "a b.mp4", "https://cdn.example.com/v/a%20b.mp4"},
		{address + "/x?a=1&http_file_name=data&b=2", "http://cdn.example.com/p", false, "/x/v/a b.mp4", "a=1&b=2", "data", "a b.mp4", "http://cdn.example.com/p/v/a%20b.mp4"},
		{address + "/up?id=1", "", true, "/up", "id=1", "encoded_video", "a b.mp4", rc.URL + "/up"},
		{address + "/up/b.webm", "", true, "/up/b.webm", "", "encoded_video", "b.webm", rc.URL + "/up/b.webm"},
	} {
		b := open(t, tt.url, tt.public, tt.exact)
		opts := storage.PutOptions{ContentType: "video/mp4", Form: form}
		if err := b.Put(t.Context(), "v/a b.mp4", storagetest.Body([]byte("film")), opts); err != nil {
			t.Fatal(err)
		}
		f := rc.file(tt.path)
		if f.method != "POST" || f.query != tt.query || f.part != tt.part || f.name != tt.name || f.contentType != "video/mp4" ||
			string(f.body) != "film" || f.user != "us@er:pa:ss" {
			t.Errorf("%s: received %+v", tt.url, f)
		}
		for name, value := range form {
			if len(f.fields[name]) != 1 || f.fields[name][0] != value {
				t.Errorf("%s: field %s = %q", tt.url, name, f.fields[name])
			}
		}
		if got := b.URL("v/a b.mp4"); got != tt.told {
			t.Errorf("%s: URL = %s, want %s", tt.url, got, tt.told)
		}
	}
}

func TestPresigned(t *testing.T) {
	const v4 = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2Fb&X-Amz-SignedHeaders=host&X-Amz-Signature=abc%2B"
	for name, query := range map[string]string{
		"Amazon": v4, "lower case": strings.ToLower(v4), "Google": "X-Goog-Signature=abc",
		"Amazon, old": "AWSAccessKeyId=a&Expires=1&Signature=b%3D", "Azure": "sv=2024&sp=w&sr=b&sig=abc",
	} {
		rc := newReceiver(t)
		for _, exact := range []bool{true, false} {
			b := open(t, rc.URL+"/bkt/v%2B1.mp4?"+query, "", exact)
			if err := b.Put(t.Context(), "other.mp4", storagetest.Body([]byte("film")), storage.PutOptions{ContentType: "video/mp4"}); err != nil {
				t.Fatal(err)
			}
			f := rc.file("/bkt/v+1.mp4")
			if f.method != "PUT" || f.query != query || string(f.body) != "film" || f.contentType != "video/mp4" {
				t.Errorf("%s: received %+v", name, f)
			}
			if f.request.ContentLength != 4 || f.request.Header.Get("X-Ms-Blob-Type") != map[bool]string{true: "BlockBlob"}[name == "Azure"] {
				t.Errorf("%s: header %v", name, f.request.Header)
			}
			if got := b.URL("other.mp4"); got != rc.URL+"/bkt/v%2B1.mp4" {
				t.Errorf("%s: URL = %s", name, got)
			}
		}
	}
	for _, query := range []string{"", "Signature=a", "sig=1", "token=X-Amz-Signature"} {
		if b := open(t, "http://h/x?"+query, "", true); b.presigned {
			t.Errorf("%q passes for a signature", query)
		}
	}
}

// TestSignedWithoutType uploads to a URL that was signed for an upload without a
// content type.
func TestSignedWithoutType(t *testing.T) {
	rc := newReceiver(t)
	rc.answer = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Content-Type") == "" {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "<Error><Code>SignatureDoesNotMatch</Code></Error>")
		return true
	}
	b := open(t, rc.URL+"/k?AWSAccessKeyId=a&Expires=1&Signature=b", "", true)
	if err := b.Put(t.Context(), "", storagetest.Body([]byte("film")), storage.PutOptions{ContentType: "video/mp4"}); err != nil {
		t.Fatal(err)
	}
	if f := rc.file("/k"); string(f.body) != "film" {
		t.Errorf("received %+v", f)
	}
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		status   int
		body     string
		tries    int
		want     string
		lasting  bool
		contains bool
	}{
		{201, "", 1, "", false, false},
		{500, "", 5, "The server 127.0.0.1 did not work (HTTP status code: 500).", false, false},
		{429, "", 5, "The server 127.0.0.1 did not work (HTTP status code: 429).", false, false},
		{302, "", 1, "The server 127.0.0.1 sends elsewhere, which is not followed (HTTP status code: 302).", true, false},
		{401, "", 1, "The server 127.0.0.1 does not accept the credentials (HTTP status code: 401).", true, false},
		{413, "", 1, "The server 127.0.0.1 does not take files of this size (HTTP status code: 413).", true, false},
		{404, "<b>buy here</b>", 1, "The server 127.0.0.1 knows no such place (HTTP status code: 404).", true, false},
		{400, "<Error><Code>ExpiredToken</Code></Error>", 1, "The URL for the upload to the server 127.0.0.1 has expired (ExpiredToken).", true, false},
		{400, "<Error><Code>Buy it here</Code></Error>", 1, "The server 127.0.0.1 refused the request (HTTP status code: 400).", true, false},
	} {
		rc := newReceiver(t)
		rc.answer = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
			return true
		}
		b := open(t, strings.Replace(rc.URL, "://", "://hunter1:hunter2@", 1)+"/hunter3?token=hunter4", "", false)
		err := b.Put(t.Context(), "k.mp4", storagetest.Body([]byte("x")), storage.PutOptions{})
		if tt.want == "" {
			if err != nil {
				t.Errorf("%d: %v", tt.status, err)
			}
			continue
		}
		u, passing := errors.AsType[*storage.Unavailable](err)
		got := job.Message(err, "")
		if passing {
			got = u.Message
		}
		if got != tt.want || passing == tt.lasting || rc.n != tt.tries || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%d: %v after %d tries, want %q", tt.status, err, rc.n, tt.want)
		}
	}
}

func TestGuardHolds(t *testing.T) {
	rc := newReceiver(t)
	o := options(t, false)
	o.Client = netguard.New(nil).HTTPClient(netguard.Options{MaxRedirects: netguard.NoRedirects})
	b, err := Open(&job.Storage{URL: job.NewSecret(rc.URL)}, o)
	if err != nil {
		t.Fatal(err)
	}
	err = b.Put(t.Context(), "k", storagetest.Body([]byte("x")), storage.PutOptions{})
	if !strings.Contains(job.Message(err, ""), "loopback") || rc.n != 0 {
		t.Errorf("Put = %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, address := range []string{"", "ftp://user:hunter2@h/x", "https://user:hunter2@/x", "https://user:hunter2@h:x/"} {
		_, err := Open(&job.Storage{URL: job.NewSecret(address)}, Options{})
		if e, ok := errors.AsType[*job.Error](err); !ok || strings.Contains(e.Error(), "hunter") {
			t.Errorf("Open(%q) = %v", address, err)
		}
	}
}

// TestHuge checks that an upload is not held in memory.
func TestHuge(t *testing.T) {
	var n int64
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { n, _ = io.Copy(io.Discard, r.Body) }))
	defer srv.Close()
	b := open(t, srv.URL+"/k?X-Amz-Signature=1", "", true)
	size := storagetest.Huge(t, func(body storage.Body) error { return b.Put(t.Context(), "", body, storage.PutOptions{}) })
	if n != size {
		t.Errorf("%d bytes arrived of %d", n, size)
	}
}
