package swift

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ncw/swift/v2"
	"github.com/ncw/swift/v2/swifttest"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

const user = "swifttest" // of swifttest, and its key

// server is swifttest behind a front that answers ranges with 206 as Swift does.
// swifttest does not.
type server struct {
	*swifttest.SwiftServer
	front  *httptest.Server
	direct swift.Connection
	// answer may handle a request itself.
	answer func(w http.ResponseWriter, r *http.Request) bool
}

func start(t *testing.T) *server {
	srv, err := swifttest.NewSwiftServer("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	s := &server{SwiftServer: srv, direct: swift.Connection{UserName: user, ApiKey: user, AuthUrl: srv.AuthURL}}
	target, _ := url.Parse("http://" + srv.Listener.Addr().String())
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = nil
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	s.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.answer != nil && s.answer(w, r) {
			return
		}
		ranges := r.Header.Get("Range")
		if ranges == "" {
			proxy.ServeHTTP(w, r)
			return
		}
		inner := r.Clone(r.Context())
		inner.Header.Del("Range")
		rec := httptest.NewRecorder()
		proxy.ServeHTTP(rec, inner)
		for name := range rec.Header() {
			if name != "Content-Length" {
				w.Header()[name] = rec.Header()[name]
			}
		}
		if rec.Code != http.StatusOK {
			w.WriteHeader(rec.Code)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(rec.Body.Bytes()))
	}))
	t.Cleanup(s.front.Close)
	srv.URL = s.front.URL + "/v1"
	if err := s.direct.ContainerCreate(t.Context(), "bkt", nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) storage() *job.Storage {
	return &job.Storage{Service: "rackspace", Bucket: "bkt", Endpoint: s.front.URL + "/v1.0",
		Credentials: map[string]job.Secret{"username": job.NewSecret(user), "api_key": job.NewSecret(user)}}
}

func open(t *testing.T, st *job.Storage) *Bucket {
	t.Helper()
	c := netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).HTTPClient(netguard.Options{MaxRedirects: netguard.NoRedirects})
	t.Cleanup(c.CloseIdleConnections)
	b, err := Open(st, Options{Client: c, Retry: retry.Policy{Waits: []time.Duration{0}}, SegmentSize: 2 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storagetest.Target {
		s := start(t)
		cutter := storagetest.NewCutter(t, strings.TrimPrefix(s.front.URL, "http://"))
		s.URL = "http://" + cutter.Addr + "/v1"
		b := open(t, s.storage())
		return storagetest.Target{Bucket: b, LargeSize: 5 << 20, Break: cutter.Arm, Read: func(key string) ([]byte, http.Header, error) {
			src, err := b.Source(t.Context(), key)
			if strings.Contains(job.Message(err, ""), "404") {
				return nil, nil, nil
			}
			if err != nil {
				return nil, nil, err
			}
			var content []byte
			half := src.Size() / 2
			for _, offset := range []int64{0, half} {
				r, err := src.Open(t.Context(), offset)
				if err != nil {
					return nil, nil, err
				}
				got, err := io.ReadAll(r)
				r.Close()
				if err != nil {
					return nil, nil, err
				}
				if offset == 0 {
					content = got
				} else if !bytes.Equal(got, content[half:]) {
					return nil, nil, errors.New("the second half differs")
				}
			}
			o, _, err := s.direct.Object(t.Context(), "bkt", key)
			return content, http.Header{"Content-Type": {o.ContentType}}, err
		}}
	})
}

func TestSegments(t *testing.T) {
	s := start(t)
	b := open(t, s.storage())
	if err := b.Put(t.Context(), "large.mp4", storagetest.Body(storagetest.Random(5<<20)), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	names, err := s.direct.ObjectNames(t.Context(), "bkt_segments", nil)
	if err != nil || len(names) != 3 || !strings.HasPrefix(names[0], "large.mp4/") {
		t.Errorf("segments %v, %v", names, err)
	}
	// An upload that fails leaves no segments.
	var n atomic.Int32
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "_segments/") && n.Add(1) == 3 {
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return true
		}
		return false
	}
	err = b.Put(t.Context(), "other.mp4", storagetest.Body(storagetest.Random(5<<20)), storage.PutOptions{})
	if job.Message(err, "") != "The file is too large for container 'bkt', or its quota is used up (HTTP status code: 413)." {
		t.Errorf("Put = %v", err)
	}
	names, err = s.direct.ObjectNames(t.Context(), "bkt_segments", nil)
	if err != nil || len(names) != 3 {
		t.Errorf("segments %v, %v", names, err)
	}
}

func TestTokenEnds(t *testing.T) {
	s := start(t)
	b := open(t, s.storage())
	put := func() error {
		return b.Put(t.Context(), "k", storagetest.Body([]byte("film")), storage.PutOptions{})
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	src, err := b.Source(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	read := func() error {
		r, err := src.Open(t.Context(), 1)
		if err == nil {
			r.Close()
		}
		return err
	}
	for _, f := range []func() error{read, put} { // what is put again is another input
		s.Lock()
		clear(s.Sessions)
		s.Unlock()
		if err := f(); err != nil {
			t.Error(err)
		}
	}
}

func TestURL(t *testing.T) {
	s := start(t)
	b := open(t, s.storage())
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := b.URL("dir/a b.mp4"); got != s.front.URL+"/v1/AUTH_swifttest/bkt/dir/a%20b.mp4" {
		t.Errorf("URL = %s", got)
	}
}

func TestRefusals(t *testing.T) {
	s := start(t)
	wrong, other, nobody := s.storage(), s.storage(), s.storage()
	wrong.Credentials["api_key"] = job.NewSecret("hunter2")
	other.Bucket = "nobody"
	nobody.Endpoint = s.front.URL + "/nothing"
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/nothing") {
			http.NotFound(w, r)
			return true
		}
		return false
	}
	for _, tt := range []struct {
		name string
		st   *job.Storage
		want string
	}{
		{"wrong key", wrong, "The storage of container 'bkt' does not accept the credentials (HTTP status code: 401)."},
		{"no container", other, "The container 'nobody' does not exist (HTTP status code: 404)."},
		{"no Swift", nobody, "The login to the storage of container 'bkt' did not work: the endpoint"},
	} {
		b := open(t, tt.st)
		for what, err := range map[string]error{
			"Check": b.Check(t.Context()), "Put": b.Put(t.Context(), "k", storagetest.Body([]byte("x")), storage.PutOptions{}),
		} {
			if !strings.HasPrefix(job.Message(err, ""), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %s = %v, want %q", tt.name, what, err, tt.want)
			}
		}
	}
	s.front.Close()
	err := open(t, s.storage()).Check(t.Context())
	if u, ok := errors.AsType[*storage.Unavailable](err); !ok || u.Message != "The storage of container 'bkt' could not be reached: the connection was refused." {
		t.Errorf("nobody there: %v", err)
	}
	for _, change := range []func(*job.Storage){
		func(st *job.Storage) { st.Bucket = "" }, func(st *job.Storage) { delete(st.Credentials, "username") },
	} {
		st := s.storage()
		change(st)
		if _, err := Open(st, Options{Client: http.DefaultClient}); job.Message(err, "") == "" {
			t.Errorf("Open = %v", err)
		}
	}
}

func TestGuardHolds(t *testing.T) {
	s := start(t)
	b, err := Open(s.storage(), Options{Client: netguard.New(nil).HTTPClient(netguard.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Check(t.Context()); !strings.Contains(job.Message(err, ""), "loopback") {
		t.Errorf("Check = %v", err)
	}
}

func TestHuge(t *testing.T) {
	s := start(t)
	var total atomic.Int64
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		n, _ := io.Copy(io.Discard, r.Body)
		if !r.URL.Query().Has("multipart-manifest") {
			total.Add(n)
		}
		w.WriteHeader(http.StatusCreated)
		return true
	}
	b := open(t, s.storage())
	b.o.SegmentSize = 64 << 20
	size := storagetest.Huge(t, func(body storage.Body) error { return b.Put(t.Context(), "huge", body, storage.PutOptions{}) })
	if total.Load() != size {
		t.Errorf("%d bytes arrived of %d", total.Load(), size)
	}
}

// TestDeleteLarge checks that deleting a large object deletes its segments, but
// none that a manifest names elsewhere.
func TestDeleteLarge(t *testing.T) {
	s := start(t)
	b := open(t, s.storage())
	for _, key := range []string{"large.mp4", "large.mp4x"} {
		if err := b.Put(t.Context(), key, storagetest.Body(storagetest.Random(5<<20)), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	count := func() int {
		t.Helper()
		names, err := s.direct.ObjectNamesAll(t.Context(), "bkt_segments", nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	if n := count(); n != 6 {
		t.Fatalf("%d segments of two files", n)
	}
	for range 2 {
		if err := b.Delete(t.Context(), "large.mp4"); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := b.Exists(t.Context(), "large.mp4x"); !found || err != nil || count() != 3 {
		t.Errorf("the other file: %t, %v, %d segments", found, err, count())
	}
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && r.URL.Query().Has("multipart-manifest") {
			io.WriteString(w, `[{"name": "/bkt_segments/large.mp4/x/000000"}, {"name": "/other/large.mp4x/1"}]`)
			return true
		}
		return false
	}
	if err := b.Delete(t.Context(), "large.mp4x"); err != nil || count() != 3 {
		t.Errorf("a manifest of foreign segments: %v, %d segments", err, count())
	}
}

func TestDeleterRefused(t *testing.T) {
	s := start(t)
	b := open(t, s.storage())
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	const want = "The credentials have no access to container 'bkt' or may not do this in it (HTTP status code: 403)."
	if found, err := b.Exists(t.Context(), "k"); found || job.Message(err, "") != want {
		t.Errorf("Has = %t, %v", found, err)
	}
	if err := b.Delete(t.Context(), "k"); job.Message(err, "") != want {
		t.Errorf("Remove = %v", err)
	}
}
