package azure

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/copra-video/copra/internal/azurite"
	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

func account(endpoint, name string) *job.Storage {
	return &job.Storage{Service: "azure", Bucket: name, Endpoint: endpoint, CacheControl: "max-age=60",
		Credentials: map[string]job.Secret{"account": job.NewSecret(azurite.Account), "api_key": job.NewSecret(azurite.Key)}}
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

func create(t *testing.T, b *Bucket) {
	t.Helper()
	c, err := container.NewClientWithSharedKeyCredential(b.address, b.key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func conformance(t *testing.T, endpoint string) {
	n := 0
	storagetest.Run(t, func(t *testing.T) storagetest.Target {
		n++
		name := fmt.Sprintf("container-%d", n)
		direct := open(t, account(endpoint, name))
		create(t, direct)
		host := strings.Split(endpoint, "/")[2]
		cutter := storagetest.NewCutter(t, host)
		return storagetest.Target{
			Bucket: open(t, account(strings.Replace(endpoint, host, cutter.Addr, 1), name)),
			Break:  cutter.Arm,
			Read:   func(key string) ([]byte, http.Header, error) { return read(t, direct, key) },
		}
	})
}

func read(t *testing.T, b *Bucket, key string) ([]byte, http.Header, error) {
	src, err := b.Source(t.Context(), key)
	if strings.Contains(job.Message(err, ""), "does not exist in container") {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	r, err := src.Open(t.Context(), 0)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil || int64(len(content)) != src.Size() {
		return nil, nil, fmt.Errorf("%d bytes of %d: %w", len(content), src.Size(), err)
	}
	c, err := b.blob(key)
	if err != nil {
		return nil, nil, err
	}
	p, err := c.GetProperties(t.Context(), nil)
	if err != nil {
		return nil, nil, err
	}
	if p.CacheControl == nil || *p.CacheControl != "max-age=60" {
		return nil, nil, errors.New("no cache_control")
	}
	header := http.Header{}
	if p.ContentType != nil {
		header.Set("Content-Type", *p.ContentType)
	}
	return content, header, nil
}

func TestAzurite(t *testing.T) {
	endpoint := azurite.Start(t)
	t.Run("conformance", func(t *testing.T) { conformance(t, endpoint) })
	b := open(t, account(endpoint, "mine"))
	create(t, b)
	t.Run("blocks", func(t *testing.T) {
		b.o.BlockSize = 1 << 20
		content := storagetest.Random(5<<20 + 1)
		if err := b.Put(t.Context(), "large.mp4", storagetest.Body(content), storage.PutOptions{ContentType: "video/mp4"}); err != nil {
			t.Fatal(err)
		}
		got, header, err := read(t, b, "large.mp4")
		if err != nil || !bytes.Equal(got, content) || header.Get("Content-Type") != "video/mp4" {
			t.Errorf("read %d bytes, %v, %v", len(got), header, err)
		}
	})
	t.Run("ranges", func(t *testing.T) {
		content := storagetest.Random(100_000)
		if err := b.Put(t.Context(), "in put+1.mp4", storagetest.Body(content), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		src, err := b.Source(t.Context(), "in put+1.mp4")
		if err != nil {
			t.Fatal(err)
		}
		for _, offset := range []int64{0, 1, 99_999, 100_000} {
			r, err := src.Open(t.Context(), offset)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			r.Close()
			if err != nil || !bytes.Equal(got, content[offset:]) {
				t.Errorf("%d bytes from %d, %v", len(got), offset, err)
			}
		}
		if err := b.Put(t.Context(), "in put+1.mp4", storagetest.Body(nil), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err = src.Open(t.Context(), 5); !strings.Contains(job.Message(err, ""), "changed while it was being read") {
			t.Errorf("changed file: %v", err)
		}
	})
	wrong := account(endpoint, "mine")
	wrong.Credentials["api_key"] = job.NewSecret("d3Jvbmcga2V5")
	for _, tt := range []struct {
		name string
		st   *job.Storage
		want string
	}{
		{"no container", account(endpoint, "nobody"), "The container 'nobody' does not exist (ContainerNotFound)."},
		{"wrong key", wrong, "The key for container 'mine' is wrong, or its firewall does not let this server in (AuthorizationFailure)."},
	} {
		b := open(t, tt.st)
		_, serr := b.Source(t.Context(), "k")
		for what, err := range map[string]error{
			"Check": b.Check(t.Context()), "Source": serr,
			"Put": b.Put(t.Context(), "k", storagetest.Body([]byte("x")), storage.PutOptions{}),
		} {
			if job.Message(err, "") != tt.want || strings.Contains(err.Error(), "d3Jvbmcga2V5") {
				t.Errorf("%s: %s = %v, want %q", tt.name, what, err, tt.want)
			}
		}
	}
}

// recorder answers every upload and keeps nothing.
func recorder(t *testing.T, total *atomic.Int64, answer func(n int64, w http.ResponseWriter) bool) string {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ := io.Copy(io.Discard, r.Body)
		if answer != nil && answer(n.Add(1), w) {
			return
		}
		if r.URL.Query().Get("comp") != "blocklist" {
			total.Add(got)
		}
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestRetries(t *testing.T) {
	var total atomic.Int64
	b := open(t, account(recorder(t, &total, func(n int64, w http.ResponseWriter) bool {
		if n > 3 {
			return false
		}
		w.Header().Set("X-Ms-Error-Code", "ServerBusy")
		w.WriteHeader(503)
		return true
	}), "mine"))
	if err := b.Put(t.Context(), "k", storagetest.Body([]byte("film")), storage.PutOptions{}); err != nil || total.Load() != 4 {
		t.Errorf("Put: %v, %d bytes", err, total.Load())
	}
}

func TestHuge(t *testing.T) {
	var total atomic.Int64
	b := open(t, account(recorder(t, &total, nil), "mine"))
	size := storagetest.Huge(t, func(body storage.Body) error { return b.Put(t.Context(), "huge", body, storage.PutOptions{}) })
	if total.Load() != size {
		t.Errorf("%d bytes arrived of %d", total.Load(), size)
	}
}

func TestOpen(t *testing.T) {
	st := account("", "videos")
	if got := open(t, st).URL("dir/a b.mp4"); got != "https://devstoreaccount1.blob.core.windows.net/videos/dir/a%20b.mp4" {
		t.Errorf("URL = %s", got)
	}
	for what, change := range map[string]func(st *job.Storage){
		"account":   func(st *job.Storage) { st.Credentials["account"] = job.NewSecret("evil.example/") },
		"key":       func(st *job.Storage) { st.Credentials["api_key"] = job.NewSecret("hunter2!") },
		"no key":    func(st *job.Storage) { delete(st.Credentials, "api_key") },
		"container": func(st *job.Storage) { st.Bucket = "../x" },
		"endpoint":  func(st *job.Storage) { st.Endpoint = "https://user:hunter2@h" },
	} {
		st := account("", "videos")
		change(st)
		_, err := Open(st, Options{})
		if e, ok := errors.AsType[*job.Error](err); !ok || strings.Contains(e.Error(), "hunter") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for total, want := range map[int64]int64{0: 8 << 20, 400_000 << 20: 8 << 20, 400_001 << 20: 9 << 20} {
		if got := blockSize(total, 8<<20); got != want {
			t.Errorf("blockSize(%d) = %d, want %d", total, got, want)
		}
	}
}

// TestDeleterErrors checks that only a missing blob counts as missing.
func TestDeleterErrors(t *testing.T) {
	var total atomic.Int64
	for code, tt := range map[string]struct {
		status int
		want   string
	}{
		"BlobNotFound":                    {404, ""},
		"ContainerNotFound":               {404, "The container 'mine' does not exist (ContainerNotFound)."},
		"AuthorizationPermissionMismatch": {403, "The credentials have no access to container 'mine' (AuthorizationPermissionMismatch)."},
		"SnapshotsPresent":                {409, "The file in container 'mine' has snapshots and may not be removed without them (SnapshotsPresent)."},
	} {
		b := open(t, account(recorder(t, &total, func(_ int64, w http.ResponseWriter) bool {
			w.Header().Set("X-Ms-Error-Code", code)
			w.WriteHeader(tt.status)
			return true
		}), "mine"))
		found, err := b.Exists(t.Context(), "k")
		for what, err := range map[string]error{"Has": err, "Remove": b.Delete(t.Context(), "k")} {
			if found || job.Message(err, "") != tt.want || (err == nil) != (tt.want == "") {
				t.Errorf("%s: %s = %v, want %q", code, what, err, tt.want)
			}
		}
	}
}
