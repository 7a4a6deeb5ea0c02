package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/copra-video/copra/api"
	"github.com/copra-video/copra/job"
)

func TestRateLimit(t *testing.T) {
	w := start(t, func(c *api.Config) { c.RateLimit = 0.001 })
	refused := func(path, token string) bool {
		t.Helper()
		got := w.do(t, "GET", path, token, "")
		if got.status != http.StatusTooManyRequests {
			return false
		}
		if v := got.value(t); v["error_code"] != "too_many_requests" || v["status"] != "error" || got.header.Get("Retry-After") == "" {
			t.Errorf("%s %v", got.body, got.header)
		}
		return true
	}
	for i := range 10 {
		if refused("/v2/jobs/"+runningID, token) {
			t.Errorf("request %d was refused", i)
		}
	}
	if !refused("/v2/jobs/"+runningID, token) || !refused("/v2/jobs", token) {
		t.Error("an eleventh request at once was not refused")
	}
	if refused("/v2/jobs", otherToken) || refused("/healthz", token) {
		t.Error("another key, or what needs none, was refused")
	}
}

func TestTooManyJobs(t *testing.T) {
	w := start(t)
	w.store.full = job.Errorf(job.TooManyJobs, "2 jobs of this API key have not ended.")
	got := w.do(t, "POST", "/v2/jobs", token, minimal)
	v := got.value(t)
	if got.status != http.StatusTooManyRequests || v["error_code"] != "too_many_jobs" || v["status"] != "error" || v["message"] == "" || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %s %v", got.status, got.body, got.header)
	}
}

// TestEveryReasonIsAnswered: a request that is refused for a reason of the table is
// answered with its status and code. Reasons of failed jobs are internal errors.
func TestEveryReasonIsAnswered(t *testing.T) {
	for _, r := range job.Reasons() {
		switch r {
		case job.UploadTooLarge, job.ServerDiskFull, job.AuthenticationFailed:
			continue // of uploads and of API keys, which have answers of their own
		}
		w := start(t)
		w.store.full = job.Errorf(r, "It cannot be done.")
		got := w.do(t, "POST", "/v2/jobs", token, minimal)
		if r.Status() == 0 {
			if got.status != 500 || got.body != "" || !strings.Contains(w.logs.String(), "It cannot be done.") {
				t.Errorf("%s: %d %q", r, got.status, got.body)
			}
			continue
		}
		if v := got.value(t); got.status != r.Status() || v["error_code"] != r.Code() || v["message"] != "It cannot be done." {
			t.Errorf("%s: %d %s", r, got.status, got.body)
		}
	}
}
