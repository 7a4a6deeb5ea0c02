package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/testtime"
)

// stream is a handler that sends a stream of events and closes it.
func stream(text string) http.HandlerFunc {
	return answer(200, text, "Content-Type", "text/event-stream; charset=utf-8")
}

// torn is a stream whose connection breaks behind the text.
func torn(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stream(text)(w, r)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// silent is a stream that sends the text and then nothing.
func silent(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stream(text)(w, r)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

func event(id int, name string) string {
	return fmt.Sprintf("id: %d\nevent: %s\ndata: {\"id\":%d,\"event\":%q,\"at\":\"2021-09-25T17:45:59.412Z\"}\n\n", id, name, id, name)
}

func progress(percent int) string {
	return fmt.Sprintf("event: progress\ndata: {\"job_id\":\"x\",\"status\":\"job.processing\",\"progress\":\"%d%%\",\"outputs\":[]}\n\n", percent)
}

// follow collects what FollowEvents yields as short texts.
func follow(ctx context.Context, c *client.Client, o client.FollowOptions) (got []string, err error) {
	for u, err := range c.FollowEvents(ctx, "x", o) {
		switch {
		case err != nil:
			return got, err
		case u.Event != nil:
			got = append(got, fmt.Sprintf("%d %s", u.Event.ID, u.Event.Name))
		default:
			got = append(got, u.Progress.Progress.String())
		}
	}
	return got, nil
}

func TestFollowEvents(t *testing.T) {
	end := answer(204, "")
	for name, c := range map[string]struct {
		connections []http.HandlerFunc
		want        []string
		seen        []string // Last-Event-ID of each connection
	}{
		"in one piece": {
			[]http.HandlerFunc{stream("retry: 10\n\n" + event(1, "job.started") + ": still here\n\n" + progress(50) + event(2, "job.completed")), end},
			[]string{"1 job.started", "50%", "2 job.completed"}, []string{"", "2"},
		},
		"connection breaks": {
			[]http.HandlerFunc{torn(event(1, "job.started") + progress(10)), torn(event(2, "output.stage")), stream(event(3, "job.completed")), end},
			[]string{"1 job.started", "10%", "2 output.stage", "3 job.completed"}, []string{"", "1", "2", "3"},
		},
		// The id has arrived, the event has not: it must come again.
		"connection breaks within an event": {
			[]http.HandlerFunc{torn(event(1, "job.started") + "id: 2\nevent: output.stage\ndata: {\"id\":2,\"ev"), stream(event(2, "job.failed")), end},
			[]string{"1 job.started", "2 job.failed"}, []string{"", "1", "2"},
		},
		"proxy closes within an event": {
			[]http.HandlerFunc{stream(event(1, "job.started") + "id: 2\nevent: output.stage\ndata: {\"id\":2,\"ev\n"), stream(event(2, "job.failed")), end},
			[]string{"1 job.started", "2 job.failed"}, []string{"", "1", "2"},
		},
		"silence": {
			[]http.HandlerFunc{silent(event(1, "job.started")), stream(event(2, "job.completed")), end},
			[]string{"1 job.started", "2 job.completed"}, []string{"", "1", "2"},
		},
		"silence before the answer": {
			[]http.HandlerFunc{func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, stream(event(1, "job.completed")), end},
			[]string{"1 job.completed"}, []string{"", "", "1"},
		},
		"server restarts": {
			[]http.HandlerFunc{hangUp, answer(503, ""), answer(500, ""), answer(429, "", "Retry-After", "0"), stream(event(1, "job.completed")), end},
			[]string{"1 job.completed"}, []string{"", "", "", "", "", "1"},
		},
		"events come again": {
			[]http.HandlerFunc{stream(event(1, "job.started") + event(2, "output.stage")), stream(event(1, "job.started") + event(2, "output.stage") + event(3, "job.completed")), end},
			[]string{"1 job.started", "2 output.stage", "3 job.completed"}, []string{"", "2", "3"},
		},
		// The job was retried: its first end is not the last event.
		"cut off behind an end that was not the last": {
			[]http.HandlerFunc{stream(event(1, "job.failed")), stream(event(2, "job.retried") + event(3, "job.completed")), end},
			[]string{"1 job.failed", "2 job.retried", "3 job.completed"}, []string{"", "1", "3"},
		},
		"unknown kinds": {
			[]http.HandlerFunc{stream("event: weather\ndata: {\"sun\":true}\n\ndata: 7\n\nid: 9\n\n" + event(1, "output.polished") + event(2, "job.completed")), end},
			[]string{"1 output.polished", "2 job.completed"}, []string{"", "2"},
		},
		"other line ends": {
			[]http.HandlerFunc{stream("\ufeff" + strings.ReplaceAll(event(1, "job.started"), "\n", "\r\n") + strings.ReplaceAll(event(2, "job.completed"), "\n", "\r")), end},
			[]string{"1 job.started", "2 job.completed"}, []string{"", "2"},
		},
		"job that had ended": {[]http.HandlerFunc{end}, nil, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, n := sequence(c.connections...)
			var mu sync.Mutex
			var seen []string
			cl := against(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v2/jobs/x/events" || r.Header.Get("Accept") != "text/event-stream" {
					t.Errorf("got %s with Accept %q", r.URL, r.Header.Get("Accept"))
				}
				if _, _, ok := r.BasicAuth(); !ok {
					t.Error("no API key came")
				}
				mu.Lock()
				seen = append(seen, r.Header.Get("Last-Event-ID"))
				mu.Unlock()
				h(w, r)
			})
			if strings.HasPrefix(name, "silence") {
				client.Idle(cl, testtime.Allow(300*time.Millisecond))
			}
			got, err := follow(t.Context(), cl, client.FollowOptions{})
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(c.seen, seen); diff != "" || int(n.Load()) != len(c.connections) {
				t.Errorf("%d connections with Last-Event-ID:\n%s", n.Load(), diff)
			}
		})
	}
}

func TestFollowEventsEndsWith(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		is     error // nil: any
	}{
		"not found":      {answer(404, ""), client.ErrNotFound},
		"unauthorized":   {answer(401, `{"message":"m","error_code":"c"}`), client.ErrUnauthorized},
		"no stream":      {answer(200, `{"job_id":"x"}`, "Content-Type", "application/json"), client.ErrNoStream},
		"broken data":    {stream("id: 1\nevent: job.started\ndata: {\"id\":\n\n"), nil},
		"null":           {stream("id: 1\ndata: null\n\n"), nil},
		"odd progress":   {stream("event: progress\ndata: {\"progress\":7}\n\n"), nil},
		"endless line":   {stream("data: " + strings.Repeat("x", 5<<20)), nil},
		"many long ones": {stream(strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 5)), nil},
	} {
		h, n := sequence(c.answer)
		got, err := follow(t.Context(), against(t, h), client.FollowOptions{})
		if err == nil || got != nil || c.is != nil && !errors.Is(err, c.is) || n.Load() != 1 {
			t.Errorf("%s: after %d connections %q, %v", name, n.Load(), got, err)
		}
	}
}

func TestFollowEventsReconnectTimeout(t *testing.T) {
	h, n := sequence(stream(event(1, "job.started")), answer(503, ""))
	got, err := follow(t.Context(), against(t, h), client.FollowOptions{ReconnectTimeout: 50 * time.Millisecond})
	if !errors.Is(err, client.ErrUnavailable) || len(got) != 1 || n.Load() < 2 {
		t.Errorf("after %d connections %q, %v", n.Load(), got, err)
	}
}

func TestFollowEventsAfter(t *testing.T) {
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Last-Event-ID"); got != "7" {
			t.Errorf("Last-Event-ID %q", got)
		}
		w.WriteHeader(204)
	})
	if got, err := follow(t.Context(), c, client.FollowOptions{After: 7}); err != nil || got != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestFollowEventsLetsGo: leaving the loop and ending the context close the
// connection.
func TestFollowEventsLetsGo(t *testing.T) {
	closed := make(chan struct{}, 2)
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		silent(event(1, "job.started"))(w, r)
		closed <- struct{}{}
	})
	for range c.FollowEvents(t.Context(), "x", client.FollowOptions{}) {
		break
	}
	<-closed
	ctx, cancel := context.WithCancel(t.Context())
	for u, err := range c.FollowEvents(ctx, "x", client.FollowOptions{}) {
		switch {
		case u.Event != nil:
			cancel()
		case !errors.Is(err, context.Canceled):
			t.Errorf("the iterator ended with %v", err)
		}
	}
	<-closed
	cancel()
}

func TestWait(t *testing.T) {
	finished := strings.ReplaceAll(oneJob, "job.starting", "job.failed")
	for name, events := range map[string]http.HandlerFunc{
		"with events":    stream(event(1, "job.failed")),
		"without stream": answer(200, "{}", "Content-Type", "application/json"),
		"without events": answer(404, ""),
	} {
		// The first look may come before the end.
		jobs, looks := sequence(answer(200, oneJob), answer(200, finished))
		streams, _ := sequence(events, answer(204, ""))
		c := against(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/events") {
				streams(w, r)
				return
			}
			jobs(w, r)
		})
		j, err := c.Wait(t.Context(), "x")
		if err != nil || j.Status != client.JobFailed || looks.Load() != 2 {
			t.Errorf("%s: %v, %v after %d looks", name, j, err, looks.Load())
		}
	}
	if _, err := against(t, answer(404, "")).Wait(t.Context(), "x"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a job that is not there: %v", err)
	}
}

func FuzzEventStream(f *testing.F) {
	f.Add("retry: 10\n\n" + event(1, "job.started") + progress(3) + event(2, "job.completed"))
	f.Add("\ufeffdata\r\ndata:\r\rid: 3\x00\nevent\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		first := true
		c, err := client.New(client.Options{BaseURL: "http://localhost", HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) *http.Response {
			if !first {
				return &http.Response{StatusCode: 204, Body: http.NoBody}
			}
			first = false
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(strings.NewReader(text))}
		})}})
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for u, err := range client.Hurry(c).FollowEvents(t.Context(), "x", client.FollowOptions{}) {
			if err == nil && (u.Event == nil) == (u.Progress == nil) {
				t.Errorf("got %+v", u)
			}
			if u.Event != nil {
				last++
			}
		}
		if n := strings.Count(text, "\n") + strings.Count(text, "\r"); last > n {
			t.Errorf("%d events of %d lines", last, n)
		}
	})
}

type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }
