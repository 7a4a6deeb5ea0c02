package ipfs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
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

// fake is both services as documented. It takes folders and returns the hash of
// their content.
type fake struct {
	*httptest.Server
	t       *testing.T
	mu      sync.Mutex
	folders map[string]map[string][]byte
	total   int64
	discard bool
	answer  func(w http.ResponseWriter, r *http.Request) bool
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, folders: map[string]map[string][]byte{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.answer != nil && f.answer(w, r) {
		return
	}
	id, secret, basic := r.BasicAuth()
	pinata := strings.HasPrefix(r.URL.Path, "/pinning/") || strings.HasPrefix(r.URL.Path, "/data/")
	if pinata {
		id, secret, basic = r.Header.Get("pinata_api_key"), r.Header.Get("pinata_secret_api_key"), true
	}
	if !basic || id != "the-id" || secret != "the-secret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case "/data/testAuthentication":
	case "/api/v0/version":
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	case "/pinning/pinFileToIPFS", "/api/v0/add":
		f.add(w, r, pinata)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (f *fake) add(w http.ResponseWriter, r *http.Request, pinata bool) {
	if !pinata && r.URL.Query().Get("wrap-with-directory") != "true" {
		f.t.Error("no folder around the files")
	}
	mr, err := r.MultipartReader()
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	files := map[string][]byte{}
	for {
		part, err := mr.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return
		}
		_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if params["name"] != "file" {
			continue
		}
		if f.discard {
			n, _ := io.Copy(io.Discard, part)
			f.total += n
			continue
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return
		}
		name, inside := strings.CutPrefix(params["filename"], "copra/")
		if !pinata {
			name, err = url.QueryUnescape(params["filename"])
			inside = err == nil
		}
		if !inside {
			f.t.Errorf("file name %q", params["filename"])
		}
		files[name] = content
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%q %q", name, files[name])
	}
	cid := "bafy" + hex.EncodeToString(h.Sum(nil))
	f.mu.Lock()
	f.folders[cid] = files
	f.mu.Unlock()
	if pinata {
		fmt.Fprintf(w, `{"IpfsHash": %q, "PinSize": 1}`, cid)
		return
	}
	for name := range files {
		fmt.Fprintf(w, "{\"Name\": %q, \"Hash\": \"bafyfile\"}\n", name)
	}
	fmt.Fprintf(w, "{\"Name\": \"\", \"Hash\": %q}\n", cid)
}

// get is the gateway.
func (f *fake) get(address string) []byte {
	u, err := url.Parse(address)
	if err != nil || address == "" {
		return nil
	}
	parts := strings.SplitN(u.Path, "/", 4)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.folders[parts[2]][parts[3]]
}

func (f *fake) storage(service string) *job.Storage {
	c := map[string]job.Secret{}
	names := services[service].credentials
	c[names[0]], c[names[1]] = job.NewSecret("the-id"), job.NewSecret("the-secret")
	return &job.Storage{Service: service, Endpoint: f.URL, Credentials: c}
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
	for name := range services {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storagetest.Target {
				f := newFake(t)
				cutter := storagetest.NewCutter(t, strings.TrimPrefix(f.URL, "http://"))
				st := f.storage(name)
				st.Endpoint = "http://" + cutter.Addr
				b := open(t, st)
				return storagetest.Target{Bucket: b, Untyped: true, Break: cutter.Arm, LargeSize: 5 << 20,
					Read: func(key string) ([]byte, http.Header, error) { return f.get(b.URL(key)), nil, nil }}
			})
		})
	}
}

// TestStream checks that the files of a stream are in one folder.
func TestStream(t *testing.T) {
	for name := range services {
		f := newFake(t)
		b := open(t, f.storage(name))
		var items []storage.Item
		for _, key := range []string{"hls/720p/1.ts", "hls/master.m3u8", "hls/720p.m3u8", "hls/720p/0.ts"} {
			items = append(items, storage.Item{Key: key, Body: storagetest.Body([]byte(key))})
		}
		if err := b.PutBatch(t.Context(), items); err != nil {
			t.Fatal(err)
		}
		root, _, _ := strings.Cut(b.URL("hls/master.m3u8"), "/hls/")
		for _, i := range items {
			if b.URL(i.Key) != root+"/"+i.Key || string(f.get(b.URL(i.Key))) != i.Key {
				t.Errorf("%s: %s at %s", name, i.Key, b.URL(i.Key))
			}
		}
	}
}

func TestGateway(t *testing.T) {
	f := newFake(t)
	for gateway, want := range map[string]string{
		"": "https://gateway.pinata.cloud/ipfs/bafy", "my.mypinata.cloud": "https://my.mypinata.cloud/ipfs/bafy",
		"https://my.mypinata.cloud/": "https://my.mypinata.cloud/ipfs/bafy",
	} {
		st := f.storage("ipfs_pinata")
		st.Options = map[string]string{"gateway_dns": gateway}
		b := open(t, st)
		if err := b.Put(t.Context(), "a b.mp4", storagetest.Body(nil), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := b.URL("a b.mp4"); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "/a%20b.mp4") {
			t.Errorf("URL = %s", got)
		}
	}
}

func TestRefusals(t *testing.T) {
	f := newFake(t)
	for name, s := range services {
		st := f.storage(name)
		st.Credentials[s.credentials[1]] = job.NewSecret("hunter2")
		b := open(t, st)
		want := "The service " + name + " does not accept the credentials (HTTP status code: 401)."
		for what, err := range map[string]error{
			"Check": b.Check(t.Context()), "Put": b.Put(t.Context(), "k", storagetest.Body([]byte("x")), storage.PutOptions{}),
		} {
			if job.Message(err, "") != want || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %s = %v, want %q", name, what, err, want)
			}
		}
		f.answer = func(w http.ResponseWriter, r *http.Request) bool {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, `{"IpfsHash": "../evil", "Name": "", "Hash": "../evil"}`)
			return true
		}
		b = open(t, f.storage(name))
		if err := b.Put(t.Context(), "k", storagetest.Body([]byte("x")), storage.PutOptions{}); !strings.Contains(job.Message(err, ""), "did not tell the address") {
			t.Errorf("%s: %v", name, err)
		}
		f.answer = nil

		delete(st.Credentials, s.credentials[0])
		if _, err := Open(st, Options{}); !strings.Contains(job.Message(err, ""), s.credentials[0]) {
			t.Errorf("%s without credentials: %v", name, err)
		}
		st = f.storage(name)
		st.Options = map[string]string{"gateway_dns": "evil/../"}
		if _, err := Open(st, Options{}); !errors.As(err, new(*job.Error)) {
			t.Errorf("%s with a bad gateway: %v", name, err)
		}
	}
}

func TestHuge(t *testing.T) {
	f := newFake(t)
	f.discard = true
	b := open(t, f.storage("ipfs_infura"))
	size := storagetest.Huge(t, func(body storage.Body) error { return b.Put(t.Context(), "huge", body, storage.PutOptions{}) })
	if f.total != size {
		t.Errorf("%d bytes arrived of %d", f.total, size)
	}
}
