package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/client"
)

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   client.Error
		is     error
		text   string
	}{
		"refused": {
			answer(400, `{"message":"The job 'input' is not a valid object.","error_code":"input_not_valid","status":"error"}`),
			client.Error{StatusCode: 400, Code: "input_not_valid", Message: "The job 'input' is not a valid object."},
			nil, "create job: the server refused: The job 'input' is not a valid object. (input_not_valid)",
		},
		"empty 404": {
			answer(404, "", "X-Request-Id", "r-1"), client.Error{StatusCode: 404, RequestID: "r-1"},
			client.ErrNotFound, "create job: the server answered HTTP status 404 Not Found (request r-1)",
		},
		"no key": {
			answer(401, `{"message":"no","error_code":"authentication_failed"}`),
			client.Error{StatusCode: 401, Code: "authentication_failed", Message: "no"}, client.ErrUnauthorized, "",
		},
		"limited": {
			answer(429, `{"message":"later","error_code":"too_many_jobs"}`, "Retry-After", "15"),
			client.Error{StatusCode: 429, Code: "too_many_jobs", Message: "later", RetryAfter: 15 * time.Second}, client.ErrLimited, "",
		},
		"conflict": {
			answer(409, `{"message":"reused","error_code":"idempotency_key_reused"}`),
			client.Error{StatusCode: 409, Code: "idempotency_key_reused", Message: "reused"}, client.ErrConflict, "",
		},
		"page of a proxy": {
			answer(502, "<html>bad gateway</html>"), client.Error{StatusCode: 502}, client.ErrUnavailable,
			"create job: HTTP status 502: a proxy before the server cannot reach it, or lost the connection to it",
		},
		"broken error":            {answer(500, `{"message":"half`), client.Error{StatusCode: 500}, client.ErrUnavailable, ""},
		"error that is no object": {answer(400, `["no"]`), client.Error{StatusCode: 400}, nil, ""},
		"another success": {
			answer(200, oneJob), client.Error{StatusCode: 200, Message: "this is not the answer of a Copra server"}, nil, "",
		},
		"redirect": {
			answer(302, "", "Location", "/elsewhere"),
			client.Error{StatusCode: 302, Message: "the server redirects, which the API does not do; name the final address as the base URL"}, nil, "",
		},
		"unheard-of status": {answer(599, ""), client.Error{StatusCode: 599}, nil, "create job: the server answered HTTP status 599"},
	} {
		t.Run(name, func(t *testing.T) {
			h, n := sequence(c.answer)
			_, err := against(t, h).CreateJob(t.Context(), &client.JobRequest{})
			got, ok := errors.AsType[*client.Error](err)
			if !ok {
				t.Fatalf("got %v, which is no *client.Error", err)
			}
			if diff := cmp.Diff(c.want, *got); diff != "" {
				t.Error(diff)
			}
			for _, class := range []error{client.ErrUnauthorized, client.ErrNotFound, client.ErrConflict, client.ErrLimited, client.ErrUnavailable} {
				if got, want := errors.Is(err, class), errors.Is(c.is, class); got != want {
					t.Errorf("errors.Is(err, %v) = %v", class, got)
				}
			}
			if got.Code != "" && !client.HasCode(err, got.Code) || client.HasCode(err, "other") {
				t.Errorf("HasCode is wrong for %q", got.Code)
			}
			if c.text != "" && err.Error() != c.text {
				t.Errorf("the text is %q, want %q", err, c.text)
			}
			if n.Load() != 1 {
				t.Errorf("a request without an idempotency key was sent %d times", n.Load())
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "1.5": 0, "soon": 0, "99999999999": 0,
		"Sun, 29 Nov 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 29 Nov 2026 11:00:00 GMT": 0,
	} {
		if got := client.RetryAfter(header, now); got != want {
			t.Errorf("Retry-After %q is %v, want %v", header, got, want)
		}
	}
}

// hangUp breaks the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// cutOff promises more than it sends.
func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, oneJob[:40])
}

func TestRepeats(t *testing.T) {
	created := answer(201, oneJob)
	for name, c := range map[string]struct {
		first http.HandlerFunc
		again bool // is the request sent again, if it may be
	}{
		"connection breaks":       {hangUp, true},
		"answer breaks off":       {cutOff, true},
		"500":                     {answer(500, ""), true},
		"502":                     {answer(502, ""), true},
		"503":                     {answer(503, "", "Retry-After", "0"), true},
		"504":                     {answer(504, ""), true},
		"too many requests":       {answer(429, `{"message":"m","error_code":"too_many_requests"}`), true},
		"too many jobs":           {answer(429, `{"message":"m","error_code":"too_many_jobs"}`, "Retry-After", "1"), false},
		"longer than one waits":   {answer(503, "", "Retry-After", "3600"), false},
		"refused":                 {answer(400, `{"message":"m","error_code":"c"}`), false},
		"not found":               {answer(404, ""), false},
		"conflict":                {answer(409, `{"message":"m","error_code":"c"}`), false},
		"disk full":               {answer(507, ""), false},
		"not JSON":                {answer(201, "<html>"), false},
		"truncated JSON":          {answer(201, oneJob[:40]), false},
		"no body":                 {answer(201, ""), false},
		"JSON that is not a job":  {answer(201, "{}"), false},
		"JSON of another kind":    {answer(201, "[]"), false},
		"null":                    {answer(201, "null"), false},
		"status of another route": {answer(200, oneJob), false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, key := range []string{"", "key-1"} {
				var bodies, keys []string
				note := func(next http.HandlerFunc) http.HandlerFunc {
					return func(w http.ResponseWriter, r *http.Request) {
						body, _ := io.ReadAll(r.Body)
						bodies, keys = append(bodies, string(body)), append(keys, r.Header.Get("Idempotency-Key"))
						next(w, r)
					}
				}
				h, n := sequence(note(c.first), note(created))
				j, err := against(t, h).CreateJobJSON(t.Context(), []byte(`{"a":1}`), key)
				again := c.again && key != ""
				if again != (err == nil) || again != (n.Load() == 2) {
					t.Fatalf("key %q: sent %d times, error %v", key, n.Load(), err)
				}
				if again && (j.ID != "S9BkOufdntiPR9" || bodies[0] != bodies[1] || keys[1] != key) {
					t.Errorf("the repeat sent %q with the key %q and got %q", bodies[1], keys[1], j.ID)
				}
			}
		})
	}
}

// TestSentOnce: what changes something is not repeated, what reads is.
func TestSentOnce(t *testing.T) {
	for name, call := range map[string]func(*client.Client) error{
		"Cancel": func(c *client.Client) error { _, err := c.Cancel(t.Context(), "x"); return err },
		"Retry":  func(c *client.Client) error { _, err := c.Retry(t.Context(), "x"); return err },
		"Replay": func(c *client.Client) error { _, err := c.Replay(t.Context(), "x", 1); return err },
		"Upload": func(c *client.Client) error {
			_, err := c.Upload(t.Context(), "a.mp4", strings.NewReader("x"), 1)
			return err
		},
	} {
		h, n := sequence(answer(503, ""))
		if err := call(against(t, h)); !errors.Is(err, client.ErrUnavailable) || n.Load() != 1 {
			t.Errorf("%s was sent %d times: %v", name, n.Load(), err)
		}
	}
	h, n := sequence(answer(503, ""))
	if _, err := against(t, h).Job(t.Context(), "x"); !errors.Is(err, client.ErrUnavailable) || n.Load() != 4 {
		t.Errorf("Job was sent %d times: %v", n.Load(), err)
	}
}

func TestAttempts(t *testing.T) {
	h, n := sequence(answer(503, ""))
	srv := httptest.NewServer(h)
	defer srv.Close()
	c := connect(t, client.Options{BaseURL: srv.URL, Attempts: 1})
	if _, err := c.Job(t.Context(), "x"); err == nil || n.Load() != 1 {
		t.Errorf("sent %d times: %v", n.Load(), err)
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h, _ := sequence(func(w http.ResponseWriter, r *http.Request) {
		answer(503, "", "Retry-After", "1")(w, r)
		time.AfterFunc(10*time.Millisecond, cancel)
	})
	// Both errors are there when the pause was interrupted, and only then.
	if _, err := against(t, h).Job(ctx, "x"); !errors.Is(err, context.Canceled) || !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
