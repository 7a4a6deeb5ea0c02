package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestKeyLimits: what copra keys limit sets is what a POST meets.
func TestKeyLimits(t *testing.T) {
	s := startServer(t)
	keys := func(args ...string) string {
		t.Helper()
		var out, messages bytes.Buffer
		getenv := func(name string) string {
			return map[string]string{"COPRA_DATABASE_URL": s.sys.settings.DatabaseURL, "COPRA_SECRET_KEYS": s.sys.settings.secretKeys}[name]
		}
		if err := run(t.Context(), append([]string{"keys"}, args...), getenv, &out, &messages); err != nil {
			t.Fatalf("keys %v: %v\n%s", args, err, messages.String())
		}
		return out.String()
	}
	const body = `{"input":{"url":"https://example.com/in.mp4"},"storage":{"service":"coconut"},"outputs":{"mp4":{"path":"/a.mp4"}}}`
	post := func(want int) {
		t.Helper()
		if status, answer := s.do("POST", "/jobs", body); status != want || want == 429 && !strings.Contains(answer, `"error_code":"too_many_jobs"`) {
			t.Errorf("%d %s, want %d", status, answer, want)
		}
	}
	keys("limit", s.key.ID, "--queued", "1", "--running", "2")
	if list := strings.Fields(keys("list")); len(list) < 2 || strings.Join(list[len(list)-2:], " ") != "1 2" {
		t.Errorf("listed as %q", list)
	}
	post(201)
	post(429)
	keys("limit", s.key.ID)
	post(201)
	keys("create", "--name", "small", "--queued", "7")
	if list := keys("list"); !strings.Contains(strings.Join(strings.Fields(list), " "), " - - 7 - ") {
		t.Errorf("listed as\n%s", list)
	}
}
