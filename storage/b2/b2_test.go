package b2

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
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

func (f *fake) storage() *job.Storage {
	return &job.Storage{Service: "backblaze", Bucket: "bkt-id", Endpoint: f.URL, CacheControl: "max-age=60",
		Credentials: map[string]job.Secret{"app_key_id": job.NewSecret("key-id"), "app_key": job.NewSecret("the-key")}}
}

func open(t *testing.T, st *job.Storage) *Bucket {
	t.Helper()
	c := netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).HTTPClient(netguard.Options{MaxRedirects: netguard.NoRedirects})
	t.Cleanup(c.CloseIdleConnections)
	b, err := Open(st, Options{Client: c, Retry: retry.Policy{Waits: []time.Duration{0}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	for _, restricted := range []bool{true, false} {
		storagetest.Run(t, func(t *testing.T) storagetest.Target {
			f := newFake(t)
			f.restricted = restricted
			cutter := storagetest.NewCutter(t, strings.TrimPrefix(f.URL, "http://"))
			f.uploads = "http://" + cutter.Addr
			b := open(t, f.storage())
			return storagetest.Target{Bucket: b, LargeSize: 5 << 20, Break: cutter.Arm, Read: func(key string) ([]byte, http.Header, error) {
				f.mu.Lock()
				o, ok := f.file(key)
				f.mu.Unlock()
				if !ok {
					return nil, nil, nil
				}
				if o.header.Get("X-Bz-Info-B2-Cache-Control") != "max-age%3D60" && o.header.Get("X-Bz-Info-B2-Cache-Control") != "max-age=60" {
					return nil, nil, errors.New("no cache_control")
				}
				src, err := b.Source(t.Context(), key)
				if err != nil {
					return nil, nil, err
				}
				r, err := src.Open(t.Context(), src.Size()/2)
				if err != nil {
					return nil, nil, err
				}
				defer r.Close()
				if rest, err := io.ReadAll(r); err != nil || string(rest) != string(o.content[len(o.content)/2:]) {
					return nil, nil, errors.New("the second half differs")
				}
				return o.content, o.header, nil
			}}
		})
	}
}

func TestURL(t *testing.T) {
	f := newFake(t)
	b := open(t, f.storage())
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := b.URL("dir/a b.mp4"); got != f.URL+"/file/my-bucket/dir/a%20b.mp4" {
		t.Errorf("URL = %s", got)
	}
}

// TestUploadURLs checks that upload URLs are used again, and replaced when the
// service says so.
func TestUploadURLs(t *testing.T) {
	f := newFake(t)
	b := open(t, f.storage())
	put := func() {
		t.Helper()
		if err := b.Put(t.Context(), "k", storagetest.Body([]byte("film")), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put()
	put()
	if len(f.targets) != 1 {
		t.Errorf("%d upload URLs for two files", len(f.targets))
	}
	var n atomic.Int32
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/upload/") || n.Add(1) > 2 {
			return false
		}
		io.Copy(io.Discard, r.Body)
		fail(w, map[int32]int{1: 503, 2: 401}[n.Load()], map[int32]string{1: "service_unavailable", 2: "expired_auth_token"}[n.Load()])
		return true
	}
	put()
	if len(f.targets) != 3 {
		t.Errorf("%d upload URLs after two failures", len(f.targets))
	}
}

func TestTokenEnds(t *testing.T) {
	f := newFake(t)
	b := open(t, f.storage())
	if err := b.Put(t.Context(), "k", storagetest.Body(storagetest.Random(3<<20)), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	f.tokens += 10
	if err := b.Put(t.Context(), "k2", storagetest.Body(storagetest.Random(3<<20)), storage.PutOptions{}); err != nil {
		t.Error(err)
	}
	src, err := b.Source(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	f.tokens += 10
	r, err := src.Open(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
}

// TestBrokenFile checks that a failed upload leaves no parts.
func TestBrokenFile(t *testing.T) {
	f := newFake(t)
	b := open(t, f.storage())
	body := failing{storagetest.Body(storagetest.Random(3 << 20))}
	err := b.Put(t.Context(), "k", body, storage.PutOptions{})
	if err == nil || !strings.Contains(err.Error(), "bad sector") || len(f.files)+len(f.large) != 0 {
		t.Errorf("Put = %v, %d files, %d large files", err, len(f.files), len(f.large))
	}
}

type failing struct{ storage.Body }

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off > 2<<20 {
		return 0, errors.New("bad sector")
	}
	return f.Body.ReadAt(p, off)
}

func TestRefusals(t *testing.T) {
	f := newFake(t)
	wrong := f.storage()
	wrong.Credentials["app_key"] = job.NewSecret("hunter2")
	other := f.storage()
	other.Bucket = "other-id"
	for _, tt := range []struct {
		name       string
		st         *job.Storage
		restricted bool
		want       string
	}{
		{"wrong key", wrong, true, "The app_key_id or the app_key for bucket 'bkt-id' is wrong (bad_auth_token)."},
		{"key of another bucket", other, true, "The application key is not for bucket 'other-id': it is restricted to another one (no_bucket)."},
		{"no bucket", other, false, "The bucket 'other-id' does not exist (bad_bucket_id)."},
	} {
		f.restricted = tt.restricted
		b := open(t, tt.st)
		_, serr := b.Source(t.Context(), "k")
		for what, err := range map[string]error{
			"Check": b.Check(t.Context()), "Source": serr,
			"Put": b.Put(t.Context(), "k", storagetest.Body([]byte("x")), storage.PutOptions{}),
		} {
			if job.Message(err, "") != tt.want || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %s = %v, want %q", tt.name, what, err, tt.want)
			}
		}
	}
	f.restricted = true
	_, err := open(t, f.storage()).Source(t.Context(), "gone")
	if job.Message(err, "") != "The input could not be downloaded from bucket 'bkt-id': HTTP status code: 404 (Not Found)." {
		t.Errorf("missing file: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	f := newFake(t)
	for what, change := range map[string]func(st *job.Storage){
		"bucket":   func(st *job.Storage) { st.Bucket = "" },
		"key":      func(st *job.Storage) { delete(st.Credentials, "app_key") },
		"endpoint": func(st *job.Storage) { st.Endpoint = "https://user:hunter2@h" },
	} {
		st := f.storage()
		change(st)
		_, err := Open(st, Options{})
		if e, ok := errors.AsType[*job.Error](err); !ok || strings.Contains(e.Error(), "hunter") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for total, want := range map[int64]int64{0: 100e6, 1e12: 100e6, 1e12 + 1: 96 << 20} {
		if got := partSize(total, 100e6); got != want {
			t.Errorf("partSize(%d) = %d, want %d", total, got, want)
		}
	}
}

func TestHuge(t *testing.T) {
	f := newFake(t)
	f.discard, f.partSize = true, 100e6
	b := open(t, f.storage())
	size := storagetest.Huge(t, func(body storage.Body) error { return b.Put(t.Context(), "huge", body, storage.PutOptions{}) })
	if f.total != size {
		t.Errorf("%d bytes arrived of %d", f.total, size)
	}
}
