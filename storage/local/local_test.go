package local

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

const testHash = "0123456789abcdef0123456789abcdef"

var created = time.Date(2026, 11, 23, 7, 30, 0, 0, time.UTC)

func newStore(t *testing.T, o Options) (*Store, *httptest.Server) {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	o.Dir, o.PublicURL = t.TempDir(), "http://"+srv.Listener.Addr().String()+"/"
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	mux := http.NewServeMux()
	mux.Handle("/v2/uploads/", s.UploadHandler())
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, Prefix) {
			s.ServeHTTP(w, r) // not through the mux, which redirects double slashes
			return
		}
		mux.ServeHTTP(w, r)
	})
	srv.Start()
	t.Cleanup(srv.Close)
	return s, srv
}

func newBucket(t *testing.T, s *Store) storage.Bucket {
	t.Helper()
	b, err := s.Bucket(created, testHash)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func putString(t *testing.T, b storage.Bucket, key, content string) {
	t.Helper()
	if err := b.Put(t.Context(), key, storagetest.Body([]byte(content)), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func request(t *testing.T, method, url string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestConformance(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storagetest.Target {
		s, _ := newStore(t, Options{})
		b := newBucket(t, s)
		return storagetest.Target{Bucket: b, Read: func(key string) ([]byte, http.Header, error) {
			resp, err := http.Get(b.URL(key))
			if err != nil {
				return nil, nil, err
			}
			defer resp.Body.Close()
			if resp.StatusCode == http.StatusNotFound {
				return nil, nil, nil
			}
			body, err := io.ReadAll(resp.Body)
			return body, resp.Header, err
		}}
	})
}

func TestAddress(t *testing.T) {
	s, srv := newStore(t, Options{})
	b := newBucket(t, s)
	putString(t, b, "/_coconut//a b.mp4", "hello")
	want := srv.URL + "/storage/23/07/" + testHash + "/_coconut//a%20b.mp4"
	if got := b.URL("/_coconut//a b.mp4"); got != want {
		t.Errorf("URL = %q, want %q", got, want)
	}
	for _, url := range []string{want, strings.Replace(want, "_coconut//", "_coconut/", 1)} {
		if resp, body := request(t, "GET", url); body != "hello" {
			t.Errorf("GET %s = %s %q", url, resp.Status, body)
		}
	}
	if _, err := s.Bucket(created, "../../../../../../../../../../e"); err == nil {
		t.Error("a hash that is none was taken")
	}
}

func TestServing(t *testing.T) {
	s, _ := newStore(t, Options{})
	b := newBucket(t, s)
	putString(t, b, "master.m3u8", "#EXTM3U\n")
	u := b.URL("master.m3u8")

	resp, body := request(t, "GET", u, "Range", "bytes=1-3", "Origin", "https://player.example")
	if resp.StatusCode != 206 || body != "EXT" || resp.Header.Get("Content-Range") != "bytes 1-3/8" {
		t.Errorf("range: %s %q %v", resp.Status, body, resp.Header)
	}
	for k, v := range map[string]string{
		"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "origin, range",
		"Content-Type": "application/vnd.apple.mpegurl", "X-Content-Type-Options": "nosniff",
	} {
		if got := resp.Header.Get(k); got != v {
			t.Errorf("%s = %q, want %q", k, got, v)
		}
	}
	if resp, body := request(t, "HEAD", u); resp.StatusCode != 200 || body != "" || resp.ContentLength != 8 {
		t.Errorf("HEAD: %s, %d", resp.Status, resp.ContentLength)
	}
	if resp, _ := request(t, "OPTIONS", u); resp.StatusCode != 204 || resp.Header.Get("Access-Control-Allow-Methods") != "GET, HEAD, OPTIONS" {
		t.Errorf("OPTIONS: %s %v", resp.Status, resp.Header)
	}
	if resp, _ := request(t, "DELETE", u); resp.StatusCode != 405 {
		t.Errorf("DELETE: %s", resp.Status)
	}
	if resp, _ := request(t, "GET", u, "Range", "bytes=100-"); resp.StatusCode != 416 {
		t.Errorf("range beyond the end: %s", resp.Status)
	}
}

func TestContentTypes(t *testing.T) {
	s, _ := newStore(t, Options{})
	b := newBucket(t, s)
	for key, want := range map[string]string{
		"a.ts": "video/mp2t", "a.m4s": "video/iso.segment", "a.vtt": "text/vtt; charset=utf-8", "A.MP4": "video/mp4",
		"page.html": "application/octet-stream", "script.js": "application/octet-stream", "x.svg": "application/octet-stream",
		"noextension": "application/octet-stream",
	} {
		putString(t, b, key, "<html><script>alert(1)</script></html>")
		if resp, _ := request(t, "GET", b.URL(key)); resp.Header.Get("Content-Type") != want {
			t.Errorf("%s is served as %q, want %q", key, resp.Header.Get("Content-Type"), want)
		}
	}
	putString(t, b, "picture", "\x89PNG\x0d\x0a\x1a\x0a")
	if resp, _ := request(t, "GET", b.URL("picture")); resp.Header.Get("Content-Type") != "image/png" {
		t.Errorf("picture is served as %q", resp.Header.Get("Content-Type"))
	}
}

func TestNothingElseIsServed(t *testing.T) {
	s, srv := newStore(t, Options{})
	b := newBucket(t, s)
	putString(t, b, "dir/file.mp4", "hello")
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	job := filepath.Join(s.o.Dir, "23/07", testHash)
	if err := os.Symlink(outside, filepath.Join(job, "link.mp4")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(job, "linkdir")); err != nil {
		t.Fatal(err)
	}
	base := "/storage/23/07/" + testHash
	for _, p := range []string{
		"/storage", "/storage/", "/storage/secret", "/storage/tmp/x", "/storage/23", "/storage/23/07/", base, base + "/",
		base + "/dir", base + "/dir/", base + "/link.mp4", base + "/linkdir/outside", base + "/dir/../../../../secret",
		base + "/%2e%2e/%2e%2e/%2e%2e/secret", base + "/..%2f..%2f..%2fsecret", base + "/%2fetc%2fpasswd", base + "/dir/file.mp4%00",
		"/storage/..%5csecret", "/storage/uploads/", "/storage/uploads/" + testHash,
	} {
		r := httptest.NewRequest("GET", "http://x/", nil)
		var err error
		if r.URL, err = r.URL.Parse(srv.URL + p); err != nil {
			t.Fatal(err)
		}
		// Bypass the client, which would clean the path.
		if strings.Contains(p, "..") && !strings.Contains(p, "%") {
			r.URL.Path = p
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound {
			t.Errorf("GET %s = %d %q", p, w.Code, w.Body)
		}
	}
}

func TestPutRefusesBadPaths(t *testing.T) {
	s, _ := newStore(t, Options{})
	b := newBucket(t, s)
	putString(t, b, "file", "x")
	for _, key := range []string{
		"../x", "a/../../x", "a/..", "/", "", "dir/", "a\x00b", "a\nb", `..\x`, strings.Repeat("x", 300), "file/below", "./x",
	} {
		if err := b.Put(t.Context(), key, storagetest.Body([]byte("x")), storage.PutOptions{}); err == nil {
			t.Errorf("Put(%q) succeeded", key)
		}
	}
	putString(t, b, "folder/x", "x")
	if err := b.Put(t.Context(), "folder", storagetest.Body([]byte("x")), storage.PutOptions{}); err == nil {
		t.Error("a folder was replaced by a file")
	}
	left, _ := os.ReadDir(filepath.Join(s.o.Dir, tmpDir))
	if len(left) != 0 {
		t.Errorf("%d unfinished files stayed", len(left))
	}
}

func TestHash(t *testing.T) {
	s, _ := newStore(t, Options{})
	h := s.Hash("abc", "files")
	if !isHash(h) || h == s.Hash("abc", "stream") || h == s.Hash("abd", "files") || h != s.Hash("abc", "files") {
		t.Errorf("Hash = %q", h)
	}
	again, err := Open(Options{Dir: s.o.Dir})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Hash("abc", "files") != h {
		t.Error("another process has another secret")
	}
	other, _ := newStore(t, Options{})
	if other.Hash("abc", "files") == h {
		t.Error("another store has the same secret")
	}
	if err := os.WriteFile(filepath.Join(s.o.Dir, secretFile), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: s.o.Dir}); err == nil || !strings.Contains(err.Error(), "remove the file") {
		t.Errorf("short secret: %v", err)
	}
}

func TestSweep(t *testing.T) {
	s, _ := newStore(t, Options{})
	b := newBucket(t, s)
	other, err := s.Bucket(created, strings.Repeat("f", 32))
	if err != nil {
		t.Fatal(err)
	}
	putString(t, b, "dir/old.mp4", "x")
	putString(t, other, "dir/mixed-old.mp4", "x")
	putString(t, other, "dir/mixed-new.mp4", "x")
	if err := os.WriteFile(filepath.Join(s.o.Dir, tmpDir, "left"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if n, err := s.Sweep(now.Add(23 * time.Hour)); n != 0 || err != nil {
		t.Fatalf("Sweep after 23 h removed %d, %v", n, err)
	}
	young := now.Add(2 * time.Hour)
	if err := os.Chtimes(filepath.Join(s.o.Dir, "23/07", strings.Repeat("f", 32), "dir/mixed-new.mp4"), young, young); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(now.Add(25 * time.Hour)); n != 2 || err != nil {
		t.Errorf("Sweep after 25 h removed %d, %v; want the old job and the unfinished file", n, err)
	}
	if resp, _ := request(t, "GET", b.URL("dir/old.mp4")); resp.StatusCode != 404 {
		t.Errorf("old file: %s", resp.Status)
	}
	if resp, _ := request(t, "GET", other.URL("dir/mixed-old.mp4")); resp.StatusCode != 200 {
		t.Errorf("a file of a job that is still young: %s", resp.Status)
	}
	if n, err := s.Sweep(now.Add(27 * time.Hour)); n != 1 || err != nil {
		t.Errorf("Sweep after 27 h removed %d, %v", n, err)
	}
	if _, err := os.Stat(filepath.Join(s.o.Dir, "23")); !os.IsNotExist(err) {
		t.Error("empty folders stayed")
	}
}
