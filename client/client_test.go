package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/client"
)

const testKey = "k-0123456789abcdef"

// against returns a client of a server that answers with h, and does not wait
// long.
func against(t testing.TB, h http.HandlerFunc) *client.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return connect(t, client.Options{BaseURL: srv.URL + "/v2", APIKey: testKey})
}

func connect(t testing.TB, o client.Options) *client.Client {
	t.Helper()
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return client.Hurry(c)
}

// answer is a handler that always gives the same answer.
func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// sequence is a handler that answers the nth request with the nth of its
// handlers, and all further ones with the last. n counts the requests.
func sequence(handlers ...http.HandlerFunc) (h http.HandlerFunc, n *atomic.Int32) {
	n = new(atomic.Int32)
	return func(w http.ResponseWriter, r *http.Request) {
		i := int(n.Add(1)) - 1
		handlers[min(i, len(handlers)-1)](w, r)
	}, n
}

const oneJob = `{"id":"S9BkOufdntiPR9","created_at":"2021-09-25 17:45:59 +0000","completed_at":null,
	"status":"job.starting","progress":"0%","input":{"status":"input.starting"},
	"outputs":[{"key":"mp4:720p","type":"video","format":"mp4:720p","status":"video.waiting"}]}`

func TestBaseURL(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{"http://localhost:8080/v2", "http://localhost:8080/v2"},
		{"http://localhost:8080", "http://localhost:8080/v2"},
		{"http://localhost:8080/v2//", "http://localhost:8080/v2"},
		{" https://example.com/copra/v2/ ", "https://example.com/copra/v2"},
		{"http://[::1]:8080/", "http://[::1]:8080/v2"},
		{"", ""},
		{"localhost:8080", ""},
		{"ftp://example.com/v2", ""},
		{"http:///v2", ""},
		{"http://secret@example.com/v2", ""},
		{"http://example.com/v2?key=secret", ""},
		{"http://secret\x7f", ""},
	} {
		got, err := client.New(client.Options{BaseURL: c.given})
		switch {
		case c.want == "" && err == nil:
			t.Errorf("New(%q) was accepted as %s", c.given, got.BaseURL())
		case c.want != "" && err != nil:
			t.Errorf("New(%q): %v", c.given, err)
		case c.want != "" && got.BaseURL() != c.want:
			t.Errorf("New(%q) speaks to %s, want %s", c.given, got.BaseURL(), c.want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("New(%q): the error shows it: %v", c.given, err)
		}
	}
}

func TestOptionsThatCannotBeSent(t *testing.T) {
	for name, o := range map[string]client.Options{
		"key with a colon":        {APIKey: "k-secret:x"},
		"key with a line break":   {APIKey: "k-secret\n"},
		"agent with a line break": {UserAgent: "a\r\nX-Evil: 1"},
	} {
		o.BaseURL = "http://localhost"
		if _, err := client.New(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeyStaysSecret: whatever fmt, JSON and loggers make of a client, its
// options and its errors is without the key.
func TestKeyStaysSecret(t *testing.T) {
	var authorization string
	var mu sync.Mutex
	echo := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		authorization = r.Header.Get("Authorization")
		mu.Unlock()
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": "got " + authorization + " of " + testKey, "error_code": testKey})
	}
	c := against(t, echo)
	options := client.Options{BaseURL: c.BaseURL(), APIKey: testKey}
	_, refused := c.Job(t.Context(), "x")
	closed := httptest.NewServer(nil)
	closed.Close()
	_, away := connect(t, client.Options{BaseURL: closed.URL, APIKey: testKey}).Job(t.Context(), "x")
	if refused == nil || away == nil {
		t.Fatal("no errors")
	}
	basic := strings.TrimPrefix(authorization, "Basic ")
	if basic == "" {
		t.Fatal("the server got no key")
	}
	credentials := client.Credentials{"secret_access_key": testKey}
	var out bytes.Buffer
	for _, v := range []any{
		c, *c, options, &options, struct{ c *client.Client }{c}, struct{ c client.Client }{*c}, refused, away,
		[]any{options}, credentials, client.Storage{Credentials: credentials}, client.Input{Credentials: credentials},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			if _, request := v.(client.Storage); request {
				continue // its JSON is what the server gets
			}
			if _, request := v.(client.Input); request {
				continue
			}
			slog.New(h).Info("x", "v", v)
		}
	}
	data, err := json.Marshal([]any{c, options})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(data)
	for _, secret := range []string{testKey, basic, strings.TrimRight(basic, "="), fmt.Sprintf("%x", testKey)} {
		if at := strings.Index(out.String(), secret); at >= 0 {
			t.Errorf("%q is shown: %.200s", secret, out.String()[max(0, at-100):])
		}
	}
}

// TestOddIDs: an id that would be another path is not sent, every other one
// arrives as it is.
func TestOddIDs(t *testing.T) {
	var path string
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		answer(200, oneJob)(w, r)
	})
	for _, id := range []string{"", ".", ".."} {
		for name, err := range map[string]error{
			"Job":      second(c.Job(t.Context(), id)),
			"Events":   second(c.Events(t.Context(), id, 0)),
			"Metadata": second(c.Metadata(t.Context(), id)),
			"key":      second(c.MetadataOf(t.Context(), "x", id)),
			"Upload":   second(c.Upload(t.Context(), id, strings.NewReader(""), 0)),
		} {
			if err == nil || path != "" {
				t.Fatalf("%s(%q) was sent to %q", name, id, path)
			}
		}
		for _, err := range c.FollowEvents(t.Context(), id, client.FollowOptions{}) {
			if err == nil || path != "" {
				t.Fatalf("FollowEvents(%q) was sent to %q", id, path)
			}
		}
	}
	if _, err := c.Job(t.Context(), "a/../b?c#d%"); err != nil || path != "/v2/jobs/a/../b?c#d%" {
		t.Errorf("the server got %q: %v", path, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestRedirectsAreNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed: %s %s", r.Method, r.URL)
	}))
	defer other.Close()
	c := against(t, answer(http.StatusPermanentRedirect, "", "Location", other.URL))
	if _, err := c.CreateJob(t.Context(), &client.JobRequest{}); err == nil {
		t.Error("no error")
	}
}

func TestPublicRequestsHaveNoKey(t *testing.T) {
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s got the API key", r.URL)
		}
		if r.UserAgent() != "copra-go-client" {
			t.Errorf("%s: User-Agent %q", r.URL, r.UserAgent())
		}
		answer(200, `{"status":"ready"}`)(w, r)
	})
	for name, err := range map[string]error{
		"Health":   second(c.Health(t.Context())),
		"Ready":    second(c.Ready(t.Context())),
		"Metrics":  second(c.Metrics(t.Context())),
		"OpenAPI":  second(c.OpenAPI(t.Context())),
		"Download": second(c.Download(t.Context(), strings.TrimSuffix(c.BaseURL(), "/v2")+"/storage/x", io.Discard)),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReady(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   *client.Readiness
	}{
		"ready":       {answer(200, `{"status":"ready"}`), &client.Readiness{Ready: true}},
		"unavailable": {answer(503, `{"status":"unavailable","reasons":["database is not available"]}`), &client.Readiness{Reasons: []string{"database is not available"}}},
		"proxy":       {answer(503, "no backend"), nil},
		"other JSON":  {answer(503, `{"error":"no backend"}`), nil},
		"not there":   {answer(404, ""), nil},
	} {
		got, err := against(t, c.answer).Ready(t.Context())
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		if _, typed := errors.AsType[*client.Error](err); typed != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListJobs(t *testing.T) {
	page := func(next string, ids ...string) string {
		var jobs []string
		for _, id := range ids {
			jobs = append(jobs, strings.Replace(oneJob, "S9BkOufdntiPR9", id, 1))
		}
		return fmt.Sprintf(`{"jobs":[%s],"next_cursor":%s}`, strings.Join(jobs, ","), next)
	}
	var asked []string
	pages := map[string]string{"": page(`"b"`, "1", "2"), "b": page(`"c"`), "c": page("null", "3"), "loop": page(`"loop"`, "4")}
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		answer(200, pages[r.URL.Query().Get("cursor")])(w, r)
	})
	collect := func(o client.ListOptions, most int) (ids []string, err error) {
		for j, err := range c.ListJobs(t.Context(), o) {
			if err != nil {
				return ids, err
			}
			if ids = append(ids, j.ID); len(ids) == most {
				break
			}
		}
		return ids, nil
	}
	ids, err := collect(client.ListOptions{Status: client.JobFailed, Limit: 2}, 0)
	if diff := cmp.Diff([]string{"1", "2", "3"}, ids); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	want := []string{"limit=2&status=job.failed", "cursor=b&limit=2&status=job.failed", "cursor=c&limit=2&status=job.failed"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
	asked = nil
	if ids, err := collect(client.ListOptions{}, 2); err != nil || len(ids) != 2 || len(asked) != 1 {
		t.Errorf("two jobs of the first page: %v, %v, asked for %q", ids, err, asked)
	}
	if ids, err := collect(client.ListOptions{Cursor: "loop"}, 0); err == nil || len(ids) != 1 {
		t.Errorf("a page that names itself: %v, %v", ids, err)
	}
	if ids, err := collect(client.ListOptions{Cursor: "unknown"}, 0); err == nil || ids != nil {
		t.Errorf("no page: %v, %v", ids, err)
	}
}

// TestSafeForConcurrentUse is for the race detector.
func TestSafeForConcurrentUse(t *testing.T) {
	c := against(t, answer(200, oneJob))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := c.Job(t.Context(), "x"); err != nil {
				t.Error(err)
			}
			_ = fmt.Sprint(c)
		})
	}
	wg.Wait()
}
