package gcs

import (
	"context"
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
	return &job.Storage{Service: "gcs", Bucket: "bkt", Endpoint: f.URL,
		Credentials: map[string]job.Secret{Credential: job.NewSecret(f.serviceAccount())}}
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
	storagetest.Run(t, func(t *testing.T) storagetest.Target {
		f := newFake(t)
		cutter := storagetest.NewCutter(t, strings.TrimPrefix(f.URL, "http://"))
		target := storagetest.Target{Bucket: open(t, f.storage())}
		target.Break = func() {
			// Sessions are at the address that the service gives.
			direct := f.URL
			f.answer = func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.HasPrefix(r.URL.Path, "/upload/") {
					f.URL = "http://" + cutter.Addr
				}
				return false
			}
			cutter.Arm()
			t.Cleanup(func() { f.URL = direct })
		}
		target.Read = func(key string) ([]byte, http.Header, error) {
			o, ok := f.object(key)
			if !ok {
				return nil, nil, nil
			}
			src, err := target.Bucket.(*Bucket).Source(t.Context(), key)
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
			return o.content, http.Header{"Content-Type": {o.meta["contentType"]}}, nil
		}
		return target
	})
}

func TestMembers(t *testing.T) {
	f := newFake(t)
	st := f.storage()
	st.ACL, st.CacheControl, st.StorageClass = "public-read", "max-age=1", "NEARLINE"
	b := open(t, st)
	if err := b.Put(t.Context(), "a.mp4", storagetest.Body([]byte("x")), storage.PutOptions{ContentType: "video/mp4"}); err != nil {
		t.Fatal(err)
	}
	o, _ := f.object("a.mp4")
	if o.acl != "publicRead" || o.meta["cacheControl"] != "max-age=1" || o.meta["storageClass"] != "NEARLINE" || o.meta["contentType"] != "video/mp4" {
		t.Errorf("stored %+v", o)
	}
	st.Endpoint = ""
	if got := open(t, st).URL("dir/a b.mp4"); got != "https://storage.googleapis.com/bkt/dir/a%20b.mp4" {
		t.Errorf("URL = %s", got)
	}
}

// TestResumes breaks an upload several times, and checks that only the rest is
// sent again.
func TestResumes(t *testing.T) {
	f := newFake(t)
	var breaks atomic.Int32
	f.answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/session/") && r.ContentLength > 600<<10 && breaks.Add(1) <= 9 {
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(io.LimitReader(r.Body, 300<<10), broken{}), r.Body}
			f.upload(discard{}, r)
			panic(http.ErrAbortHandler)
		}
		return false
	}
	content := storagetest.Random(4 << 20)
	if err := open(t, f.storage()).Put(t.Context(), "a.mp4", storagetest.Body(content), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if o, _ := f.object("a.mp4"); string(o.content) != string(content) {
		t.Errorf("%d bytes arrived", len(o.content))
	}
	if breaks.Load() < 8 || f.tokens != 1 {
		t.Errorf("%d breaks, %d tokens", breaks.Load(), f.tokens)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

// TestLostSession checks that an upload whose session is lost begins again.
func TestLostSession(t *testing.T) {
	f := newFake(t)
	var n atomic.Int32
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/session/") && n.Add(1) == 1 {
			fail(w, 410, "uploadBrokenConnection")
			return true
		}
		return false
	}
	if err := open(t, f.storage()).Put(t.Context(), "a.mp4", storagetest.Body([]byte("film")), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if o, _ := f.object("a.mp4"); string(o.content) != "film" || len(f.sessions) != 2 {
		t.Errorf("stored %q in %d sessions", o.content, len(f.sessions))
	}
}

func TestTokenEnds(t *testing.T) {
	f := newFake(t)
	f.lifetime = 30 // less than the margin: each request gets its own
	b := open(t, f.storage())
	for range 3 {
		if err := b.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if f.tokens != 3 {
		t.Errorf("%d tokens", f.tokens)
	}
	// A token that is refused before it expires is replaced.
	f.lifetime = 3600
	if err := b.Put(t.Context(), "k", storagetest.Body([]byte("film")), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	f.tokens += 10
	if src, err := b.Source(t.Context(), "k"); err != nil || src.Size() != 4 {
		t.Errorf("Source: %v", err)
	}
}

// No answer of the token service gets into an error, and a service that is away
// is asked again.
func TestTokenAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(http.ResponseWriter)
		want   string
		tries  int
	}{
		{"not JSON", func(w http.ResponseWriter) { io.WriteString(w, "secret words") }, "The storage of bucket 'bkt' gave no token for the service account (no access_token).", 1},
		{"no token", func(w http.ResponseWriter) { io.WriteString(w, `{"hint": "secret words"}`) }, "The storage of bucket 'bkt' gave no token for the service account (no access_token).", 1},
		{"redirect", func(w http.ResponseWriter) { w.Header().Set("Location", "/secret words"); w.WriteHeader(302) }, "The storage of bucket 'bkt' sends elsewhere, which is not followed (HTTP status code: 302).", 1},
		{"away", func(w http.ResponseWriter) { w.WriteHeader(503); io.WriteString(w, "secret words") }, "The storage of bucket 'bkt' did not work (HTTP status code: 503).", 5},
	} {
		f := newFake(t)
		tries := 0
		f.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/token" {
				tries++
				tt.answer(w)
			}
			return r.URL.Path == "/token"
		}
		b := open(t, f.storage())
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = b.account.authorize(r, false)
		var message string
		if away, ok := errors.AsType[*storage.Unavailable](err); ok {
			message = away.Message
		} else {
			message = job.Message(err, "")
		}
		if message != tt.want || tries != tt.tries || err != nil && strings.Contains(err.Error(), "secret words") {
			t.Errorf("%s: %v after %d tries, want %q after %d", tt.name, err, tries, tt.want, tt.tries)
		}
	}
}

// The request for a token ends with the context of the request that needs it.
func TestTokenContext(t *testing.T) {
	f := newFake(t)
	stopped := errors.New("stopped")
	ctx, stop := context.WithCancelCause(t.Context())
	f.answer = func(_ http.ResponseWriter, r *http.Request) bool {
		io.Copy(io.Discard, r.Body) // the server notices a closed connection only after the body
		stop(stopped)
		<-r.Context().Done()
		return true
	}
	if err := open(t, f.storage()).Check(ctx); !errors.Is(err, stopped) {
		t.Errorf("error %v, want %v", err, stopped)
	}
}

func TestRefusals(t *testing.T) {
	f := newFake(t)
	other := f.storage()
	other.Bucket = "nobody"
	const place = "The credentials have no access to bucket 'bkt' or may not do this in it (forbidden)."
	forbidden := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			return false
		}
		fail(w, 403, "forbidden")
		return true
	}
	for _, tt := range []struct {
		name             string
		st               *job.Storage
		answer           func(http.ResponseWriter, *http.Request) bool
		put, check, open string
	}{
		{"no bucket", other, nil, "There is no bucket 'nobody', or no such file in it (notFound).", "There is no bucket 'nobody', or no such file in it (notFound).",
			"The input could not be downloaded from bucket 'nobody': HTTP status code: 404 (Not Found)."},
		{"forbidden", f.storage(), forbidden, place, "",
			"The input could not be downloaded from bucket 'bkt': HTTP status code: 403 (Forbidden: access is denied, or a signed address has expired)."},
		{"bad account", f.storage(), func(w http.ResponseWriter, r *http.Request) bool {
			r.Form = map[string][]string{}
			return false
		}, "The storage of bucket 'bkt' does not accept the service account, or the clock of this server is wrong (invalid_grant).",
			"The storage of bucket 'bkt' does not accept the service account, or the clock of this server is wrong (invalid_grant).",
			"The storage of bucket 'bkt' does not accept the service account, or the clock of this server is wrong (invalid_grant)."},
	} {
		f.answer = tt.answer
		b := open(t, tt.st)
		_, serr := b.Source(t.Context(), "k")
		for want, err := range map[string]error{
			"put " + tt.put:     b.Put(t.Context(), "k", storagetest.Body([]byte("x")), storage.PutOptions{}),
			"check " + tt.check: b.Check(t.Context()), "open " + tt.open: serr,
		} {
			what, want, _ := strings.Cut(want, " ")
			if job.Message(err, "") != want || err != nil && (strings.Contains(err.Error(), "PRIVATE") || strings.Contains(err.Error(), "secret words")) {
				t.Errorf("%s: %s = %v, want %q", tt.name, what, err, want)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, text := range []string{"", "{}", "[]", `{"client_email": "a", "private_key": "hunter"}`,
		`{"client_email": "a", "private_key": "-----BEGIN PRIVATE KEY-----\naHVudGVy\n-----END PRIVATE KEY-----\n"}`} {
		_, err := Open(&job.Storage{Bucket: "b", Credentials: map[string]job.Secret{Credential: job.NewSecret(text)}}, Options{})
		if e, ok := errors.AsType[*job.Error](err); !ok || strings.Contains(e.Error(), "hunter") {
			t.Errorf("Open(%s) = %v", text, err)
		}
	}
}

func TestHuge(t *testing.T) {
	f := newFake(t)
	f.discard = true
	b := open(t, f.storage())
	size := storagetest.Huge(t, func(body storage.Body) error { return b.Put(t.Context(), "huge", body, storage.PutOptions{}) })
	if f.total != size {
		t.Errorf("%d bytes arrived of %d", f.total, size)
	}
}

// TestDeleterRefused checks that an account that may only create objects gets an
// error from Exists and Delete.
func TestDeleterRefused(t *testing.T) {
	f := newFake(t)
	b := open(t, f.storage())
	if err := b.Put(t.Context(), "k", storagetest.Body([]byte("film")), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		fail(w, 403, "forbidden")
		return true
	}
	const want = "The credentials have no access to bucket 'bkt' or may not do this in it (forbidden)."
	if found, err := b.Exists(t.Context(), "k"); found || job.Message(err, "") != want {
		t.Errorf("Has = %t, %v", found, err)
	}
	if err := b.Delete(t.Context(), "k"); job.Message(err, "") != want {
		t.Errorf("Remove = %v", err)
	}
	var n atomic.Int32
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if n.Add(1) > 2 {
			return false
		}
		fail(w, 503, "backendError")
		return true
	}
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Errorf("Remove at the third try: %v", err)
	}
	if _, ok := f.object("k"); ok {
		t.Error("the object is still there")
	}
}
