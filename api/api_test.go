package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/api"
	"github.com/copra-video/copra/storage/local"
)

const minimal = `{"input":{"url":"https://example.com/in.mov"},"storage":{"service":"coconut"},"outputs":{"mp4:240p":{"path":"/240p.mp4"}}}`

// answer is a response.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request with user as the API key, "" for none. It follows no
// redirects.
func (w *world) do(t *testing.T, method, path, user, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	target, query, _ := strings.Cut(path, "?")
	decoded, err := url.PathUnescape(target)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = decoded, target, query
	if user != "" {
		r.SetBasicAuth(user, "")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

func (a answer) value(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("answer %d %q: %v", a.status, a.body, err)
	}
	return v
}

func TestCreateAndGet(t *testing.T) {
	w := start(t)
	made := w.do(t, "POST", "/v2/jobs", token, minimal)
	if made.status != 201 {
		t.Fatalf("POST: %d %s", made.status, made.body)
	}
	v := made.value(t)
	if v["status"] != "job.starting" || v["progress"] != "0%" || v["completed_at"] != nil {
		t.Errorf("POST: %s", made.body)
	}
	got := w.do(t, "GET", "/v2/jobs/"+v["id"].(string), token, "")
	if got.status != 200 || got.body != made.body {
		t.Errorf("GET: %d %s, want what POST told: %s", got.status, got.body, made.body)
	}
	asked := w.store.last(t)
	if asked.KeyID != "key-1" || string(asked.Request) != minimal {
		t.Errorf("the store was given key %q and request %q", asked.KeyID, asked.Request)
	}
}

func TestPaths(t *testing.T) {
	w := start(t)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/v2/jobs/" + finishedID, 200},
		{"GET", "/v2/jobs/" + finishedID + "/", 200},
		{"GET", "/v2/jobs/" + finishedID + "?a=b", 200},
		{"GET", "//v2//jobs///" + finishedID, 200},
		{"HEAD", "/v2/jobs/" + finishedID, 200},
		{"GET", "/v2/jobs/" + failedID, 200},
		{"GET", "/v2/jobs/" + runningID, 200},
		{"GET", "/v2/metadata/jobs/" + finishedID, 200},
		{"GET", "/v2/metadata/jobs/" + finishedID + "/", 200},
		{"GET", "/v2/metadata/jobs/" + finishedID + "//", 200},
		{"GET", "//v2/metadata//jobs/" + finishedID + "/", 200},
		{"GET", "/v2/metadata/jobs/" + runningID, 200}, // nothing is known yet: {} and not 404
		{"GET", "/v2/metadata/jobs/" + runningID + "/", 200},
		{"GET", "/v2/metadata/jobs/" + finishedID + "/input", 200},
		{"GET", "/v2/metadata/jobs/" + finishedID + "/input/", 200},
		{"GET", "/v2/metadata/jobs/" + finishedID + "//input", 200},
		{"GET", "/v2/metadata/jobs/" + finishedID + "/httpstream", 200},
		{"GET", "/v2/metadata/jobs/" + finishedID + "/mp4:::quality=4,maxrate=400k", 200},
		{"GET", "/v2/metadata/jobs/" + finishedID + "/mp4%3A%3A%3aquality%3D4%2Cmaxrate%3D400k", 200},
		{"GET", "/v2/metadata/jobs/" + finishedID + "/a/b%20c", 200},
		{"GET", "/v2/metadata/jobs/" + finishedID + "/a%2Fb%20c", 200},
		{"GET", "/v2/metadata/jobs/" + finishedID + "/jpg:300x", 200}, // images have none: {}
		{"GET", "/v2/metadata/jobs/" + finishedID + "/mp4:999p", 404},
		{"GET", "/v2/metadata/jobs/undefined", 404},
		{"GET", "/v2/metadata/jobs/undefined/", 404},
		{"GET", "/v2/metadata/jobs/undefined/input", 404},
		{"GET", "/v2/metadata/jobs", 404},
		{"GET", "/v2/jobs/undefined", 404},
		{"GET", "/v2/jobs/" + finishedID + "x", 404},
		{"GET", "/v2/jobs/a%00b", 404},
		{"GET", "/v2/jobs/%C3%A4", 404},
		{"GET", "/v2/jobs/%FF", 404},
		{"GET", "/v2/jobs/a%2Fb", 404},
		{"GET", "/v2/jobs/" + strings.Repeat("a", 5000), 404},
		{"GET", "/v2/jobs/" + finishedID + "/nothing", 404},
		{"GET", "/v2", 404},
		{"GET", "/v2/", 404},
		{"GET", "/v2/nothing", 404},
		{"GET", "/v1/jobs/1", 404},
		{"GET", "/nothing", 404},
		{"DELETE", "/v2/uploads/x", 405},
		{"PUT", "/v2/jobs", 405},
		{"PATCH", "/v2/jobs/" + finishedID, 405},
		{"POST", "/v2/metadata/jobs/" + finishedID, 405},
		{"POST", "/v2/metadata/jobs/" + finishedID + "/input", 405},
		{"POST", "/healthz", 405},
		{"BREW", "/v2/jobs", 405},
	} {
		got := w.do(t, c.method, c.path, token, "")
		if got.status != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, got.status, got.body, c.status)
		}
		if got.status >= 400 && got.body != "" {
			t.Errorf("%s %s: %d with a body: %q", c.method, c.path, got.status, got.body)
		}
	}
}

func TestMetadataOfKey(t *testing.T) {
	w := start(t)
	const key = "mp4:::quality=4,maxrate=400k"
	v := w.do(t, "GET", "/v2/metadata/jobs/"+finishedID+"/"+key, token, "").value(t)
	m, _ := v["metadata"].(map[string]any)
	if v["job_id"] != finishedID || len(m) != 1 || m[key] == nil {
		t.Errorf("metadata of %s: %v", key, v)
	}
}

func TestForeignJobsAreNotThere(t *testing.T) {
	w := start(t)
	for _, path := range []string{"/v2/jobs/", "/v2/metadata/jobs/"} {
		if got := w.do(t, "GET", path+finishedID, otherToken, ""); got.status != 404 || got.body != "" {
			t.Errorf("GET %s of another key: %d %q", path, got.status, got.body)
		}
	}
}

func TestAuthentication(t *testing.T) {
	w := start(t)
	const want = `{"message":"Authentication failed, check your API key","error_code":"authentication_failed","status":"error"}`
	basic := func(s string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(s))
	}
	for _, c := range []struct {
		name, header string
		ok           bool
	}{
		{"none", "", false},
		{"key", basic(token + ":"), true},
		{"a password", basic(token + ":secret"), true},
		{"no colon", "Basic " + "ay0wMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==", true},
		{"no padding", "Basic " + "ay0wMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg", true},
		{"lower case scheme", "basic " + strings.TrimPrefix(basic(token+":"), "Basic "), true},
		{"unknown key", basic("k-no:"), false},
		{"key as password", basic(":" + token), false},
		{"bearer", "Bearer " + token, false},
		{"bearer base64", "Bearer " + strings.TrimPrefix(basic(token+":"), "Basic "), false},
		{"no base64", "Basic ###", false},
		{"empty basic", "Basic ", false},
		{"only a scheme", "Basic", false},
	} {
		for _, path := range []string{"/v2/jobs/" + finishedID, "/v2/metadata/jobs/" + finishedID + "/"} {
			got := w.do(t, "GET", path, "", "", "Authorization", c.header)
			switch {
			case c.ok && got.status != 200:
				t.Errorf("%s: %d", c.name, got.status)
			case !c.ok && (got.status != 401 || got.body != want):
				t.Errorf("%s: %d %s", c.name, got.status, got.body)
			case !c.ok && got.header.Get("Www-Authenticate") != `Basic realm="Copra"`:
				t.Errorf("%s: WWW-Authenticate %q", c.name, got.header.Get("Www-Authenticate"))
			}
		}
	}
	for _, path := range []string{"/v2/nothing", "/v2/jobs"} {
		if got := w.do(t, "GET", path, "", ""); got.status != 401 {
			t.Errorf("GET %s without a key: %d", path, got.status)
		}
	}
	if got := w.do(t, "PUT", "/v2/uploads/a.mov", "", "abc"); got.status != 401 {
		t.Errorf("upload without a key: %d", got.status)
	}
}

func TestBadRequests(t *testing.T) {
	w := start(t)
	for _, c := range []struct{ name, body, code string }{
		{"empty", "", "config_not_valid"},
		{"not JSON", "input=x", "config_not_valid"},
		{"an array", "[]", "config_not_valid"},
		{"cut off", minimal[:40], "config_not_valid"},
		{"deep", strings.Repeat("[", 100_000), "config_not_valid"},
		{"no input", `{"outputs":{"mp4":{"path":"/a.mp4"}}}`, "input_not_valid"},
		{"too large", minimal + strings.Repeat(" ", 1<<20), "config_not_valid"},
		{"10 MB", strings.Repeat("a", 10<<20), "config_not_valid"},
	} {
		got := w.do(t, "POST", "/v2/jobs", token, c.body)
		if v := got.value(t); got.status != 400 || v["error_code"] != c.code || v["status"] != "error" {
			t.Errorf("%s: %d %s", c.name, got.status, got.body)
		}
	}
	got := w.do(t, "POST", "/v2/jobs", token, strings.Repeat("a", 10<<20))
	if !strings.Contains(got.body, "1048576 bytes (1 MiB)") {
		t.Errorf("the limit is not named: %s", got.body)
	}
	if n := len(w.store.created); n != 0 {
		t.Errorf("%d jobs were created", n)
	}
	full := minimal + strings.Repeat(" ", 1<<20-len(minimal))
	if got := w.do(t, "POST", "/v2/jobs", token, full); got.status != 201 {
		t.Errorf("a body of exactly 1 MiB: %d %s", got.status, got.body)
	}
}

func TestGzippedRequest(t *testing.T) {
	w := start(t)
	zip := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, s)
		_ = z.Close()
		return b.String()
	}
	if got := w.do(t, "POST", "/v2/jobs", token, zip(minimal), "Content-Encoding", "gzip"); got.status != 201 {
		t.Errorf("gzip: %d %s", got.status, got.body)
	}
	bomb := zip(strings.Repeat(" ", 8<<20)) // some kilobytes
	if got := w.do(t, "POST", "/v2/jobs", token, bomb, "Content-Encoding", "gzip"); got.status != 400 || !strings.Contains(got.body, "1 MiB") {
		t.Errorf("bomb: %d %s", got.status, got.body)
	}
	if got := w.do(t, "POST", "/v2/jobs", token, minimal, "Content-Encoding", "gzip"); got.status != 400 {
		t.Errorf("not gzip: %d %s", got.status, got.body)
	}
}

func TestIdempotencyKey(t *testing.T) {
	w := start(t)
	post := func(key, body string) answer {
		return w.do(t, "POST", "/v2/jobs", token, body, "Idempotency-Key", key)
	}
	first, again := post("order-1", minimal), post("order-1", minimal)
	if first.status != 201 || again.status != 201 || first.body != again.body {
		t.Errorf("same body: %d %s, then %d %s", first.status, first.body, again.status, again.body)
	}
	if w.store.last(t).IdempotencyKey != "order-1" {
		t.Error("the key did not reach the store")
	}
	other := post("order-1", strings.Replace(minimal, "in.mov", "other.mov", 1))
	if v := other.value(t); other.status != 409 || v["error_code"] != "idempotency_key_reused" {
		t.Errorf("another body: %d %s", other.status, other.body)
	}
	for _, key := range []string{strings.Repeat("k", 256), "caf\u00e9"} {
		if got := post(key, minimal); got.status != 400 || got.value(t)["error_code"] != "idempotency_key_not_valid" {
			t.Errorf("key %q: %d %s", key, got.status, got.body)
		}
	}
}

func TestTrouble(t *testing.T) {
	w := start(t)
	w.store.err = errors.New("connection to 10.0.0.7 refused")
	got := w.do(t, "GET", "/v2/jobs/"+finishedID, token, "")
	if got.status != 500 || got.body != "" {
		t.Errorf("store in trouble: %d %q", got.status, got.body)
	}
	if !strings.Contains(w.logs.String(), "connection to 10.0.0.7 refused") {
		t.Error("the log does not say why")
	}
	w.store.err = context.DeadlineExceeded
	if got := w.do(t, "GET", "/v2/jobs/"+finishedID, token, ""); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("store too slow: %d %v", got.status, got.header)
	}
}

// A database that fails over, or that does not answer at all, is a 503 that says
// when to come back.
func TestUnavailable(t *testing.T) {
	readOnly := errors.New("read-only")
	w := start(t, func(c *api.Config) {
		c.StatementTimeout = 10 * time.Millisecond
		c.Unavailable = func(err error) bool { return errors.Is(err, readOnly) }
		c.Ready = []api.Check{{Name: "database", Run: func(context.Context) error { return readOnly }, Reason: error.Error}}
	})
	w.store.err = readOnly
	if got := w.do(t, "POST", "/v2/jobs", token, minimal); got.status != 503 || got.header.Get("Retry-After") == "" || got.body != "" {
		t.Errorf("read-only: %d %v %q", got.status, got.header, got.body)
	}
	if got := w.do(t, "GET", "/readyz", "", ""); got.status != 503 || got.body != `{"status":"unavailable","reasons":["read-only"]}` {
		t.Errorf("readyz: %d %s", got.status, got.body)
	}
	w.store.err, w.store.hangs = nil, true
	for method, path := range map[string]string{
		"GET": "/v2/jobs", "POST": "/v2/jobs", "DELETE": "/v2/jobs/" + finishedID,
	} {
		if got := w.do(t, method, path, token, minimal); got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Errorf("%s %s of a database that hangs: %d %v", method, path, got.status, got.header)
		}
	}
}

func TestPanic(t *testing.T) {
	w := start(t)
	w.store.hook = func() { panic("the roof is on fire") }
	if got := w.do(t, "POST", "/v2/jobs", token, minimal); got.status != 500 || got.body != "" {
		t.Errorf("panic: %d %q", got.status, got.body)
	}
	if log := w.logs.String(); !strings.Contains(log, "the roof is on fire") || !strings.Contains(log, "fake_test.go") {
		t.Errorf("the log lacks the panic or its stack: %s", log)
	}
}

func TestUploadAndStorage(t *testing.T) {
	w := start(t)
	if got := w.do(t, "PUT", "/v2/uploads/my%20clip.mov", token, "abc", "Content-Type", "application/octet-stream"); got.status != 201 || !strings.Contains(got.body, "my clip.mov") {
		t.Errorf("upload: %d %s", got.status, got.body)
	}
	// The storage gets the original path, including double slashes.
	if got := w.do(t, "GET", "/storage/13/11/abc/_x//a.avi", "", ""); got.body != "file /storage/13/11/abc/_x//a.avi" {
		t.Errorf("storage: %d %s", got.status, got.body)
	}

	bare := start(t, func(c *api.Config) { c.Storage, c.Uploads = nil, nil })
	if got := bare.do(t, "GET", "/storage/a", "", ""); got.status != 404 {
		t.Errorf("no storage: %d", got.status)
	}
	if got := bare.do(t, "PUT", "/v2/uploads/a", token, "x"); got.status != 404 {
		t.Errorf("no uploads: %d", got.status)
	}
}

// TestBuiltInStorage uploads and downloads a file with the real storage.
func TestBuiltInStorage(t *testing.T) {
	files, err := local.Open(local.Options{
		Dir: t.TempDir(), PublicURL: "https://copra.example.com", MaxUpload: 1 << 20,
		MinFree: 1, // whatever the disk of the test has
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	w := start(t, func(c *api.Config) {
		c.Storage, c.Uploads, c.SignUploads = files, files.UploadHandler(), files.SignHandler()
	})
	if got := w.do(t, "POST", "/v2/uploads", "", ""); got.status != 401 {
		t.Errorf("an address for uploads without a key: %d", got.status)
	}
	if got := w.do(t, "POST", "/v2/uploads", token, `{"expires_in":60}`); got.status != 201 || !strings.HasPrefix(got.value(t)["url"].(string), "https://copra.example.com/resumable/") {
		t.Errorf("an address for uploads: %d %s", got.status, got.body)
	}
	if got := w.do(t, "POST", "/v2/uploads", token, `{"expires_in":"soon"}`); got.status != 400 || !strings.Contains(got.body, "SECONDS") {
		t.Errorf("a wrong life of an address: %d %s", got.status, got.body)
	}
	const content = "not much of a film"
	sent := w.do(t, "PUT", "/v2/uploads/my%20clip.mov", token, content, "Content-Type", "video/quicktime")
	if sent.status != 201 {
		t.Fatalf("upload: %d %s", sent.status, sent.body)
	}
	address, ok := strings.CutPrefix(sent.value(t)["url"].(string), "https://copra.example.com")
	if !ok {
		t.Fatalf("upload: %s", sent.body)
	}
	if got := w.do(t, "GET", address, "", ""); got.status != 200 || got.body != content || got.header.Get("Content-Type") != "video/quicktime" {
		t.Errorf("GET %s: %d %q %s", address, got.status, got.body, got.header.Get("Content-Type"))
	}
	if got := w.do(t, "GET", address, "", "", "Range", "bytes=4-7"); got.status != 206 || got.body != content[4:8] {
		t.Errorf("a range: %d %q", got.status, got.body)
	}
	if got := w.do(t, "OPTIONS", address, "", ""); got.status != 204 || got.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("OPTIONS: %d %v", got.status, got.header)
	}
	if got := w.do(t, "GET", "/storage/", "", ""); got.status != 404 {
		t.Errorf("the storage itself: %d", got.status)
	}
	large := strings.Repeat("a", 2<<20)
	if got := w.do(t, "PUT", "/v2/uploads/large.mov", token, large, "Content-Type", "application/octet-stream"); got.status != 413 {
		t.Errorf("a large upload: %d %s", got.status, got.body)
	}
}

// FuzzPath checks that no path leads to a redirect or to an internal error.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/v2/jobs/x", "//v2//metadata/jobs/x//a%2f%zz/../b/", "", "*", "/storage/../v2/jobs", "/v2/metadata/jobs/\x00/%"} {
		f.Add(s)
	}
	jobs := &store{}
	h := api.New(api.Config{Jobs: jobs, Keys: jobs})
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path, r.URL.RawPath = path, path
		r.SetBasicAuth(token, "")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 && (w.Code != 404 && w.Code != 405 || w.Body.Len() > 0) {
			t.Errorf("GET %q: %d %s", path, w.Code, w.Body)
		}
	})
}

// FuzzPlace checks that any Last-Event-ID, after and cursor is answered or refused
// with a message.
func FuzzPlace(f *testing.F) {
	for _, s := range []string{"", "7", "-1", "1e3", "4294967296", "٣", "\x00", "a&b", "%zz", strings.Repeat("9", 500)} {
		f.Add(s, s, s)
	}
	jobs := &store{watchers: map[chan struct{}]bool{}}
	h := api.New(api.Config{Jobs: jobs, Keys: jobs})
	f.Fuzz(func(t *testing.T, id, after, cursor string) {
		for _, address := range []string{"/v2/jobs/x/events?after=" + url.QueryEscape(after), "/v2/jobs?cursor=" + url.QueryEscape(cursor) + "&limit=" + url.QueryEscape(after)} {
			r := httptest.NewRequest("GET", address, nil)
			r.Header["Last-Event-Id"] = []string{id}
			r.Header.Set("Accept", "text/event-stream")
			r.SetBasicAuth(token, "")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 || w.Code == 400 && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s with %q: %d %s", address, id, w.Code, w.Body)
			}
		}
	})
}

func TestHealth(t *testing.T) {
	var down error
	w := start(t, func(c *api.Config) {
		c.Ready = []api.Check{{Name: "database", Run: func(context.Context) error { return down }}}
	})
	if got := w.do(t, "GET", "/healthz", "", ""); got.body != `{"status":"ok","version":"1.2.3","region":"eu-west-1"}` {
		t.Errorf("healthz: %d %s", got.status, got.body)
	}
	if got := w.do(t, "GET", "/readyz", "", ""); got.status != 200 || got.body != `{"status":"ready"}` {
		t.Errorf("readyz: %d %s", got.status, got.body)
	}
	down = errors.New("password authentication for user copra")
	got := w.do(t, "GET", "/readyz", "", "")
	if got.status != 503 || got.body != `{"status":"unavailable","reasons":["database is not available"]}` {
		t.Errorf("readyz: %d %s", got.status, got.body)
	}
	if !strings.Contains(w.logs.String(), down.Error()) {
		t.Error("the log does not say why")
	}
	if got := w.do(t, "GET", "/", "", ""); got.status != 200 || !strings.Contains(got.body, "Copra 1.2.3") {
		t.Errorf("landing page: %d %s", got.status, got.body)
	}
}

// TestNothingLeaks sends canaries as secrets and looks for them in log and metrics.
func TestNothingLeaks(t *testing.T) {
	w := start(t)
	const canary = "CANARY"
	w.do(t, "GET", "/v2/jobs/"+canary+"?token="+canary, token, "", "X-Secret", canary)
	w.do(t, "GET", "/v2/metadata/jobs/"+finishedID+"/"+canary, token, "")
	w.do(t, "GET", "/"+canary, canary, "")
	w.do(t, "GET", "/v2/"+canary, token, "")
	w.do(t, canary, "/v2/jobs", token, "")
	w.do(t, "GET", "/storage/"+canary, "", "")
	w.do(t, "POST", "/v2/jobs", token, strings.Replace(minimal, "in.mov", canary, 1), "Idempotency-Key", canary)
	w.do(t, "POST", "/v2/jobs", token, `{"input":"`+canary+`"}`)
	w.do(t, "GET", "/v2/jobs/x", canary, "")
	metrics := w.do(t, "GET", "/metrics", "", "").body
	for name, text := range map[string]string{"log": w.logs.String(), "metrics": metrics} {
		if strings.Contains(text, canary) || strings.Contains(text, token) {
			t.Errorf("the %s holds a secret:\n%s", name, text)
		}
	}
	for _, want := range []string{
		`copra_http_requests_total{code="201",method="POST",region="eu-west-1",route="/v2/jobs"} 1`,
		`copra_http_requests_total{code="404",method="GET",region="eu-west-1",route="/v2/jobs/{id}"} 1`,
		`copra_http_requests_total{code="404",method="GET",region="eu-west-1",route="/v2/metadata/jobs/{id}/*"} 1`,
		`copra_http_requests_total{code="405",method="other",region="eu-west-1",route="other"} 1`,
		`copra_http_requests_total{code="200",method="GET",region="eu-west-1",route="/storage/*"} 1`,
		`copra_http_request_duration_seconds_count{method="POST",region="eu-west-1",route="/v2/jobs"} 2`,
		`copra_jobs_created_total{region="eu-west-1"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s\n%s", want, metrics)
		}
	}
}

func TestRequestLog(t *testing.T) {
	w := start(t)
	got := w.do(t, "GET", "/v2/jobs/"+finishedID, token, "")
	w.Close() // waits for the handler, and so for its log line
	var line struct {
		Level, Msg, Request, Method, Route, Job string
		Status, Bytes                           int
		Took                                    int64
	}
	if err := json.Unmarshal([]byte(w.logs.String()), &line); err != nil {
		t.Fatalf("%v: %s", err, w.logs)
	}
	if line.Level != "INFO" || line.Msg != "request" || line.Request != got.header.Get("X-Request-Id") || line.Request == "" ||
		line.Method != "GET" || line.Route != "/v2/jobs/{id}" || line.Job != finishedID ||
		line.Status != 200 || line.Bytes != len(got.body) || line.Took <= 0 {
		t.Errorf("log line %s", w.logs)
	}
}
