package local

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/storage/storagetest"
)

// resumableServer serves a store with its resumable uploads.
func resumableServer(t *testing.T, o Options) (*Store, *httptest.Server) {
	t.Helper()
	if o.Free == nil {
		o.Free = func(string) (int64, error) { return 1 << 40, nil }
	}
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	o.Dir, o.PublicURL = t.TempDir(), srv.URL
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r, err := s.Resumable()
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle(ResumablePrefix, r)
	mux.Handle(Prefix, s)
	mux.Handle("POST /v2/uploads", s.SignHandler())
	return s, srv
}

// tus makes a request of the protocol.
func tus(t *testing.T, method, url string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Tus-Resumable", "1.0.0")
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/offset+octet-stream")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp
}

func named(name string) string { return "filename " + base64.StdEncoding.EncodeToString([]byte(name)) }

// TestResumable: an upload is begun without a key, cut off, asked after and finished.
// Until then its address has nothing; then it is an input like any other.
func TestResumable(t *testing.T) {
	s, srv := resumableServer(t, Options{})
	content := storagetest.Random(300_000)
	address, _ := s.SignUpload(time.Now(), 0)
	begun := tus(t, "POST", address, nil, "Upload-Length", strconv.Itoa(len(content)), "Upload-Metadata", named("my clip+1.mp4"))
	at, result := begun.Header.Get("Location"), begun.Header.Get("Content-Location")
	if begun.StatusCode != 201 || !strings.HasPrefix(at, srv.URL+ResumablePrefix) || !strings.HasSuffix(result, "/my%20clip%2B1.mp4") {
		t.Fatalf("%s: location %q, content %q", begun.Status, at, result)
	}
	cutOff(t, at, content, 100_000)
	if resp, err := http.Get(result); err != nil || resp.StatusCode != 404 {
		t.Errorf("a part of the file is served: %v %v", resp, err)
	}
	head := tus(t, "HEAD", at, nil)
	offset, err := strconv.Atoi(head.Header.Get("Upload-Offset"))
	if err != nil || offset != 100_000 {
		t.Fatalf("HEAD: %s, offset %q", head.Status, head.Header.Get("Upload-Offset"))
	}
	if got := tus(t, "PATCH", at, bytes.NewReader(content[:10]), "Upload-Offset", "0"); got.StatusCode != 409 {
		t.Errorf("the wrong offset: %s", got.Status)
	}
	last := tus(t, "PATCH", at, bytes.NewReader(content[offset:]), "Upload-Offset", strconv.Itoa(offset))
	if last.StatusCode != 204 || last.Header.Get("Content-Location") != result {
		t.Fatalf("PATCH: %s, %q", last.Status, last.Header)
	}
	// The answer of the last PATCH may be lost.
	if again := tus(t, "HEAD", at, nil); again.Header.Get("Upload-Offset") != strconv.Itoa(len(content)) || again.Header.Get("Content-Location") != result {
		t.Errorf("HEAD of a whole upload: %s %q", again.Status, again.Header)
	}
	if _, body := request(t, "GET", result); body != string(content) {
		t.Errorf("served %d bytes", len(body))
	}
	src, own, err := s.Lookup(result)
	if err != nil || !own || src.Size() != int64(len(content)) {
		t.Errorf("Lookup: %v %v %v", src, own, err)
	}
	if got := tus(t, "DELETE", at, nil); got.StatusCode != 204 {
		t.Errorf("DELETE: %s", got.Status)
	}
	if resp, err := http.Get(result); err != nil || resp.StatusCode != 404 {
		t.Errorf("after DELETE: %v %v", resp, err)
	}
}

// cutOff sends the first n bytes of an upload, and then closes the connection. It
// returns when the server has taken them.
func cutOff(t *testing.T, at string, content []byte, n int) {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "PATCH %s HTTP/1.1\r\nHost: %s\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: %d\r\n\r\n",
		u.Path, u.Host, len(content))
	if _, err := c.Write(content[:n]); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, c) // until the server has given up too
	c.Close()
}

// TestResumableRefuses: what an upload may not be, and each answer says why.
func TestResumableRefuses(t *testing.T) {
	s, srv := resumableServer(t, Options{MaxUpload: 1000})
	fresh, _ := s.SignUpload(time.Now(), 0)
	old, _ := s.SignUpload(time.Now().Add(-2*time.Hour), time.Hour)
	forged := fresh[:len(fresh)-1] + map[bool]string{true: "0", false: "1"}[fresh[len(fresh)-1] != '0']
	full, err := Open(Options{Dir: t.TempDir(), PublicURL: srv.URL, Free: func(string) (int64, error) { return 0, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { full.Close() })
	for _, row := range []struct {
		name, address, length, file, text string
		status                            int
	}{
		{"expired", old, "10", "a.mp4", "POST /v2/uploads", 403},
		{"forged", forged, "10", "a.mp4", "ERR_EXPIRED", 403},
		{"no token", srv.URL + ResumablePrefix, "10", "a.mp4", "ERR_EXPIRED", 403},
		{"too large", fresh, "1001", "a.mp4", "ERR_MAX_SIZE_EXCEEDED", 413},
		{"a name with a line break", fresh, "10", "a\nb.mp4", "plain file name", 400},
		{"a long name", fresh, "10", strings.Repeat("a", 201), "200 bytes", 400},
		{"no size", fresh, "", "a.mp4", "ERR_INVALID_UPLOAD_LENGTH", 400},
	} {
		got := tus(t, "POST", row.address, nil, "Upload-Length", row.length, "Upload-Metadata", named(row.file))
		body, err := io.ReadAll(got.Body)
		if err != nil || got.StatusCode != row.status || !strings.Contains(string(body), row.text) {
			t.Errorf("%s: %s %s, want %d with %q", row.name, got.Status, body, row.status, row.text)
		}
	}
	// A path is cut to its last part, as browsers do not send it.
	if got := tus(t, "POST", fresh, nil, "Upload-Length", "1", "Upload-Metadata", named(`C:\clips\..\b.mp4`)); !strings.HasSuffix(got.Header.Get("Content-Location"), "/b.mp4") {
		t.Errorf("a path: %s %q", got.Status, got.Header.Get("Content-Location"))
	}
	for _, id := range []string{"0123456789abcdef0123456789abcdef", "../secret", "x"} {
		if got := tus(t, "HEAD", srv.URL+ResumablePrefix+id, nil); got.StatusCode != 404 {
			t.Errorf("HEAD of %s: %s", id, got.Status)
		}
	}
	r, err := full.Resumable()
	if err != nil {
		t.Fatal(err)
	}
	crowded := httptest.NewServer(r)
	t.Cleanup(crowded.Close)
	address, _ := full.SignUpload(time.Now(), 0)
	if got := tus(t, "POST", crowded.URL+strings.TrimPrefix(address, srv.URL), nil, "Upload-Length", "10"); got.StatusCode != 507 {
		t.Errorf("a full disk: %s", got.Status)
	}
}

// TestSignUploads: the address and its end, and what the body may be.
func TestSignUploads(t *testing.T) {
	s, srv := resumableServer(t, Options{})
	for _, row := range []struct {
		body   string
		status int
		life   time.Duration
	}{{"", 201, time.Hour}, {`{"expires_in": 600}`, 201, 10 * time.Minute}, {`{"expires_in": 86401}`, 400, 0}, {`{"expires_in": -1}`, 400, 0}, {`[]`, 400, 0}} {
		begin := time.Now()
		resp, err := http.Post(srv.URL+"/v2/uploads", "application/json", strings.NewReader(row.body))
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			URL       string
			ExpiresAt time.Time `json:"expires_at"`
		}
		err = json.NewDecoder(resp.Body).Decode(&answer)
		resp.Body.Close()
		if err != nil || resp.StatusCode != row.status {
			t.Errorf("%s: %s, %v", row.body, resp.Status, err)
		}
		if row.status != 201 {
			continue
		}
		if d := answer.ExpiresAt.Sub(begin.Add(row.life)); d < -2*time.Second || d > 2*time.Second {
			t.Errorf("%s: expires %s off", row.body, d)
		}
		token := strings.TrimPrefix(answer.URL, srv.URL+ResumablePrefix)
		if !s.mayBegin(token, answer.ExpiresAt) || s.mayBegin(token, answer.ExpiresAt.Add(2*time.Second)) {
			t.Errorf("%s: the token does not end when it should", row.body)
		}
	}
}
