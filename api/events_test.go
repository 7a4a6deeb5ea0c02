package api_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/copra-video/copra/api"
	"github.com/copra-video/copra/internal/testtime"
	"github.com/copra-video/copra/job"
)

// live brings the running job to its second event.
func live(w *world) {
	s := job.NewState(runningID, at("2021-08-31T07:57:06Z"), []job.OutputRequest{
		{Key: "mp4", Type: job.TypeVideo, Format: "mp4"}, {Key: "jpg", Type: job.TypeImage, Format: "jpg"}})
	w.store.jobs[runningID] = s
	w.store.happen(runningID, job.Event{Kind: job.JobStartedEvent})
	w.store.happen(runningID, job.Event{Kind: job.OutputStageEvent, Output: "mp4", Stage: job.Encoding})
}

func TestHistory(t *testing.T) {
	w := start(t)
	live(w)
	w.store.happen(runningID, job.Event{Kind: job.OutputFailedEvent, Output: "mp4", Error: "It is < & bad.", Reason: job.InputDamaged})
	w.store.happen(runningID, job.Event{Kind: job.OutputCompletedEvent, Output: "jpg", Result: job.Result{URLs: []string{"https://example.com/1.jpg?a=1&b=2"}}})
	events := []string{
		`{"id":1,"event":"job.started","at":"2021-08-31T07:58:06.000Z"}`,
		`{"id":2,"event":"output.stage","at":"2021-08-31T07:58:06.000Z","output":"mp4","status":"video.encoding"}`,
		`{"id":3,"event":"output.failed","at":"2021-08-31T07:58:06.000Z","output":"mp4","status":"video.failed","error":"It is < & bad.","error_code":"input_damaged"}`,
		`{"id":4,"event":"output.completed","at":"2021-08-31T07:58:06.000Z","output":"jpg","status":"image.created","urls":["https://example.com/1.jpg?a=1&b=2"]}`,
		`{"id":5,"event":"job.failed","at":"2021-08-31T07:58:06.000Z"}`,
	}
	head := `{"job_id":"` + runningID + `","status":"job.failed","progress":"100%","outputs":[` +
		`{"key":"mp4","status":"video.failed","progress":"0%"},{"key":"jpg","status":"image.created","progress":"100%"}],"events":[`
	for _, tt := range []struct {
		query string
		from  int
	}{{"", 0}, {"?after=0", 0}, {"?after=3", 3}, {"?after=99", 5}} {
		got := w.do(t, "GET", "/v2/jobs/"+runningID+"/events"+tt.query, token, "", "Last-Event-ID", "2") // is for streams
		if want := head + strings.Join(events[tt.from:], ",") + "]}"; got.status != 200 || got.body != want {
			t.Errorf("%s: %d\n got %s\nwant %s", tt.query, got.status, got.body, want)
		}
	}
	for _, q := range []string{"?after=x", "?after=-1", "?after=1.5", "?before=1"} {
		if got := w.do(t, "GET", "/v2/jobs/"+runningID+"/events"+q, token, ""); got.status != 400 {
			t.Errorf("%s: %d", q, got.status)
		}
	}
	if got := w.do(t, "GET", "/v2/jobs/"+runningID+"/events", otherToken, ""); got.status != 404 {
		t.Errorf("another key: %d", got.status)
	}
	if w.store.watching() != 0 {
		t.Error("someone still watches")
	}
}

// sent is a message of a stream.
type sent struct{ id, event, data string }

// stream is an open stream of events.
type stream struct {
	t     *testing.T
	res   *http.Response
	lines *bufio.Scanner
}

func (w *world) stream(t *testing.T, ctx context.Context, query string, headers ...string) *stream {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", w.URL+"/v2/jobs/"+runningID+"/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(token, "")
	r.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return &stream{t, res, bufio.NewScanner(res.Body)}
}

// next returns the next message. A comment is a message with the comment as its
// event. The end of the stream is io.EOF.
func (s *stream) next() (sent, error) {
	var m sent
	for s.lines.Scan() {
		line := s.lines.Text()
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && m != sent{}:
			return m, nil
		case name == "id":
			m.id = value
		case name == "event" || name == "":
			m.event = value
		case name == "data":
			m.data = value
		}
	}
	if err := s.lines.Err(); err != nil {
		return m, err
	}
	return m, io.EOF
}

func (s *stream) expect(want ...sent) {
	s.t.Helper()
	for _, m := range want {
		got, err := s.next()
		if err != nil {
			s.t.Fatalf("instead of %s: %v", m.event, err)
		}
		if got.id != m.id || got.event != m.event || !strings.Contains(got.data, m.data) {
			s.t.Errorf("got %+v, want %+v", got, m)
		}
	}
}

func TestStream(t *testing.T) {
	w := start(t)
	live(w)
	s := w.stream(t, t.Context(), "")
	if s.res.StatusCode != 200 || s.res.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" || s.res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s %v", s.res.Status, s.res.Header)
	}
	s.expect(
		sent{"1", "job.started", `"id":1`},
		sent{"2", "output.stage", `"status":"video.encoding"`},
		sent{"", "progress", `"progress":"0%"`},
	)
	w.store.happen(runningID, job.Event{Kind: job.OutputCompletedEvent, Output: "jpg"})
	s.expect(sent{"3", "output.completed", `"output":"jpg"`}, sent{"", "progress", `"progress":"33%"`})

	// A client that connects later, or again, gets the events that it lacks.
	again := w.stream(t, t.Context(), "?after=1", "Last-Event-ID", "2")
	again.expect(sent{"3", "output.completed", ""}, sent{"", "progress", `"progress":"33%"`})

	w.store.happen(runningID, job.Event{Kind: job.JobCancelledEvent})
	for _, s := range []*stream{s, again} {
		s.expect(sent{"4", "job.cancelled", ""}, sent{"", "progress", `"status":"job.failed","progress":"100%"`}, sent{"5", "job.failed", `"error":"cancelled"`})
		if _, err := s.next(); !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %v", err)
		}
	}
	if late := w.stream(t, t.Context(), "?after=4"); late.res.StatusCode != 200 {
		t.Error(late.res.Status)
	} else {
		late.expect(sent{"", "progress", ""}, sent{"5", "job.failed", ""})
	}
	// After 204 an EventSource does not reconnect.
	if done := w.stream(t, t.Context(), "", "Last-Event-ID", "5"); done.res.StatusCode != 204 {
		t.Errorf("with all seen: %s", done.res.Status)
	}
	if bad := w.stream(t, t.Context(), "", "Last-Event-ID", "x"); bad.res.StatusCode != 400 {
		t.Errorf("with a strange id: %s", bad.res.Status)
	}
}

func TestStreamIsAskedForByName(t *testing.T) {
	w := start(t)
	live(w)
	for _, accept := range []string{"*/*", "application/json", "text/*", "text/event-stream;q=0, application/json", "text/event-stream,;;"} {
		got := w.do(t, "GET", "/v2/jobs/"+failedID+"/events", token, "", "Accept", accept)
		if json := strings.HasPrefix(got.header.Get("Content-Type"), "application/json"); json == (accept == "text/event-stream,;;") {
			t.Errorf("Accept %s: %d %s", accept, got.status, got.header.Get("Content-Type"))
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), "HEAD", w.URL+"/v2/jobs/"+runningID+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(token, "")
	r.Header.Set("Accept", "text/event-stream")
	res, err := w.Client().Do(r)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("HEAD: %v %v", res, err)
	}
	res.Body.Close()
}

// TestStreamLeavesNothing disconnects clients in the middle of a stream, one of
// which has never read.
func TestStreamLeavesNothing(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Run("clients", func(t *testing.T) {
		w := start(t, func(c *api.Config) { c.Heartbeat = 20 * time.Millisecond })
		live(w)
		ctx, leave := context.WithCancel(t.Context())
		slow := w.stream(t, ctx, "")
		s := w.stream(t, ctx, "")
		s.expect(sent{"1", "job.started", ""}, sent{"2", "output.stage", ""}, sent{"", "progress", ""})
		for range 3 {
			if m, err := s.next(); err != nil || m.event != "still here" {
				t.Fatalf("no sign of life: %+v %v", m, err)
			}
		}
		leave()
		_ = slow
		for deadline := time.Now().Add(10 * time.Second); w.store.watching() > 0; {
			if time.Now().After(deadline) {
				t.Fatalf("%d still watch", w.store.watching())
			}
			<-time.After(5 * time.Millisecond)
		}
		w.Client().CloseIdleConnections()
	})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	goleak.VerifyNone(t, ignore)
}

func TestStreamOutlivesTroubleOfTheStore(t *testing.T) {
	w := start(t, func(c *api.Config) { c.Heartbeat = 10 * time.Millisecond })
	live(w)
	s := w.stream(t, t.Context(), "")
	s.expect(sent{"1", "job.started", ""}, sent{"2", "output.stage", ""}, sent{"", "progress", ""})
	set := func(err error) {
		w.store.mu.Lock()
		defer w.store.mu.Unlock()
		w.store.err = err
	}
	set(errors.New("the database is away"))
	w.store.happen(runningID, job.Event{Kind: job.JobCancelledEvent})
	s.expect(sent{"", "still here", ""}, sent{"", "still here", ""})
	set(nil)
	for {
		m, err := s.next()
		if err != nil {
			t.Fatal(err)
		}
		if m.event == "job.failed" {
			return
		}
	}
}

func TestServerThatStopsEndsStreams(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := start(t)
	live(w)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	h := api.New(api.Config{Jobs: w.store, Keys: w.store, Metrics: prometheus.NewRegistry()})
	go func() { ended <- api.Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	w.URL = "http://" + l.Addr().String()
	s := w.stream(t, t.Context(), "")
	s.expect(sent{"1", "job.started", ""}, sent{"2", "output.stage", ""}, sent{"", "progress", ""})
	begin := time.Now()
	stop()
	if _, err := s.next(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	testtime.Within(t, "the end of Serve", begin, time.Second)
}

// TestHeartbeatTime checks the default interval on a simulated clock.
func TestHeartbeatTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &store{jobs: map[string]job.State{}, owner: map[string]string{}, events: map[string][]job.RecordedEvent{}, watchers: map[chan struct{}]bool{}}
		st.jobs[runningID], st.owner[runningID] = running(), "key-1"
		h := api.New(api.Config{Jobs: st, Keys: st, Metrics: prometheus.NewRegistry()})
		ctx, leave := context.WithTimeout(t.Context(), 46*time.Second)
		defer leave()
		r, err := http.NewRequestWithContext(ctx, "GET", "/v2/jobs/"+runningID+"/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(token, "")
		r.Header.Set("Accept", "text/event-stream")
		w := &writer{}
		h.ServeHTTP(w, r)
		if n := strings.Count(w.body.String(), ": still here\n\n"); n != 3 {
			t.Errorf("%d signs of life in 46 s", n)
		}
	})
}

// writer is a response writer that can be flushed.
type writer struct {
	header http.Header
	body   strings.Builder
}

func (w *writer) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}
func (w *writer) WriteHeader(int)             {}
func (w *writer) Write(b []byte) (int, error) { return w.body.Write(b) }
func (w *writer) Flush()                      {}
