package backends

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/s3server"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/local"
)

var owner = storage.Namespace{JobID: "vdq1fShawHzyz3", Kind: "files", Created: time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)}

func newOpener(t *testing.T, o Options) *Opener {
	t.Helper()
	if o.Guard == nil {
		o.Guard = netguard.New(nil)
	}
	o.UploadRetry.Waits = []time.Duration{0}
	o.Retry.Waits = []time.Duration{0}
	op := New(o)
	t.Cleanup(op.Close)
	return op
}

func s3Storage(service, endpoint, bucket, access, secret string) *job.Storage {
	return &job.Storage{
		Service: service, Endpoint: endpoint, Bucket: bucket,
		Credentials: map[string]job.Secret{"access_key_id": job.NewSecret(access), "secret_access_key": job.NewSecret(secret)},
	}
}

func readAll(t *testing.T, src storage.Source) string {
	t.Helper()
	r, err := src.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestKey(t *testing.T) {
	for _, tt := range [][3]string{
		{"", "/720p.mp4", "720p.mp4"},
		{"/", "/720p.mp4", "720p.mp4"},
		{"/", "720p.mp4", "720p.mp4"},
		{"/_coconut/", "/a.mp4", "_coconut//a.mp4"},
		{"/videos", "/a.mp4", "videos/a.mp4"},
		{"/videos", "a.mp4", "videos/a.mp4"},
		{"videos/", "a.mp4", "videos/a.mp4"},
		{"/name.mp4", "/name.mp4", "name.mp4/name.mp4"},
	} {
		if got := Key(tt[0], tt[1]); got != tt[2] {
			t.Errorf("Key(%q, %q) = %q, want %q", tt[0], tt[1], got, tt[2])
		}
	}
}

func TestBuiltIn(t *testing.T) {
	store, err := local.Open(local.Options{Dir: t.TempDir(), PublicURL: "http://127.0.0.1:8080"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	o := newOpener(t, Options{Local: store})
	b, err := o.Bucket(t.Context(), &job.Storage{Service: "coconut", Path: "/sub"}, owner)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "/a.mp4", bytes.NewReader([]byte("hello")), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	want := "http://127.0.0.1:8080/storage/23/07/" + store.Hash(owner.JobID, owner.Kind) + "/sub/a.mp4"
	if got := b.URL("/a.mp4"); got != want {
		t.Errorf("URL = %q, want %q", got, want)
	}
	// An address of the built-in storage is read without network: nothing
	// listens there, and the guard would refuse it.
	src, err := o.Source(t.Context(), job.Input{URL: job.NewSecret(want)})
	if err != nil || readAll(t, src) != "hello" {
		t.Errorf("Source: %v", err)
	}
	if _, err := o.Source(t.Context(), job.Input{URL: job.NewSecret(want + "x")}); !strings.Contains(job.Message(err, ""), "not in the built-in storage") {
		t.Errorf("missing file: %v", err)
	}
	for _, path := range []string{"../x", "/a/../../x", "/", "", "a/", "./x", "a\nb", strings.Repeat("x", 1025)} {
		err := b.Put(t.Context(), path, bytes.NewReader(nil), storage.PutOptions{})
		if e, ok := errors.AsType[*job.Error](err); !ok || e.Reason != job.OutputPathNotValid {
			t.Errorf("Put(%q) = %v", path, err)
		}
	}
}

func TestS3(t *testing.T) {
	srv := s3server.Start(t)
	srv.CreateBucket(t, "results")
	guarded := newOpener(t, Options{})
	allowed := newOpener(t, Options{Guard: netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})})
	mapped := newOpener(t, Options{S3Endpoint: srv.Endpoint, S3PublicURL: "http://localhost:7070"})

	other := s3Storage("s3other", srv.Endpoint, "results", srv.AccessKey, srv.SecretKey)
	amazon := s3Storage("s3", "", "results", srv.AccessKey, srv.SecretKey)
	amazon.Path = "/jobs/"
	for _, tt := range []struct {
		name string
		o    *Opener
		st   *job.Storage
		url  string
	}{
		{"s3other", allowed, other, srv.Endpoint + "/results/dir/a.mp4"},
		{"s3 by the operator", mapped, amazon, "http://localhost:7070/results/jobs//dir/a.mp4"},
	} {
		b, err := tt.o.Bucket(t.Context(), tt.st, storage.Namespace{})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Check(t.Context()); err != nil {
			t.Errorf("%s: Check: %v", tt.name, err)
		}
		if err := b.Put(t.Context(), "/dir/a.mp4", bytes.NewReader([]byte(tt.name)), storage.PutOptions{}); err != nil {
			t.Errorf("%s: Put: %v", tt.name, err)
		}
		if got := b.URL("/dir/a.mp4"); got != tt.url {
			t.Errorf("%s: URL = %q, want %q", tt.name, got, tt.url)
		}
		src, err := tt.o.Source(t.Context(), job.Input{Storage: tt.st, Key: "/" + Key(tt.st.Path, "/dir/a.mp4")})
		if err != nil || readAll(t, src) != tt.name {
			t.Errorf("%s: Source: %v", tt.name, err)
		}
	}
	b, err := guarded.Bucket(t.Context(), other, storage.Namespace{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Check(t.Context()); !strings.Contains(job.Message(err, ""), "loopback") {
		t.Errorf("past the guard: %v", err)
	}
	// Only the operator's endpoint is trusted.
	own := s3Storage("s3", srv.Endpoint, "results", srv.AccessKey, srv.SecretKey)
	if b, err = mapped.Bucket(t.Context(), own, storage.Namespace{}); err != nil {
		t.Fatal(err)
	}
	if err := b.Check(t.Context()); !strings.Contains(job.Message(err, ""), "loopback") {
		t.Errorf("a customer's endpoint past the guard: %v", err)
	}
}

func TestHTTPInput(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	defer srv.Close()
	o := newOpener(t, Options{Guard: netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})})
	src, err := o.Source(t.Context(), job.Input{URL: job.NewSecret(srv.URL)})
	if err != nil || readAll(t, src) != "hello" {
		t.Errorf("Source: %v", err)
	}
}

// TestUpload opens the bucket of an output that has a URL of its own.
func TestUpload(t *testing.T) {
	var got *http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	defer srv.Close()
	o := newOpener(t, Options{Guard: netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})})
	for query, method := range map[string]string{"": "POST", "?X-Amz-Signature=a": "PUT"} {
		b, err := o.Upload(t.Context(), job.NewSecret(srv.URL+"/bkt/out"+query))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Put(t.Context(), "video.mp4", bytes.NewReader([]byte("hello")), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if got.Method != method || got.URL.Path != "/bkt/out" || b.URL("video.mp4") != srv.URL+"/bkt/out" {
			t.Errorf("%s %s, told %s", got.Method, got.URL, b.URL("video.mp4"))
		}
	}
	b, err := o.Bucket(t.Context(), &job.Storage{Service: "url", URL: job.NewSecret(srv.URL + "/in?a=b"), Path: "/p"}, owner)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "/dir/a.mp4", bytes.NewReader(nil), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if got.Method != "POST" || got.URL.String() != "/in/p/dir/a.mp4?a=b" || b.URL("/dir/a.mp4") != srv.URL+"/in/p/dir/a.mp4" {
		t.Errorf("%s %s, told %s", got.Method, got.URL, b.URL("/dir/a.mp4"))
	}
	if _, err := o.Upload(t.Context(), job.NewSecret("gopher://u:secret@h/x")); job.Message(err, "") == "" || strings.Contains(err.Error(), "secret") {
		t.Errorf("Upload = %v", err)
	}
}

func TestNotSupported(t *testing.T) {
	o := newOpener(t, Options{})
	for _, st := range []*job.Storage{nil, {Service: "coconut"}, {Service: "azure"}, {Service: "url"}, {Service: ""}} {
		_, err := o.Bucket(t.Context(), st, owner)
		if _, ok := errors.AsType[*job.Error](err); !ok {
			t.Errorf("Bucket(%v) = %v", st, err)
		}
	}
	for _, in := range []job.Input{
		{URL: job.NewSecret("ftp://user:secret@10.0.0.1/x")}, {URL: job.NewSecret("sftp://user:secret@10.0.0.1/x")}, {URL: job.NewSecret("nonsense")}, {},
		{Storage: &job.Storage{Service: "azure"}, Key: "x"}, {Storage: s3Storage("s3", "", "b", "a", "s"), Key: "/"},
	} {
		src, err := o.Source(t.Context(), in)
		if e, ok := errors.AsType[*job.Error](err); !ok || src != nil || strings.Contains(e.Message, "secret") {
			t.Errorf("Source = %v, %v", src, err)
		}
	}
}

// TestDeleterKeys checks that Exists and Delete put storage.path before keys
// too, and that no key leads out of it.
func TestDeleterKeys(t *testing.T) {
	store, err := local.Open(local.Options{Dir: t.TempDir(), PublicURL: "http://127.0.0.1:8080"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	o := newOpener(t, Options{Local: store})
	place := func(path string) storage.Deleter {
		t.Helper()
		b, err := o.Bucket(t.Context(), &job.Storage{Service: "coconut", Path: path}, owner)
		k, ok := b.(storage.Deleter)
		if err != nil || !ok {
			t.Fatalf("%T, %v", b, err)
		}
		return k
	}
	sub, top := place("/sub"), place("")
	if err := sub.Put(t.Context(), "/a.mp4", bytes.NewReader([]byte("hello")), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	has := func(k storage.Deleter, path string, want bool) {
		t.Helper()
		if found, err := k.Exists(t.Context(), path); found != want || err != nil {
			t.Errorf("Has(%q) = %t, %v", path, found, err)
		}
	}
	has(sub, "/a.mp4", true)
	has(top, "sub/a.mp4", true)
	has(top, "a.mp4", false)
	if err := top.Delete(t.Context(), "a.mp4"); err != nil {
		t.Error(err)
	}
	has(sub, "a.mp4", true)
	if err := sub.Delete(t.Context(), "/a.mp4"); err != nil {
		t.Error(err)
	}
	has(top, "sub/a.mp4", false)
	for _, path := range []string{"../x", "/a/../../x", "/", "", "a/", "./x", "a\nb", strings.Repeat("x", 1025)} {
		_, err := sub.Exists(t.Context(), path)
		for what, err := range map[string]error{"Has": err, "Remove": sub.Delete(t.Context(), path)} {
			if e, ok := errors.AsType[*job.Error](err); !ok || e.Reason != job.OutputPathNotValid {
				t.Errorf("%s(%q) = %v", what, path, err)
			}
		}
	}
}
