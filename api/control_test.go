package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/copra-video/copra/job"
)

func TestList(t *testing.T) {
	w := start(t)
	got := w.do(t, "GET", "/v2/jobs", token, "")
	v := got.value(t)
	jobs, _ := v["jobs"].([]any)
	if got.status != 200 || len(jobs) != 3 || v["next_cursor"] != "next" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if one := w.do(t, "GET", "/v2/jobs/"+finishedID, token, "").body; !strings.Contains(got.body, one) {
		t.Errorf("a job in the list is not what GET tells of it:\n%s\n%s", got.body, one)
	}
	if d := cmp.Diff(job.ListQuery{Limit: 20}, w.store.listed); d != "" {
		t.Error(d)
	}
	w.do(t, "GET", "/v2/jobs/?status=job.failed&limit=100&cursor=x%2By", token, "")
	if d := cmp.Diff(job.ListQuery{Status: job.JobFailed, Limit: 100, Cursor: "x+y"}, w.store.listed); d != "" {
		t.Error(d)
	}
	if got := w.do(t, "GET", "/v2/jobs", otherToken, ""); got.body != `{"jobs":[],"next_cursor":null}` {
		t.Errorf("nothing is %s", got.body)
	}
}

func TestListRefuses(t *testing.T) {
	w := start(t)
	tests := []struct{ query, code, names string }{
		{"status=failed", "query_not_valid", "'status'"},
		{"status=job.failed&status=job.completed", "query_not_valid", "'status'"},
		{"limit=0", "query_not_valid", "'limit'"},
		{"limit=101", "query_not_valid", "'limit'"},
		{"limit=many", "query_not_valid", "many"},
		{"limit=99999999999999999999", "query_not_valid", "'limit'"},
		{"stauts=job.failed", "query_not_valid", "stauts"},
		{"cursor=%zz", "query_not_valid", "query"},
		{"cursor=bad", "cursor_not_valid", "bad"},
	}
	for _, tt := range tests {
		got := w.do(t, "GET", "/v2/jobs?"+tt.query, token, "")
		v := got.value(t)
		if message, _ := v["message"].(string); got.status != 400 || v["error_code"] != tt.code || !strings.Contains(message, tt.names) {
			t.Errorf("%s: %d %s", tt.query, got.status, got.body)
		}
	}
}

func TestCancelAndRetry(t *testing.T) {
	for _, cancel := range []struct{ method, path string }{
		{"DELETE", "/v2/jobs/" + runningID}, {"POST", "/v2/jobs/" + runningID + "/cancel"}, {"POST", "/v2/jobs/" + runningID + "/cancel/"},
	} {
		t.Run(cancel.method+" "+cancel.path, func(t *testing.T) {
			w := start(t)
			if got := w.do(t, cancel.method, cancel.path, otherToken, ""); got.status != 404 {
				t.Errorf("another key: %d", got.status)
			}
			if got := w.do(t, cancel.method, cancel.path, "", ""); got.status != 401 {
				t.Errorf("no key: %d", got.status)
			}
			got := w.do(t, cancel.method, cancel.path, token, "")
			if v := got.value(t); got.status != 200 || v["status"] != "job.failed" || v["error"] != "cancelled" ||
				!strings.Contains(got.body, `"video.aborted"`) {
				t.Errorf("%d %s", got.status, got.body)
			}
			got = w.do(t, cancel.method, cancel.path, token, "")
			if v := got.value(t); got.status != 409 || v["error_code"] != "job_finished" || v["status"] != "error" {
				t.Errorf("again: %d %s", got.status, got.body)
			}
			got = w.do(t, "POST", "/v2/jobs/"+runningID+"/retry", token, "")
			if v := got.value(t); got.status != 200 || v["status"] != "job.starting" || v["error"] != nil || v["completed_at"] != nil {
				t.Errorf("retry: %d %s", got.status, got.body)
			}
		})
	}
	w := start(t)
	got := w.do(t, "POST", "/v2/jobs/"+finishedID+"/retry", token, "")
	if v := got.value(t); got.status != 409 || v["error_code"] != "nothing_to_retry" {
		t.Errorf("retry of a completed one: %d %s", got.status, got.body)
	}
	if got := w.do(t, "POST", "/v2/jobs/"+failedID+"/retry", otherToken, ""); got.status != 404 {
		t.Errorf("retry by another key: %d", got.status)
	}
	if got := w.do(t, "GET", "/v2/jobs/"+runningID+"/cancel", token, ""); got.status != 405 || got.header.Get("Allow") != "POST" {
		t.Errorf("GET of cancel: %d, Allow %q", got.status, got.header.Get("Allow"))
	}
}

// TestUsage: a key sees its own, the operator all, as JSON and as CSV.
func TestUsage(t *testing.T) {
	w := start(t)
	for _, c := range []struct {
		token, query string
		status       int
		body         string
	}{
		{token, "", 200, `{"usage":[{"date":"2026-11-30","key":"key-1","key_name":"=a,b","jobs":3,"failed":1,"minutes":{"audio":0.5,"sd":0,"hd":1.5,"uhd":0},"uploaded_bytes":5,"cpu_seconds":1.25}]}`},
		{operatorToken, "?format=csv&from=2026-11-01&to=2026-12-01", 200, "date,key,key_name,jobs,failed,audio_minutes,sd_minutes,hd_minutes,uhd_minutes,uploaded_bytes,cpu_seconds\n2026-11-30," + job.AnyKey + ",\"'=a,b\",3,1,0.5,0,1.5,0,5,1.25\n"},
		{token, "?from=2026-12-01&to=2026-12-01", 200, `{"usage":[]}`},
		{token, "?from=30.11.2026", 400, `{"message":"The parameter 'from' is \"30.11.2026\", expected a day such as 2026-11-30.","error_code":"query_not_valid","status":"error"}`},
		{"k-nobody", "", 401, ""},
		{"", "", 401, ""},
	} {
		got := w.do(t, "GET", "/v2/usage"+c.query, c.token, "")
		if got.status != c.status || c.body != "" && got.body != c.body {
			t.Errorf("%s: %d %s", c.query, got.status, got.body)
		}
	}
}

func TestLogs(t *testing.T) {
	w := start(t)
	got := w.do(t, "GET", "/v2/jobs/"+finishedID+"/logs", token, "")
	want := `{"job_id":"` + finishedID + `","logs":[` +
		`{"at":"2021-10-13T11:25:26.000Z","run":1,"node":"a","task":null,"step":"encode-1","kind":"encode","seconds":2,"cpu_seconds":3.5,"speed":2.5,"error":null,"command":["ffmpeg","-i","source.mp4"],"messages":"[warning] x"},` +
		`{"at":"2021-10-13T11:25:26.000Z","run":2,"node":"b","task":7,"step":"audio-1","kind":"audio","seconds":1,"cpu_seconds":0,"speed":null,"error":"run ffmpeg: exit status 1","command":["ffmpeg"],"messages":""}]}`
	if got.status != 200 || got.body != want {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := w.do(t, "GET", "/v2/jobs/"+finishedID+"/logs", otherToken, ""); got.status != 404 {
		t.Errorf("by another key: %d", got.status)
	}
}

func TestDeliveries(t *testing.T) {
	w := start(t)
	got := w.do(t, "GET", "/v2/jobs/"+finishedID+"/deliveries", token, "")
	want := `{"job_id":"` + finishedID + `","deliveries":[` +
		`{"number":1,"event":"output.completed","state":"pending","created_at":"2021-10-13T11:25:26.000Z","delivered_at":null,"next_at":"2021-10-13T11:26:26.000Z","attempts":[` +
		`{"at":"2021-10-13T11:25:26.000Z","status":null,"error":"no answer within 10s","duration_ms":10000},` +
		`{"at":"2021-10-13T11:25:26.000Z","status":500,"error":"the receiver answered HTTP status 500","duration_ms":12}]},`
	second := `{"number":2,"event":"job.completed","state":"delivered","created_at":"2021-10-13T11:25:26.000Z","delivered_at":"2021-10-13T11:25:26.000Z","next_at":null,"attempts":[` +
		`{"at":"2021-10-13T11:25:26.000Z","status":204,"error":null,"duration_ms":1}]}`
	if got.status != 200 || got.body != want+second+"]}" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := w.do(t, "GET", "/v2/jobs/"+failedID+"/deliveries", token, ""); got.body != `{"job_id":"`+failedID+`","deliveries":[]}` {
		t.Errorf("none: %s", got.body)
	}
	got = w.do(t, "POST", "/v2/jobs/"+finishedID+"/deliveries/2/replay", token, "")
	if got.status != 202 || got.body != second || len(w.store.replayed) != 1 {
		t.Errorf("replay: %d %s", got.status, got.body)
	}
	for _, path := range []string{"/deliveries/3/replay", "/deliveries/0/replay", "/deliveries/-1/replay", "/deliveries/x/replay", "/deliveries/99999999999/replay"} {
		if got := w.do(t, "POST", "/v2/jobs/"+finishedID+path, token, ""); got.status != 404 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	for _, path := range []string{"/deliveries", "/deliveries/1/replay"} {
		method := map[bool]string{true: "GET", false: "POST"}[path == "/deliveries"]
		if got := w.do(t, method, "/v2/jobs/"+finishedID+path, otherToken, ""); got.status != 404 {
			t.Errorf("%s %s by another key: %d", method, path, got.status)
		}
	}
	if len(w.store.replayed) != 1 {
		t.Errorf("replayed %v", w.store.replayed)
	}
}

// TestListDeliveries: what is asked for, and a body with the headers that a receiver would
// verify.
func TestListDeliveries(t *testing.T) {
	w := start(t)
	got := w.do(t, "GET", "/v2/deliveries", token, "")
	if got.status != 200 || !strings.HasPrefix(got.body, `{"deliveries":[{"job_id":"`+finishedID+`","number":1,"event":"output.completed","state":"pending",`) ||
		!strings.HasSuffix(got.body, `],"next_cursor":"next"}`) || strings.Contains(got.body, "headers") {
		t.Errorf("%d %s", got.status, got.body)
	}
	got = w.do(t, "GET", "/v2/deliveries?state=pending&since=2026-11-30T14:30:00.5%2B01:00&limit=7&cursor=c&bodies=true", token, "")
	want := job.DeliveryQuery{State: job.DeliveryPending, Since: at("2026-11-30T13:30:00.5Z"), Cursor: "c", Limit: 7, Bodies: true}
	if asked := w.store.asked; !asked.Since.Equal(want.Since) {
		t.Errorf("since %s", asked.Since)
	} else if asked.Since = want.Since; asked != want {
		t.Errorf("asked for %+v", asked)
	}
	var page struct {
		Deliveries []struct {
			Body    string
			Headers map[string]string
		}
	}
	if err := json.Unmarshal([]byte(got.body), &page); err != nil || len(page.Deliveries) != 2 {
		t.Fatalf("%v: %s", err, got.body)
	}
	verifier, err := standardwebhooks.NewWebhook("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	if err != nil {
		t.Fatal(err)
	}
	headers := http.Header{}
	for name, value := range page.Deliveries[0].Headers {
		headers.Set(name, value)
	}
	if d := page.Deliveries[0]; d.Body != `{"a":"<b>"}` || headers.Get("Webhook-Id") != "msg_"+finishedID+"_1" || verifier.Verify([]byte(d.Body), headers) != nil {
		t.Errorf("%+v", d)
	}
	for _, query := range []string{"state=lost", "since=today", "since=0001-01-01T00:00:00Z", "limit=0", "limit=101", "bodies=maybe", "cursor=bad", "jobs=1"} {
		if got := w.do(t, "GET", "/v2/deliveries?"+query, token, ""); got.status != 400 {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	if got := w.do(t, "GET", "/v2/deliveries", otherToken, ""); got.body != `{"deliveries":[],"next_cursor":null}` {
		t.Errorf("another key: %d %s", got.status, got.body)
	}
}
