package api_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/spec/observed"
)

// These tests send the requests of the published clients and of common tools byte
// for byte on a plain connection, and read the answers as their code does. Whether
// a client succeeds depends on details that an HTTP library hides.

// message is a request on the wire: header lines and body.
type message struct {
	head string // lines parted by \n
	body string
}

// basicToken is the Basic credentials with the valid key.
var basicToken = base64.StdEncoding.EncodeToString([]byte(token + ":"))

// dial opens a connection that is closed at the end of the test. Its deadline is
// before that of the test.
func (w *world) dial(t *testing.T) net.Conn {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", w.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// wire sends m on a new connection and returns the answer. If the header has Expect:
// 100-continue, the body is sent after "100 Continue".
func (w *world) wire(t *testing.T, m message) answer {
	t.Helper()
	c := w.dial(t)
	head := strings.NewReplacer("\n", "\r\n", "$AUTH", basicToken,
		"$HOST", w.Listener.Addr().String(), "$LENGTH", fmt.Sprint(len(m.body))).Replace(strings.TrimSpace(m.head)) + "\r\n\r\n"
	write(t, c, head)
	in := bufio.NewReader(c)
	method, _, _ := strings.Cut(head, " ")
	if strings.Contains(head, "Expect: 100-continue") {
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("read what follows Expect: %v", err)
		}
		if res.StatusCode != http.StatusContinue {
			return read(t, res) // a final answer: the body is not sent
		}
	}
	write(t, c, m.body)
	res, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	return read(t, res)
}

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatalf("write request: %v", err)
	}
}

func read(t *testing.T, res *http.Response) answer {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

// chunked returns s in the chunked encoding of Node, as a single chunk.
func chunked(s string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(s), s) }

// outcome is what a client returns to its caller: a value, or the text of an error.
type outcome struct {
	value map[string]any
	err   string
}

// client is a published client: its requests, and how it reads answers.
type client struct {
	name string
	// post and get are the headers of its requests, with PATH for the path.
	post, get string
	chunked   bool
	read      func(t *testing.T, a answer) outcome
}

const (
	jsHead = "User-Agent: Coconut/v2 NodeJSBindings/3.0.3\nContent-Type: application/json\nAccept: application/json\n" +
		"Host: $HOST\nAuthorization: Basic $AUTH\nConnection: keep-alive"
	goHead  = "Host: $HOST\nUser-Agent: Coconut/v2 GoBindings/2.0.0\n"
	goTail  = "Accept: application/json\nAuthorization: Basic $AUTH\nContent-Type: application/json\nAccept-Encoding: gzip"
	pyHead  = "Host: $HOST\n"
	pyTail  = "user-agent: Coconut/v2 PythonBindings/\ncontent-type: application/json\naccept: application/json\nauthorization: Basic $AUTH\naccept-encoding: gzip, deflate"
	rbHead  = "Authorization: Basic $AUTH\nUser-Agent: Coconut/v2 RubyBindings/3.0.1\nConnection: close\nHost: $HOST"
	phpHead = "Host: $HOST\nAuthorization: Basic $AUTH\nUser-Agent: Coconut/v2 PHPBindings/3.0.3\nContent-Type: application/json\nAccept: application/json"
)

var clients = []client{
	{
		name: "coconutjs", chunked: true,
		post: "POST PATH HTTP/1.1\n" + jsHead + "\nTransfer-Encoding: chunked",
		get:  "GET PATH HTTP/1.1\n" + jsHead,
		read: readJS,
	}, {
		name: "coconutgo",
		post: "POST PATH HTTP/1.1\n" + goHead + "Content-Length: $LENGTH\n" + goTail,
		get:  "GET PATH HTTP/1.1\n" + goHead + goTail,
		read: readGo,
	}, {
		name: "coconutpy",
		post: "POST PATH HTTP/1.1\n" + pyHead + "Content-Length: $LENGTH\n" + pyTail,
		get:  "GET PATH HTTP/1.1\n" + pyHead + pyTail,
		read: readPy,
	}, {
		name: "coconutrb",
		post: "POST PATH HTTP/1.1\n" + rbHead + "\nContent-Type: application/json; charset=UTF-8\nContent-Length: $LENGTH",
		get:  "GET PATH HTTP/1.1\n" + rbHead,
		read: readRb,
	}, {
		name: "coconutphp",
		post: "POST PATH HTTP/1.1\n" + phpHead + "\nContent-Length: $LENGTH\nExpect: 100-continue",
		get:  "GET PATH HTTP/1.1\n" + phpHead,
		read: readPHP,
	},
}

// readJS reads as coconutjs: every body must be JSON; 400 and 401 are errors with a
// message and a code.
func readJS(t *testing.T, a answer) outcome {
	if a.status == 404 && a.body == "" { // 3.0.3: an empty body is not parsed
		return outcome{err: "Server returned HTTP status 404 (server_error)"}
	}
	v := a.value(t)
	switch {
	case a.status == 400 || a.status == 401:
		return outcome{err: fmt.Sprintf("%s (%s)", v["message"], v["error_code"])}
	case a.status > 399:
		return outcome{err: fmt.Sprintf("Server returned HTTP status %d (server_error)", a.status)}
	}
	return outcome{value: v}
}

// readGo reads as coconutgo: into a map, and from there into a struct of strings. A
// member of another type makes the whole job empty, without an error.
func readGo(t *testing.T, a answer) outcome {
	if a.header.Get("Content-Encoding") == "gzip" {
		t.Error("Go's transport undoes gzip by itself; the test does not")
	}
	if a.status == 400 || a.status == 401 {
		var e struct {
			Message string `json:"message"`
			Code    string `json:"error_code"`
			Status  string `json:"status"`
		}
		if err := json.Unmarshal([]byte(a.body), &e); err != nil {
			t.Error(err)
		}
		return outcome{err: fmt.Sprintf("%s (%s)", e.Message, e.Code)}
	}
	if a.status > 399 {
		return outcome{err: fmt.Sprintf("Server returned HTTP status %d (server_error)", a.status)}
	}
	v := a.value(t)
	again, _ := json.Marshal(v)
	var j struct {
		ID          string `json:"id"`
		Status      string `json:"status"`
		CreatedAt   string `json:"created_at"`
		CompletedAt string `json:"completed_at"`
		Progress    string `json:"progress"`
		Input       struct{ Status string }
		Outputs     []map[string]any `json:"outputs"`
		JobID       string           `json:"job_id"`
		Metadata    map[string]any   `json:"metadata"`
	}
	if err := json.Unmarshal(again, &j); err != nil {
		t.Errorf("coconutgo would see an empty job: %v\n%s", err, a.body)
	}
	if j.ID == "" && j.JobID == "" {
		t.Errorf("coconutgo would see an empty answer: %s", a.body)
	}
	if j.JobID != "" && j.Metadata == nil {
		t.Errorf("coconutgo requires metadata that is not nil: %s", a.body)
	}
	for _, o := range j.Outputs {
		if urls, ok := o["urls"]; ok {
			for _, u := range urls.([]any) { // would panic there too
				if o["type"] == "httpstream" {
					_ = u.(map[string]any)["format"].(string)
				}
			}
		}
	}
	return outcome{value: v}
}

// readPy reads as coconutpy. Its httplib2 follows redirects of GET; there must be
// none.
func readPy(t *testing.T, a answer) outcome {
	switch {
	case a.status == 400 || a.status == 401:
		v := a.value(t)
		return outcome{err: v["message"].(string) + " (" + v["error_code"].(string) + ")"}
	case a.status > 399:
		return outcome{err: fmt.Sprintf("Server returned HTTP status %d (server_error)", a.status)}
	}
	return outcome{value: a.value(t)}
}

// readRb reads as coconutrb, which decodes the body by the MIME type of the answer,
// also for 400 and 401. It follows no redirects.
func readRb(t *testing.T, a answer) outcome {
	if a.status > 399 && a.status != 400 && a.status != 401 {
		return outcome{err: fmt.Sprintf("Server returned HTTP status %d (server_error)", a.status)}
	}
	kind, params, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil || kind != "application/json" || !strings.EqualFold(params["charset"], "utf-8") {
		t.Errorf("coconutrb knows no parser for %q", a.header.Get("Content-Type"))
	}
	return readPHP(t, a)
}

// readPHP reads as coconutphp: an error is one string. It follows no redirects.
func readPHP(t *testing.T, a answer) outcome {
	switch {
	case a.status >= 300 && a.status < 400:
		t.Errorf("a redirect, %d, which is not followed", a.status)
	case a.status == 400 || a.status == 401:
		v := a.value(t)
		return outcome{err: fmt.Sprintf("%s (%s)", v["message"], v["error_code"])}
	case a.status > 399:
		return outcome{err: fmt.Sprintf("Server returned HTTP status %d (server_error)", a.status)}
	}
	return outcome{value: a.value(t)}
}

// bodies are the jobs of the clients' test suites, in the JSON of each language: Go
// sorts members and sends null for unset ones, Python adds spaces, PHP escapes
// slashes and sends [] for an empty hash.
var bodies = map[string]string{
	"coconutjs":  `{"input":{"url":"https://s3-eu-west-1.amazonaws.com/files.coconut.co/bbb_800k.mp4"},"outputs":{"mp4:240p":{"key":"mp4:240p","path":"/coconutjs/tests/t1.mp4","duration":1}},"storage":{"service":"s3","bucket":"b","region":"us-east-1","credentials":{"access_key_id":"a","secret_access_key":"s"}},"notification":{"type":"http","url":"https://example.com/hook"}}`,
	"coconutgo":  `{"input":{"url":"https://s3-eu-west-1.amazonaws.com/files.coconut.co/bbb_800k.mp4"},"notification":null,"outputs":{"mp4:240p":{"duration":1,"key":"mp4:240p","path":"/coconutgo/tests/t1.mp4"}},"storage":{"service":"coconut"}}`,
	"coconutpy":  `{"input": {"url": "https://s3-eu-west-1.amazonaws.com/files.coconut.co/bbb_800k.mp4"}, "outputs": {"mp4:240p": {"key": "mp4:240p", "path": "/coconutpy/tests/t1.mp4", "duration": 1}}, "storage": {"service": "s3", "bucket": "b", "region": "us-east-1", "credentials": {"access_key_id": "a", "secret_access_key": "s"}}, "notification": {"type": "http", "url": "https://example.com/hook", "params": {"id": "\u00e9"}}}`,
	"coconutrb":  `{"input":{"url":"https://s3-eu-west-1.amazonaws.com/files.coconut.co/bbb_800k.mp4"},"outputs":{"mp4:240p":{"key":"mp4:240p","path":"/coconutrb/tests/t1.mp4","duration":1}},"storage":{"service":"s3","bucket":"b","region":"us-east-1","credentials":{"access_key_id":"a","secret_access_key":"s"}},"notification":{"type":"http","url":"https://example.com/hook"}}`,
	"coconutphp": `{"input":{"url":"https:\/\/s3-eu-west-1.amazonaws.com\/files.coconut.co\/bbb_800k.mp4"},"outputs":{"mp4:240p":{"key":"mp4:240p","path":"\/coconutphp\/tests\/t1.mp4","duration":1},"jpg:300x":{"path":"\/t.jpg","format":[]}},"settings":[],"storage":{"service":"s3","bucket":"b","region":"us-east-1","path":"\/","credentials":{"access_key_id":"a","secret_access_key":"s"}},"notification":{"type":"http","url":"https:\/\/example.com\/hook","params":[]}}`,
}

func (c client) ask(t *testing.T, w *world, path string) outcome {
	t.Helper()
	return c.read(t, w.wire(t, message{head: strings.Replace(c.get, "PATH", path, 1)}))
}

func (c client) create(t *testing.T, w *world, body string) outcome {
	t.Helper()
	m := message{head: strings.Replace(c.post, "PATH", "/v2/jobs", 1), body: body}
	if c.chunked {
		m.body = chunked(body)
	}
	return c.read(t, w.wire(t, m))
}

// TestUnsetStorage sends what the Go test suite sends without its environment
// variables.
func TestUnsetStorage(t *testing.T) {
	w, c := start(t), clients[1]
	body := strings.Replace(bodies[c.name], `"storage":{"service":"coconut"}`,
		`"storage":{"bucket":"","credentials":{"access_key_id":"","secret_access_key":""},"region":"","service":"s3"}`, 1)
	const want = "The storage credentials are not correct, you must define your 'access_key_id' and 'secret_access_key'. (storage_credentials_not_valid)"
	if got := c.create(t, w, body); got.err != want {
		t.Errorf("empty credentials: %v, want %q", got, want)
	}
	// null is the same as absent.
	null := c.create(t, w, strings.Replace(bodies[c.name], `"storage":{"service":"coconut"}`, `"storage":null`, 1))
	absent := c.create(t, w, strings.Replace(bodies[c.name], `,"storage":{"service":"coconut"}`, "", 1))
	if null.err != absent.err || (null.value == nil) != (absent.value == nil) {
		t.Errorf("null storage: %v, no storage: %v", null, absent)
	}
}

// slashes are the metadata URLs of a client.
func (c client) slashes(id, key string) []string {
	switch c.name {
	case "coconutpy", "coconutrb": // a slash follows the id in any case
		return []string{"/v2/metadata/jobs/" + id + "/", "/v2/metadata/jobs/" + id + "/" + key}
	default:
		return []string{"/v2/metadata/jobs/" + id}
	}
}

func TestClientsCreateAndRetrieve(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			w := start(t)
			made := c.create(t, w, bodies[c.name])
			if made.err != "" {
				t.Fatalf("create: %s", made.err)
			}
			id, _ := made.value["id"].(string)
			if len(id) != 14 || made.value["status"] != "job.starting" {
				t.Errorf("create: %v", made.value)
			}
			outputs, _ := made.value["outputs"].([]any)
			if len(outputs) == 0 || outputs[0].(map[string]any)["status"] != "video.waiting" {
				t.Errorf("create: outputs %v", outputs)
			}
			if got := c.ask(t, w, "/v2/jobs/"+id); got.err != "" || got.value["id"] != id || got.value["status"] != "job.starting" {
				t.Errorf("retrieve: %v", got)
			}
			// coconutgo asks at once, and needs metadata that is not null.
			for _, path := range c.slashes(id, "")[:1] {
				got := c.ask(t, w, path)
				if _, ok := got.value["metadata"].(map[string]any); !ok || got.value["job_id"] != id {
					t.Errorf("GET %s: %v", path, got)
				}
			}
		})
	}
	observed.Row(t, "10 coconutgo")
	observed.Row(t, "10 coconutphp")
	observed.Row(t, "10 coconutrb, coconutpy")
}

func TestClientsReadFinishedJobs(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			w := start(t)
			got := c.ask(t, w, "/v2/jobs/"+finishedID)
			if got.err != "" || got.value["status"] != "job.completed" || got.value["progress"] != "100%" {
				t.Errorf("retrieve: %v", got)
			}
			for _, path := range c.slashes(finishedID, "mp4:::quality=4,maxrate=400k") {
				got := c.ask(t, w, path)
				if m, _ := got.value["metadata"].(map[string]any); got.err != "" || len(m) == 0 {
					t.Errorf("GET %s: %v", path, got)
				}
			}
		})
	}
}

func TestClientsSeeErrors(t *testing.T) {
	const noInput = "The job 'input' is not a valid object. (input_not_valid)"
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			w := start(t)
			bad := strings.Replace(bodies[c.name], `"input"`, `"in"`, 1)
			if got := c.create(t, w, bad); got.err != noInput {
				t.Errorf("no input: %q, want %q", got.err, noInput)
			}
			bad = strings.NewReplacer("https://s3-eu-west-1.amazonaws.com/files.coconut.co/bbb_800k.mp4", "notvalidurl",
				`https:\/\/s3-eu-west-1.amazonaws.com\/files.coconut.co\/bbb_800k.mp4`, "notvalidurl").Replace(bodies[c.name])
			if got := c.create(t, w, bad); !strings.HasSuffix(got.err, "(input_url_not_valid)") {
				t.Errorf("bad URL: %q", got.err)
			}
			bad = strings.Replace(bodies[c.name], `"duration"`, `"foo"`, 1)
			if got := c.create(t, w, bad); !strings.HasSuffix(got.err, "(output_param_not_valid)") {
				t.Errorf("unknown param: %q", got.err)
			}
			const missing = "Server returned HTTP status 404 (server_error)"
			for _, path := range append(c.slashes("undefined", "input"), "/v2/jobs/undefined") {
				if got := c.ask(t, w, path); got.err != missing {
					t.Errorf("GET %s: %q, want %q", path, got.err, missing)
				}
			}
			denied := "Authentication failed, check your API key (authentication_failed)"
			c.get = strings.Replace(c.get, "$AUTH", "ay1ubzo=", 1)
			if got := c.ask(t, w, "/v2/jobs/"+finishedID); got.err != denied {
				t.Errorf("unknown key: %q, want %q", got.err, denied)
			}
		})
	}
}

// TestConsumers sends the requests of programs that use no published client.
func TestConsumers(t *testing.T) {
	for _, c := range []struct {
		name string
		m    message
	}{
		{"curl -d, as in the quick start", message{
			"POST /v2/jobs HTTP/1.1\nHost: $HOST\nAuthorization: Basic $AUTH\nUser-Agent: curl/7.88.1\nAccept: */*\nContent-Length: $LENGTH\nContent-Type: application/x-www-form-urlencoded", minimal}},
		{"fetch with a string", message{
			"POST /v2/jobs HTTP/1.1\nhost: $HOST\nconnection: keep-alive\nAuthorization: Basic $AUTH\ncontent-type: text/plain;charset=UTF-8\naccept: */*\naccept-language: *\nsec-fetch-mode: cors\nuser-agent: node\naccept-encoding: gzip, deflate\ncontent-length: $LENGTH", minimal}},
		{"no Content-Type", message{
			"POST /v2/jobs HTTP/1.1\nHost: $HOST\nAuthorization: Basic $AUTH\nContent-Length: $LENGTH", minimal}},
		{"a multipart Content-Type", message{
			"POST /v2/jobs HTTP/1.1\nHost: $HOST\nAuthorization: Basic $AUTH\nContent-Type: multipart/form-data\nContent-Length: $LENGTH", minimal}},
		{"an endpoint with a slash at its end", message{
			"POST /v2//jobs HTTP/1.1\nHost: $HOST\nAuthorization: Basic $AUTH\nContent-Type: application/json\nContent-Length: $LENGTH", minimal}},
		{"HTTP/1.0 through an old proxy", message{
			"POST /v2/jobs HTTP/1.0\nAuthorization: Basic $AUTH\nContent-Type: application/json\nContent-Length: $LENGTH", minimal}},
		{"the whole URL in the request line", message{
			"POST http://api.coconut.co/v2/jobs HTTP/1.1\nHost: api.coconut.co\nAuthorization: Basic $AUTH\nContent-Type: application/json\nContent-Length: $LENGTH", minimal}},
		{"many chunks", message{
			"POST /v2/jobs HTTP/1.1\nHost: $HOST\nAuthorization: Basic $AUTH\nTransfer-Encoding: chunked",
			"1\r\n" + minimal[:1] + "\r\n" + strings.TrimSuffix(chunked(minimal[1:]), "")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := start(t).wire(t, c.m); got.status != 201 {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}

// TestLargeBodyOnTheWire sends a too large body in the three possible ways. Each
// must end with the answer, and not with a connection reset.
func TestLargeBodyOnTheWire(t *testing.T) {
	const head = "POST /v2/jobs HTTP/1.1\nHost: $HOST\nAuthorization: Basic $AUTH\nContent-Type: application/json\n"
	large := strings.Repeat("a", 10<<20)
	for _, c := range []struct {
		name string
		m    message
	}{
		{"with a length", message{head + "Content-Length: $LENGTH", large}},
		{"chunked", message{head + "Transfer-Encoding: chunked", chunked(large)}},
		{"with Expect", message{head + "Content-Length: $LENGTH\nExpect: 100-continue", large}},
		{"chunked with Expect", message{head + "Transfer-Encoding: chunked\nExpect: 100-continue", chunked(large)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t)
			got := w.wire(t, c.m)
			if v := got.value(t); got.status != 400 || v["error_code"] != "config_not_valid" {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}

// TestLargeBodyRefused checks that a request with a large body that is refused for
// another reason gets its answer too.
func TestLargeBodyRefused(t *testing.T) {
	large := strings.Repeat("a", 2<<20)
	for _, c := range []struct {
		head   string
		status int
	}{
		{"POST /v2/jobs HTTP/1.1\nHost: $HOST\nContent-Length: $LENGTH", 401},
		{"POST /v2/jobs HTTP/1.1\nHost: $HOST\nContent-Length: $LENGTH\nExpect: 100-continue", 401},
		{"POST /v2/nothing HTTP/1.1\nHost: $HOST\nAuthorization: Basic $AUTH\nContent-Length: $LENGTH", 404},
		{"PUT /v2/jobs HTTP/1.1\nHost: $HOST\nAuthorization: Basic $AUTH\nContent-Length: $LENGTH", 405},
		{"POST / HTTP/1.1\nHost: $HOST\nContent-Length: $LENGTH", 405},
	} {
		if got := start(t).wire(t, message{c.head, large}); got.status != c.status {
			t.Errorf("%s: %d, want %d", c.head, got.status, c.status)
		}
	}
}

// TestKeepAlive checks that the connection of a refused request can be used again,
// unless the answer says that it is closed.
func TestKeepAlive(t *testing.T) {
	w := start(t)
	c := w.dial(t)
	in := bufio.NewReader(c)
	for _, m := range []struct {
		path, body string
		status     int
	}{
		{"/v2/jobs", minimal, 201},
		{"/v2/jobs", "no json", 400},
		{"/v2/jobs", strings.Repeat("a", 2<<20), 400},
		{"/v2/nothing", minimal, 404},
		{"/v2/jobs", minimal, 201},
	} {
		write(t, c, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n%s", m.path, basicToken, len(m.body), m.body))
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, res); got.status != m.status || res.Close {
			t.Errorf("POST %s: %d %s (close: %t)", m.path, got.status, got.body, res.Close)
		}
	}
}
