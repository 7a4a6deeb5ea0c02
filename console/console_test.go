package console_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/check"
	"github.com/copra-video/copra/console"
	"github.com/copra-video/copra/console/signon"
	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
)

const operator = "operator-0123456789abcdef"

// request has a secret, "canary", wherever a request may have one.
const request = `{
	"input": {"url": "https://user:canary1@media.example.com/canary2/in.mp4?token=canary3"},
	"storage": {"service": "s3", "bucket": "b", "region": "us-east-1", "credentials": {"access_key_id": "canary4", "secret_access_key": "canary5"}},
	"outputs": {"mp4:720p": {"path": "/a.mp4", "watermark": {"url": "https://example.com/canary6.png"}},
		"httpstream": {"hls": {"path": "/hls", "encryption_key": "00112233445566778899aabbccddeeff", "encryption_key_uri": "https://example.com/canary7"}}},
	"notification": {"type": "http", "url": "https://hook.example.com/canary8", "events": true, "params": {"token": "canary9"}},
	"metadata": {"order": "4711"}, "unknown": {"text": "canary10"}
}`

// rig is a console with a database, and a browser without scripts.
type rig struct {
	*postgres.Store
	t      *testing.T
	url    string
	client *http.Client
	key    job.Key
	token  job.Secret

	checked []string      // addresses of streams
	signOn  signon.Config // with an issuer: of the next console that is served
}

// check stands in for copra check, which has tests of its own.
func (r *rig) check(_ context.Context, address string) ([]check.Report, error) {
	r.checked = append(r.checked, address)
	return []check.Report{{Address: address, Kind: "hls", Passed: 1, Failed: 1, Results: []check.Result{
		{Rule: "7.5", Status: check.Fail, Text: "the target duration is 6 s", Findings: []check.Finding{{Where: "0.m3u8", What: "the target duration is 8 s"}}},
		{Rule: "7.6", Status: check.Pass, Text: "fine"},
	}}}, nil
}

func start(t *testing.T) *rig {
	t.Helper()
	sealer, err := seal.ParseKeys([]string{seal.Generate()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), pgtest.New(t).URL, postgres.Options{Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	r := &rig{Store: s, t: t}
	r.serve(operator)
	if r.key, r.token, err = s.CreateKey(t.Context(), "main", job.Secret{}); err != nil {
		t.Fatal(err)
	}
	return r
}

// serve serves the console with another operator's key.
func (r *rig) serve(operator string) {
	pages, err := queue.Pages(r.Queue(), "/console/queue", slog.New(slog.DiscardHandler))
	if err != nil {
		r.t.Fatal(err)
	}
	config := console.Config{Store: r.Store, Queue: pages, Operator: job.NewSecret(operator), StaleAfter: time.Minute, Refresh: time.Millisecond, Check: r.check, CheckStorage: r.checkStorage}
	srv := httptest.NewUnstartedServer(nil)
	if r.signOn.Issuer != "" {
		r.signOn.ReturnURL = "http://" + srv.Listener.Addr().String() + "/console/sign-on/return"
		config.SignOn = signon.New(r.signOn)
	}
	srv.Config.Handler = console.New(config)
	srv.Start()
	r.t.Cleanup(srv.Close)
	jar, _ := cookiejar.New(nil) // never fails
	if r.client != nil {
		u, _ := url.Parse(r.url + "/console") // cookies know no port
		cookies := r.client.Jar.Cookies(u)
		for _, c := range cookies {
			c.Path = "/console"
		}
		jar.SetCookies(u, cookies)
	}
	r.url, r.client = srv.URL, &http.Client{Jar: jar}
}

type answer struct {
	status int
	body   string
	path   string // after redirects
	header http.Header
}

func (r *rig) do(method, path string, form url.Values, headers ...string) answer {
	r.t.Helper()
	q, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		r.t.Fatal(err)
	}
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	res, err := r.client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{res.StatusCode, string(body), res.Request.URL.Path, res.Header}
}

func (r *rig) get(path string) answer { r.t.Helper(); return r.do("GET", path, nil) }

func (r *rig) post(path string, pairs ...string) answer {
	r.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return r.do("POST", path, form)
}

func (r *rig) signIn(key string) {
	r.t.Helper()
	if a := r.post("/console/sign-in", "key", key); a.status != 200 || a.path != "/console/" {
		r.t.Fatalf("sign in: %d at %s\n%s", a.status, a.path, a.body)
	}
}

func (r *rig) create(keyID string) string {
	r.t.Helper()
	spec, err := coconut.DecodeJob([]byte(request))
	if err != nil {
		r.t.Fatal(err)
	}
	st, err := r.CreateJob(r.t.Context(), job.Submission{KeyID: keyID, Request: []byte(request), Spec: spec})
	if err != nil {
		r.t.Fatal(err)
	}
	return st.ID
}

// fail lets a run find the input missing.
func (r *rig) fail(id string) {
	r.t.Helper()
	run := r.claim(id)
	at := time.Now()
	_, err := r.Record(r.t.Context(), id, run, job.Event{Kind: job.JobStartedEvent, At: at},
		job.Event{Kind: job.InputFailedEvent, At: at, Error: "The input was not found.", Reason: job.InputNotFound})
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestSignIn: who may see what, and for how long.
func TestSignIn(t *testing.T) {
	r := start(t)
	other, _, err := r.CreateKey(t.Context(), "other", job.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	mine, theirs := r.create(r.key.ID), r.create(other.ID)
	if a := r.get("/console/jobs/" + mine); a.path != "/console/sign-in" || !strings.Contains(a.body, "/console/jobs/"+mine) {
		t.Errorf("without a session: %s\n%s", a.path, a.body)
	}
	if a := r.post("/console/sign-in", "key", "k-wrong"); a.status != 401 || !strings.Contains(a.body, "not a key") {
		t.Errorf("a wrong key: %d", a.status)
	}
	r.signIn(r.token.Reveal())
	for path, want := range map[string]int{
		"/console/jobs/" + mine: 200, "/console/jobs/" + theirs: 404, "/console/jobs/" + theirs + "/request": 404,
		"/console/keys": 404, "/console/system": 404, "/console/queue/": 404, "/console/queue/api/jobs": 404, "/console/live?page=job&id=" + theirs: 404,
	} {
		if a := r.get(path); a.status != want {
			t.Errorf("%s with a key: %d, want %d", path, a.status, want)
		}
	}
	if a := r.get("/console/jobs"); !strings.Contains(a.body, mine) || strings.Contains(a.body, theirs) {
		t.Error("the list of a key is not that of its jobs")
	}
	for _, act := range []string{"cancel", "retry", "again", "deliveries/1/replay"} {
		if a := r.post("/console/jobs/" + theirs + "/" + act); a.status != 404 {
			t.Errorf("%s of another's job: %d", act, a.status)
		}
	}
	if err := r.RevokeKey(t.Context(), r.key.ID); err != nil {
		t.Fatal(err)
	}
	if a := r.get("/console/jobs"); a.path != "/console/sign-in" {
		t.Errorf("after the key was revoked: %s", a.path)
	}

	r.signIn(operator)
	if a := r.get("/console/jobs"); !strings.Contains(a.body, mine) || !strings.Contains(a.body, theirs) {
		t.Error("the operator does not see all jobs")
	}
	r.serve("another-0123456789abcdef") // keeps the cookie
	if a := r.get("/console/jobs"); a.path != "/console/sign-in" {
		t.Errorf("after the operator's key was changed: %s", a.path)
	}
	r.serve(operator)
	r.signIn(operator)
	if a := r.post("/console/sign-out"); a.path != "/console/sign-in" {
		t.Errorf("sign out: %s", a.path)
	}
	if a := r.get("/console/jobs"); a.path != "/console/sign-in" {
		t.Errorf("after sign-out: %s", a.path)
	}
	var sessions int
	if err := r.Pool().QueryRow(t.Context(), `SELECT count(*) FROM console_sessions WHERE key_id IS NULL`).Scan(&sessions); err != nil || sessions != 1 {
		t.Errorf("%d sessions are left, want that of the changed key alone: %v", sessions, err)
	}
}

// TestQueue: River's pages show an operator the rows of the queue, and change none.
func TestQueue(t *testing.T) {
	r := start(t)
	if a := r.get("/console/queue/api/jobs?state=available"); a.path != "/console/sign-in" {
		t.Errorf("without a session: %s", a.path)
	}
	id := r.create(r.key.ID)
	r.signIn(operator)
	if a := r.get("/console/queue/api/jobs?state=available&limit=10"); a.status != 200 || !strings.Contains(a.body, id) || strings.Contains(a.body, "canary") {
		t.Errorf("the rows that wait: %d %s", a.status, a.body)
	}
	a := r.get("/console/queue/")
	if a.status != 200 || !strings.Contains(a.body, "River") || !strings.Contains(a.header.Get("Content-Security-Policy"), "script-src 'self';") {
		t.Errorf("the page: %d %v\n%s", a.status, a.header, a.body)
	}
	script := regexp.MustCompile(`src="(/console/queue/assets/[^"]+)"`).FindStringSubmatch(a.body)
	if script == nil || r.get(script[1]).status != 200 {
		t.Errorf("the page's script %q is not served", script)
	}
	if a := r.post("/console/queue/api/jobs/cancel"); a.status != 405 {
		t.Errorf("a change: %d", a.status)
	}
}

// TestGuesses: wrong keys are counted, and then also a good one has to wait.
func TestGuesses(t *testing.T) {
	r := start(t)
	for range 10 {
		if a := r.post("/console/sign-in", "key", "k-wrong"); a.status != 401 {
			t.Fatalf("a wrong key: %d", a.status)
		}
	}
	if a := r.post("/console/sign-in", "key", operator); a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("after ten wrong keys: %d", a.status)
	}
}

// TestForgedRequest: another site cannot change anything, and the cookie is not for scripts.
func TestForgedRequest(t *testing.T) {
	r := start(t)
	a := r.do("POST", "/console/sign-in", url.Values{"key": {operator}}, "Sec-Fetch-Site", "cross-site")
	if a.status != 403 {
		t.Errorf("a sign-in from another site: %d", a.status)
	}
	r.signIn(operator)
	id := r.create(r.key.ID)
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		if a := r.do("POST", "/console/jobs/"+id+"/cancel", nil, headers...); a.status != 403 {
			t.Errorf("%v: %d", headers, a.status)
		}
	}
	r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for next, want := range map[string]string{"/console/jobs?q=a": "/console/jobs?q=a", "https://evil.example/": "/console/", "//evil.example/console/": "/console/", `/console/\..\..`: "/console/", "/v2/jobs": "/console/"} {
		if a := r.post("/console/sign-in", "key", operator, "next", next); a.header.Get("Location") != want {
			t.Errorf("next=%s leads to %s", next, a.header.Get("Location"))
		} else if c := a.header.Get("Set-Cookie"); !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") || !strings.Contains(c, "Path=/console") {
			t.Errorf("the cookie is %s", c)
		}
	}
}

// TestPages: every page answers, with a strict policy, and shows no secret.
func TestPages(t *testing.T) {
	r := start(t)
	id := r.create(r.key.ID)
	r.fail(id)
	r.signIn(operator)
	for _, page := range []struct{ path, has string }{
		{"/console", "Overview"}, {"/console/", "input_not_found"}, {"/console/jobs?status=job.failed&q=NOT+found&metadata=order:4711", id},
		{"/console/jobs/" + id, "The input was not found."}, {"/console/jobs/" + id + "/request", "us-east-1"},
		{"/console/webhooks", "job.failed"}, {"/console/jobs/" + id + "/deliveries/1", "job.failed"},
		{"/console/new", "httpstream"}, {"/console/storage", "Cloudflare R2"}, {"/console/usage", `<td class="num">1</td><td class="num">1</td>`}, {"/console/usage.csv?key=" + r.key.ID, "audio_minutes"}, {"/console/usage?key=nobody", "No job ended"}, {"/console/keys", "main"}, {"/console/system", "Workers"},
	} {
		a := r.get(page.path)
		if a.status != 200 || !strings.Contains(a.body, page.has) {
			t.Errorf("%s: %d, and it should have %q\n%s", page.path, a.status, page.has, a.body)
		}
		for _, secret := range []string{"canary", "00112233", operator, r.token.Reveal()} {
			if strings.Contains(a.body, secret) {
				t.Errorf("%s shows %q", page.path, secret)
			}
		}
		policy := a.header.Get("Content-Security-Policy")
		if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s has the headers %v", page.path, a.header)
		}
		if strings.Contains(a.body, " style=") || strings.Contains(a.body, "<script>") || strings.Contains(a.body, " onclick=") {
			t.Errorf("%s has something inline", page.path)
		}
	}
	if a := r.get("/console/jobs?q=" + id); a.path != "/console/jobs/"+id {
		t.Errorf("the search for an id leads to %s", a.path)
	}
	for path, want := range map[string]int{"/console/nowhere": 404, "/console/jobs?since=yesterday": 400, "/console/jobs?metadata=order": 400, "/console/jobs?cursor=x": 400, "/console/webhooks?cursor=x": 400, "/console/usage?from=2026-11-02&to=2026-11-01": 400, "/console/usage.csv?to=x": 400, "/console/live?page=x": 404} {
		if a := r.get(path); a.status != want {
			t.Errorf("%s: %d, want %d", path, a.status, want)
		}
	}
}

// claim gives a job to a run of a node.
func (r *rig) claim(id string) (run int64) {
	r.t.Helper()
	var riverID int64
	err := r.Pool().QueryRow(r.t.Context(), `UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = ARRAY['node'] WHERE id = (SELECT river_id FROM jobs WHERE id = $1) RETURNING id`, id).Scan(&riverID)
	if err != nil {
		r.t.Fatal(err)
	}
	if run, err = r.Claim(r.t.Context(), id, riverID, 1, "node"); err != nil {
		r.t.Fatal(err)
	}
	return run
}

// TestSteps: the page of a job shows tasks that run and wait, what has run on which worker, and
// its log.
func TestSteps(t *testing.T) {
	r := start(t)
	r.signIn(r.token.Reveal())
	id := r.create(r.key.ID)
	if a := r.get("/console/jobs/" + id + "/log"); a.status != 200 || !strings.Contains(a.body, "ffmpeg has not run") {
		t.Errorf("an empty log: %d\n%s", a.status, a.body)
	}
	run := r.claim(id)
	tasks, err := r.OfferTasks(t.Context(), id, run, []job.NewTask{
		{Step: "encode-1-c0", Kind: "encode", Attempt: 1, Length: 30 * time.Second}, {Step: "encode-1-c1", Kind: "encode", Attempt: 1, Start: 30 * time.Second, Length: 12 * time.Second},
		{Step: "encode-1-c2", Kind: "encode", Attempt: 1, Start: 42 * time.Second, Length: 12 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks[:2] {
		claimed, _, err := r.ClaimTask(t.Context(), task, "helper")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.RenewTask(t.Context(), task, claimed.Fence, 0.4); err != nil {
			t.Fatal(err)
		}
		if task == tasks[0] {
			err = r.CompleteTask(t.Context(), task, claimed.Fence, []string{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range []job.FFmpegRun{
		{Run: run, Task: tasks[0], Node: "helper", Step: "encode-1-c0", Kind: "encode", At: time.Now().Add(-time.Hour), Took: time.Second, Media: 3 * time.Second, Command: []string{"-i", "it's here"}, Said: "frame dropped"},
		{Run: run, Node: "node", Step: "audio-1", Kind: "audio", At: time.Now(), Took: time.Second, Error: "exit status 1"},
	} {
		if err := r.LogRun(t.Context(), id, l); err != nil {
			t.Fatal(err)
		}
	}
	a := r.get("/console/jobs/" + id)
	for _, want := range []string{"1 of 3 done", "encode-1-c1", "30.0 s to 42.0 s", ">40 %<", "waiting", "3.0×", "helper: encode-1-c0 1.0 s, encode-1-c1", "/log#run-2"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the job does not show %q\n%s", want, a.body)
		}
	}
	a = r.get("/console/jobs/" + id + "/log")
	for _, want := range []string{`ffmpeg -i &#39;it&#39;\&#39;&#39;s here&#39;`, "frame dropped", "exit status 1", `id="run-2"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the log does not show %q\n%s", want, a.body)
		}
	}
}

// TestCheckStream: only streams that are results are checked, and the report and problems are
// shown.
func TestCheckStream(t *testing.T) {
	r := start(t)
	r.signIn(r.token.Reveal())
	id := r.create(r.key.ID)
	run := r.claim(id)
	const stream = "https://cdn.example.com/hls/master.m3u8"
	at := time.Now()
	_, err := r.Record(t.Context(), id, run, job.Event{Kind: job.JobStartedEvent, At: at}, job.Event{
		Kind: job.OutputCompletedEvent, At: at, Output: "httpstream", Result: job.Result{Streams: []job.StreamURL{{Format: "hls", URL: stream}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := r.get("/console/jobs/" + id); !strings.Contains(a.body, `value="`+stream+`"`) {
		t.Errorf("the job offers no check\n%s", a.body)
	}
	for address, want := range map[string]int{stream: 200, "https://elsewhere.example.com/a.m3u8": 404, "": 404} {
		if a := r.post("/console/jobs/"+id+"/check", "stream", address); a.status != want || want == 200 && !strings.Contains(a.body, "the target duration is 8 s") {
			t.Errorf("check %q: %d\n%s", address, a.status, a.body)
		}
	}
	if len(r.checked) != 1 || r.checked[0] != stream {
		t.Errorf("%q were checked", r.checked)
	}
}

// TestActions: what the buttons do.
func TestActions(t *testing.T) {
	r := start(t)
	r.signIn(operator)
	id := r.create(r.key.ID)
	if a := r.post("/console/jobs/" + id + "/cancel"); a.status != 200 || !strings.Contains(a.body, "The job was cancelled.") {
		t.Errorf("cancel: %d\n%s", a.status, a.body)
	}
	if a := r.post("/console/jobs/" + id + "/cancel"); a.status != 409 {
		t.Errorf("cancel twice: %d", a.status)
	}
	if a := r.post("/console/jobs/" + id + "/retry"); a.status != 200 || !strings.Contains(a.body, "begins again") {
		t.Errorf("retry: %d", a.status)
	}
	a := r.post("/console/jobs/" + id + "/again")
	if a.status != 200 || a.path == "/console/jobs/"+id {
		t.Errorf("again: %d at %s", a.status, a.path)
	}
	if _, owner, err := r.Request(t.Context(), job.AnyKey, filepath.Base(a.path)); err != nil || owner != r.key.ID {
		t.Errorf("the repeated job belongs to %q: %v", owner, err)
	}
	if a := r.post("/console/new", "request", `{"input": 1}`, "key", r.key.ID); a.status != 400 || !strings.Contains(a.body, "input") {
		t.Errorf("a bad request: %d", a.status)
	}
	if a := r.post("/console/new", "request", request, "key", r.key.ID); a.status != 200 || !strings.HasPrefix(a.path, "/console/jobs/") {
		t.Errorf("a good request: %d at %s", a.status, a.path)
	}
	if a := r.post("/console/new", "request", request, "key", "nobody"); a.status != 400 {
		t.Errorf("a job of no key: %d", a.status)
	}
	r.fail(r.create(r.key.ID))
	if a := r.post("/console/keys", "name", "new one"); a.status != 200 || !strings.Contains(a.body, "k-") || !strings.Contains(a.body, "new one") {
		t.Errorf("create a key: %d", a.status)
	}
	if a := r.post("/console/keys/"+r.key.ID+"/limit", "queued", "5", "running", ""); a.status != 200 || !strings.Contains(a.body, `value="5"`) {
		t.Errorf("limit: %d", a.status)
	}
	if a := r.post("/console/keys/"+r.key.ID+"/limit", "queued", "many"); a.status != 400 {
		t.Errorf("a bad limit: %d", a.status)
	}
	if a := r.post("/console/keys/" + r.key.ID + "/sign"); !strings.Contains(a.body, "whsec_") {
		t.Errorf("sign: %d", a.status)
	}
	if a := r.post("/console/keys/" + r.key.ID + "/revoke"); a.status != 200 {
		t.Errorf("revoke: %d", a.status)
	}
	if _, err := r.Authenticate(t.Context(), r.token.Reveal()); err == nil {
		t.Error("the revoked key is still good")
	}
}

// TestLive: an open page gets what changes, and a page that connects again gets everything.
func TestLive(t *testing.T) {
	r := start(t)
	r.signIn(operator)
	id := r.create(r.key.ID)
	for _, page := range []string{"job&id=" + id, "jobs", "overview"} {
		first, next := r.listen(page)
		if len(first) == 0 {
			t.Errorf("page=%s: nothing came at first", page)
		}
		fresh := r.create(r.key.ID)
		if page == "jobs" {
			for html := ""; !strings.Contains(html, fresh); {
				html = next()["rows"]
			}
		}
	}
	_, next := r.listen("job&id=" + id)
	r.fail(id)
	for failures := ""; !strings.Contains(failures, "The input was not found."); {
		failures = next()["failures"]
	}
	again, _ := r.listen("job&id=" + id)
	if !strings.Contains(again["failures"], "The input was not found.") || again["events"] == "" {
		t.Error("a page that connects again does not get everything")
	}
}

// listen opens a stream and returns its first fragments, and a function that waits for more.
func (r *rig) listen(page string) (first map[string]string, next func() map[string]string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	r.t.Cleanup(cancel)
	q, err := http.NewRequestWithContext(ctx, "GET", r.url+"/console/live?page="+page, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := r.client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	next = func() map[string]string {
		r.t.Helper()
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var fragments map[string]string
				if err := json.Unmarshal([]byte(data), &fragments); err != nil {
					r.t.Fatal(err)
				}
				return fragments
			}
		}
		r.t.Fatalf("the stream of page=%s ended: %v", page, lines.Err())
		return nil
	}
	return next(), next
}

// TestValidate: the builder gets what the server's own decoder says.
func TestValidate(t *testing.T) {
	r := start(t)
	if a := r.post("/console/validate"); a.status != 401 {
		t.Errorf("without a session: %d", a.status)
	}
	r.signIn(r.token.Reveal())
	for body, want := range map[string]string{request: `"valid":true`, `{`: `"error_code":"config_not_valid"`, `{"input":{"url":"ftp:"}}`: `"valid":false`} {
		q, err := http.NewRequestWithContext(t.Context(), "POST", r.url+"/console/validate", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := r.client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %s %v", body, text, err)
		}
	}
}

// TestAssets: what pages load is small, and the players are the published files.
func TestAssets(t *testing.T) {
	size := 0
	for _, name := range []string{"console.css", "console.mjs", "builder.mjs", "code.mjs", "storage.mjs", "player.mjs", "icon.svg"} {
		info, err := os.Stat(filepath.Join("static", name))
		if err != nil {
			t.Fatal(err)
		}
		size += int(info.Size())
	}
	if size > 300_000 {
		t.Errorf("the first load is %d bytes, want at most 300,000", size)
	}
	modules := os.Getenv("COPRA_TEST_NODE_MODULES")
	if modules == "" {
		modules, _ = filepath.Abs("../.cache/node/node_modules")
	}
	for own, published := range map[string]string{
		"hls.min.js": "hls.js/dist/hls.min.js", "hls.js-LICENSE.txt": "hls.js/LICENSE",
		"shaka-player.dash-es2021.js": "shaka-player/dist/shaka-player.dash-es2021.js", "shaka-player-LICENSE.txt": "shaka-player/LICENSE",
	} {
		want, err := os.ReadFile(filepath.Join(modules, published))
		if err != nil {
			testmedia.Missing(t, "the players are not installed, run scripts/setup.sh test: "+err.Error())
		}
		if got, err := os.ReadFile(filepath.Join("static", "vendor", own)); err != nil || string(got) != string(want) {
			t.Errorf("%s is not the published %s (%v)", own, published, err)
		}
	}
	srv := httptest.NewServer(console.New(console.Config{}))
	defer srv.Close()
	res, err := http.Get(srv.URL + "/console/static/x/console.mjs")
	if err != nil || res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/javascript") {
		t.Fatal(fmt.Sprint(res, err))
	}
	res.Body.Close()
}
