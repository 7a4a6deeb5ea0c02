package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// plain fails the test unless s is a message for people that contains want: with
// a capital, a full stop, and no internals.
func plain(t testing.TB, s, want string) {
	t.Helper()
	if !regexp.MustCompile(`^[A-Z].*\.$`).MatchString(s) || strings.Contains(s, "internal error") ||
		regexp.MustCompile(`0x[0-9a-f]{6}|/tmp/|work/run-|goroutine|exit status|%!`).MatchString(s) {
		t.Errorf("%q is no plain sentence", s)
	}
	if !strings.Contains(strings.ToLower(s), strings.ToLower(want)) {
		t.Errorf("%q does not tell of %q", s, want)
	}
}

// A job with a bad input fails soon, at the input, and says why.
func TestBadInputs(t *testing.T) {
	t.Parallel()
	srv, in, hook := shared(t), inputs(t), hooks(t)
	clip := testmedia.Clip(t, testmedia.Standard)
	tests := []struct {
		name, url, says string
	}{
		{"404", in.srv.URL + "/status/404", "404"},
		{"403", in.srv.URL + "/status/403", "403"},
		{"503", in.srv.URL + "/status/503", "503"},
		{"refuses", closedPort(t) + "/a.mp4", "refused"},
		{"hangs", in.srv.URL + "/hang", "did not answer in time"},
		{"redirects for ever", in.srv.URL + "/loop", "redirects"},
		{"no host", "http://no-such-host.invalid/a.mp4", "host"},
		{"html", in.srv.URL + "/login", "not"},
		{"html file", in.add(testmedia.Clip(t, testmedia.HTML)), "not"},
		{"text", in.add(testmedia.Clip(t, testmedia.Text)), "not"},
		{"playlist of files", in.add(testmedia.Clip(t, testmedia.Playlist)), `segment 1 of 2, which has an address of the kind "file:"`},
		{"concat script", in.add(testmedia.Clip(t, testmedia.Concat)), "not"},
		{"empty", in.add(testmedia.Clip(t, testmedia.Empty)), "empty"},
		{"truncated", in.add(testmedia.Clip(t, testmedia.Truncated)), "not"},
		{"truncated tail", in.add(testmedia.Clip(t, testmedia.TruncatedTail)), "not complete"},
		{"truncated, no ranges", in.as("plain", testmedia.Clip(t, testmedia.Truncated)), "not"},
		{"breaks off", in.as("broken", clip), "broke off"},
		{"metadata service", "http://169.254.169.254/latest/meta-data/", "COPRA_ALLOW_NETWORKS"},
		{"private", "http://10.1.2.3/a.mp4", "COPRA_ALLOW_NETWORKS"},
	}
	ids := map[string]string{}
	for _, tt := range tests {
		spec := jobOf(tt.url, object{
			"mp4:240p":   object{"path": "/a.mp4"},
			"jpg:100x":   object{"path": "/a.jpg"},
			"httpstream": object{"hls": object{"path": "/hls"}},
		})
		spec["notification"] = object{"url": hook.url("bad-" + url.PathEscape(tt.name)), "events": true}
		ids[tt.name] = srv.create(t, spec).ID
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := srv.wait(t, ids[tt.name], 60*time.Second)
			if j.Status != "job.failed" || j.Input.Status != "input.failed" || j.CompletedAt == nil || j.Progress != "100%" {
				t.Errorf("%s", j.raw)
			}
			plain(t, j.Input.Error, tt.says)
			for _, o := range j.Outputs {
				if o.Status != o.Type+".aborted" || o.URL != "" || o.URLs != nil {
					t.Errorf("output %+v", o)
				}
			}
			got := hook.await(t, "bad-"+tt.name, "job.failed", 20*time.Second)
			if len(got) != 1 {
				t.Errorf("webhooks %v", events(got))
			}
		})
	}
}

// Inputs on servers that misbehave, but can still be read.
func TestTroublesomeServers(t *testing.T) {
	t.Parallel()
	srv, in := shared(t), inputs(t)
	clip := testmedia.Clip(t, testmedia.Short)
	for _, way := range []string{"plain", "slow", "cutting", "redirect"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			j := srv.completed(t, 60*time.Second, jobOf(in.as(way, clip), object{"mp4:240p": object{"path": "/a.mp4"}}))
			probe(t, j.output(t, "mp4:240p").URL).lasts(t, way, 1, 0.1)
		})
	}
}

// An output that fails does not keep the other outputs from being made.
func TestBadOutputAmongGood(t *testing.T) {
	t.Parallel()
	srv, hook := shared(t), hooks(t)
	spec := jobOf(inputs(t).add(testmedia.Clip(t, testmedia.NoAudio)), object{
		"mp4:240p": object{"path": "/a.mp4"},
		"mp3":      object{"path": "/a.mp3"},
		"mp4:360p": object{"path": "/b.mp4", "if": "{{ input.width }} > 4000"},
		"jpg:100x": object{"path": "/a.jpg"},
		// The level is too low for the size: x264 only warns.
		"mp4:1080p::level=10": object{"path": "/low.mp4"},
	})
	spec["notification"] = object{"url": hook.url("mixed"), "events": true}
	j := srv.run(t, 90*time.Second, spec)
	want := map[string]string{
		"mp4:240p": "video.encoded", "mp3": "video.failed", "mp4:360p": "video.skipped", "jpg:100x": "image.created", "mp4:1080p::level=10": "video.failed",
	}
	for key, status := range want {
		if o := j.output(t, key); o.Status != status {
			t.Errorf("%s is %s: %s", key, o.Status, o.Error)
		}
	}
	plain(t, j.output(t, "mp3").Error, "audio")
	plain(t, j.output(t, "mp4:1080p::level=10").Error, "level")
	if j.Status != "job.failed" || j.Input.Status != "input.transferred" || j.Progress != "100%" {
		t.Errorf("%s", j.raw)
	}
	got := events(hook.await(t, "mixed", "job.failed", 20*time.Second))
	if len(hook.count(t, "mixed", 6, 20*time.Second)) != 6 {
		t.Errorf("webhooks %v", got)
	}
}

// A receiver that is down, or that hangs, changes nothing for the job; one that
// recovers is told all the same.
func TestWebhookDown(t *testing.T) {
	t.Parallel()
	srv, hook := shared(t), hooks(t)
	hook.answer("hangs", func(int) int { return 0 })
	hook.answer("recovers", func(n int) int {
		if n == 0 {
			return http.StatusInternalServerError
		}
		return http.StatusNoContent
	})
	hook.answer("redirects", func(int) int { return http.StatusFound })
	var ids []string
	for _, u := range []string{closedPort(t) + "/hook", hook.url("hangs"), hook.url("recovers"), hook.url("redirects")} {
		spec := jobOf(short(t), object{"mp3": object{"path": "/a.mp3"}})
		spec["notification"] = object{"type": "http", "url": u}
		ids = append(ids, srv.create(t, spec).ID)
	}
	for _, id := range ids {
		if j := srv.wait(t, id, 60*time.Second); j.Status != "job.completed" {
			t.Errorf("%s", j.raw)
		}
	}
	// The second try comes five seconds after the first.
	got := hook.count(t, "recovers", 2, 30*time.Second)
	if got[0].status != 500 || got[1].status != 204 || !bytes.Equal(got[0].raw, got[1].raw) {
		t.Errorf("tries %v", got)
	}
}

// refused holds the body of a 400.
func refused(t testing.TB, status int, body []byte, code, says string) {
	t.Helper()
	var e struct {
		Message string `json:"message"`
		Code    string `json:"error_code"`
		Status  string `json:"status"`
	}
	if err := json.Unmarshal(body, &e); err != nil || status != http.StatusBadRequest || e.Code != code || e.Status != "error" {
		t.Errorf("answered %d %s, want 400 %s", status, body, code)
		return
	}
	plain(t, e.Message, says)
}

// Requests that are no jobs, over the wire.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	const good = `"storage":{"service":"coconut"},"outputs":{"mp4":{"path":"/a.mp4"}}`
	tests := []struct {
		name, body, code, says string
	}{
		{"not JSON", `{"input":`, "config_not_valid", "JSON"},
		{"a form", `input=a&b=c`, "config_not_valid", "JSON"},
		{"nothing", ``, "config_not_valid", ""},
		{"a list", `[]`, "config_not_valid", ""},
		{"deep", strings.Repeat(`{"input":`, 100000) + `1` + strings.Repeat(`}`, 100000), "config_not_valid", ""},
		{"10 MB", `{"input":{"url":"http://a/` + strings.Repeat("a", 10<<20) + `"},` + good + `}`, "config_not_valid", "large"},
		{"twice", `{"input":{"url":"http://a/a"},"input":{"url":"http://a/b"},` + good + `}`, "config_not_valid", "input"},
		{"no input", `{` + good + `}`, "input_not_valid", "input"},
		{"no URL", `{"input":{"url":"notvalidurl"},` + good + `}`, "input_url_not_valid", "notvalidurl"},
		{"file URL", `{"input":{"url":"file:///etc/passwd"},` + good + `}`, "input_url_not_valid", ""},
		{"no outputs", `{"input":{"url":"http://a/a"},"storage":{"service":"coconut"}}`, "outputs_not_valid", "outputs"},
		{"bad format", `{"input":{"url":"http://a/a"},"storage":{"service":"coconut"},"outputs":{"mp4:721q":{"path":"/a"}}}`, "output_format_not_valid", "721q"},
		{"bad param", `{"input":{"url":"http://a/a"},"storage":{"service":"coconut"},"outputs":{"mp4":{"path":"/a","notvalidparam":"no"}}}`, "output_param_not_valid", "notvalidparam"},
		{"no path", `{"input":{"url":"http://a/a"},"storage":{"service":"coconut"},"outputs":{"mp4":{}}}`, "output_path_not_valid", "path"},
		{"climbing path", `{"input":{"url":"http://a/a"},"storage":{"service":"coconut"},"outputs":{"mp4":{"path":"/../../../a"}}}`, "output_path_not_valid", ".."},
		{"bad service", `{"input":{"url":"http://a/a"},"storage":{"service":"floppy"},"outputs":{"mp4":{"path":"/a"}}}`, "storage_service_not_valid", "floppy"},
		{"no credentials", `{"input":{"url":"http://a/a"},"storage":{"service":"s3","bucket":"b","region":"us-east-1"},"outputs":{"mp4":{"path":"/a"}}}`, "storage_credentials_not_valid", "access_key_id"},
		{"bad notification", `{"input":{"url":"http://a/a"},` + good + `,"notification":{"type":"http"}}`, "notification_not_valid", "url"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, body, h := srv.send(t, http.MethodPost, "/jobs", tt.body)
			if h.Get("Content-Type") != "application/json; charset=utf-8" {
				t.Errorf("headers %v", h)
			}
			if len(body) > 4096 {
				t.Errorf("an answer of %d bytes", len(body))
			}
			refused(t, status, body, tt.code, tt.says)
		})
	}
	t.Run("without a key", func(t *testing.T) {
		t.Parallel()
		for _, key := range []string{"", "k-00000000000000000000000000000000"} {
			status, body, h := client{srv.base, key}.send(t, http.MethodPost, "/jobs", `{}`)
			if status != http.StatusUnauthorized || !bytes.Contains(body, []byte(`"error_code":"authentication_failed"`)) || h.Get("WWW-Authenticate") == "" {
				t.Errorf("%d %s %v", status, body, h)
			}
		}
	})
	t.Run("described", func(t *testing.T) {
		t.Parallel()
		_, body, _ := srv.send(t, http.MethodPost, "/jobs", `{}`)
		served(t, srv.client).holds(t, "Error", body)
	})
	t.Run("no such job", func(t *testing.T) {
		t.Parallel()
		if status, body, _ := srv.send(t, http.MethodGet, "/jobs/undefined", nil); status != http.StatusNotFound || len(body) != 0 {
			t.Errorf("%d %q", status, body)
		}
	})
}
