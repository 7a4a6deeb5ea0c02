package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/internal/testtime"
	"github.com/copra-video/copra/job"
)

// TestIdempotencyKey posts the same job fifty times at once.
func TestIdempotencyKey(t *testing.T) {
	s := startServer(t)
	body := jobFor("https://example.com/in.mp4", "https://example.com/hook")
	const posts = 50
	var wg sync.WaitGroup
	answers := make([]string, posts)
	begin := make(chan struct{})
	for i := range posts {
		wg.Go(func() {
			<-begin
			status, answer := s.do("POST", "/jobs", body, "Idempotency-Key", "once")
			answers[i] = fmt.Sprint(status, " ", answer)
		})
	}
	close(begin)
	wg.Wait()
	for i, a := range answers {
		if a != answers[0] || !strings.HasPrefix(a, "201 {") {
			t.Errorf("post %d: %s\npost 0: %s", i, a, answers[0])
		}
	}
	for table, want := range map[string]int{"jobs": 1, "river_job": 1, "outputs": 2} {
		var n int
		if err := s.srv.store.Pool().QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil || n != want {
			t.Errorf("%d rows in %s, want %d (%v)", n, table, want, err)
		}
	}
	if status, answer := s.do("POST", "/jobs", body+" ", "Idempotency-Key", "once"); status != 409 || !strings.Contains(answer, `"error_code":"idempotency_key_reused"`) {
		t.Errorf("another body: %d %s", status, answer)
	}
	if status, _ := s.do("POST", "/jobs", body, "Idempotency-Key", "twice"); status != 201 {
		t.Errorf("another key: %d", status)
	}
}

type recorder struct {
	river.WorkerDefaults[queue.ProbeArgs]
	order chan string
}

func (r *recorder) Work(_ context.Context, j *river.Job[queue.ProbeArgs]) error {
	r.order <- j.Args.JobID
	return nil
}

// TestPriority works on a queue of jobs one at a time: the highest priority
// first, and of equal ones the first.
func TestPriority(t *testing.T) {
	s := startServer(t)
	names := map[string]string{}
	for _, p := range []string{"-50", "0", "-10", "50", "-50", "0", "1"} {
		id := s.create(fmt.Sprintf(`{"settings":{"priority":%s},"input":{"url":"https://example.com/a.mp4"},
			"storage":{"service":"coconut"},"outputs":{"mp4:240p":{"path":"/a.mp4"}}}`, p))
		names[id] = fmt.Sprintf("%s#%d", p, len(names))
	}
	r := &recorder{order: make(chan string, len(names))}
	workers := river.NewWorkers()
	river.AddWorker(workers, r)
	client, err := river.NewClient(riverpgxv5.New(s.srv.store.Pool()), &river.Config{
		Workers: workers, Queues: map[string]river.QueueConfig{queue.Probe: {MaxWorkers: 1, FetchCooldown: queue.FetchCooldown}},
		Logger: minLevel(s.srv.log, slog.LevelWarn),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := client.StopAndCancel(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	var got []string
	for range names {
		select {
		case id := <-r.order:
			got = append(got, names[id])
		case <-time.After(20 * time.Second):
			t.Fatalf("only %v were worked", got)
		}
	}
	if want := "50#3 1#6 0#1 0#5 -10#2 -50#0 -50#4"; strings.Join(got, " ") != want {
		t.Errorf("worked in the order\n     %s\nwant %s", strings.Join(got, " "), want)
	}
	observed.Row(t, "12.1 settings.priority")
}

// long takes longer to encode than any test waits.
var long = testmedia.Recipe{Name: "long.mp4", Args: []string{
	"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=120", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50"}}

// TestCancelWhileEncoding measures how long ffmpeg outlives the request.
func TestCancelWhileEncoding(t *testing.T) {
	clip := testmedia.Clip(t, long)
	h := &hook{}
	receiver := httptest.NewServer(h)
	defer receiver.Close()
	source := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(clip))))
	defer source.Close()
	s := startServer(t)
	s.startWorker()
	// A large picture, so that there is progress to see before the end. There are
	// no pictures beside it: ffmpeg reports no progress before each of its output
	// files has begun, and one from the middle begins with half the encode.
	id := s.create(fmt.Sprintf(`{"input":{"url":%q},"storage":{"service":"coconut"},"outputs":{"mp4:1080p":{"path":"/a.mp4"}},
		"notification":{"type":"http","url":%q,"events":true}}`, source.URL+"/"+filepath.Base(clip), receiver.URL))

	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	stream := s.stream(ctx, id, "")
	for progress := false; !progress; {
		m := stream.next()
		progress = m.event == "progress" && strings.Contains(m.data, `"mp4:1080p","status":"video.encoding","progress":"`) &&
			!strings.Contains(m.data, `"mp4:1080p","status":"video.encoding","progress":"0%"`)
	}
	begin := time.Now()
	if status, answer := s.do("DELETE", "/jobs/"+id, ""); status != 200 || !strings.Contains(answer, `"error":"cancelled"`) || !strings.Contains(answer, "video.aborted") {
		t.Fatalf("%d %s", status, answer)
	}
	eventually(t, "the work directory to be empty", func() bool { return len(s.work(t)) == 0 })
	t.Logf("ffmpeg had ended and the work directory was empty %v after the request", time.Since(begin))
	testtime.Within(t, "the cancel", begin, 2*time.Second)
	if status, answer := s.do("DELETE", "/jobs/"+id, ""); status != 409 || !strings.Contains(answer, `"error_code":"job_finished"`) {
		t.Errorf("again: %d %s", status, answer)
	}
	// The end of the job is the last event of the stream.
	last := ""
	for m := stream.next(); m.event != ""; m = stream.next() {
		last = m.event
	}
	if last != "job.failed" {
		t.Errorf("the stream ended with %q", last)
	}
	eventually(t, "River to note the end", func() bool {
		var n int
		err := s.srv.store.Pool().QueryRow(t.Context(), `SELECT count(*) FROM river_job WHERE kind <> 'notify' AND finalized_at IS NULL`).Scan(&n)
		return err == nil && n == 0
	})
	if j := s.get(id); j.Status != "job.failed" || j.Error != "cancelled" {
		t.Errorf("it is %+v", j)
	}
	eventually(t, "the webhook", func() bool {
		all := h.all()
		return len(all) > 0 && all[len(all)-1].event == "job.failed"
	})
	n := 0
	for _, r := range h.all() {
		if r.event == "job.failed" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d webhooks of the end", n)
	}

	// A retry encodes again what was not done.
	status, answer := s.do("POST", "/jobs/"+id+"/retry", "")
	if status != 200 || !strings.Contains(answer, `"status":"job.starting"`) {
		t.Fatalf("retry: %d %s", status, answer)
	}
	eventually(t, "the encoder to run again", func() bool {
		for _, o := range s.get(id).Outputs {
			if o.Status == "video.encoding" {
				return true
			}
		}
		return false
	})
	if status, _ := s.do("POST", "/jobs/"+id+"/cancel", ""); status != 200 {
		t.Errorf("cancel the retry: %d", status)
	}
	eventually(t, "the work directory to be empty", func() bool { return len(s.work(t)) == 0 })
}

// work lists the folders of runs in the work directory.
func (s *server) work(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.srv.settings.WorkDir, "run-*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestCancelWhileWaiting cancels a job that waits for an input server that does
// not answer, and one that no worker has taken.
func TestCancelWhileWaiting(t *testing.T) {
	asked, release := make(chan struct{}, 10), make(chan struct{})
	source := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	defer source.Close()
	defer close(release)
	h := &hook{}
	receiver := httptest.NewServer(h)
	defer receiver.Close()
	s := startServer(t)
	queued := s.create(jobFor(source.URL+"/queued.mp4", receiver.URL))
	if status, _ := s.do("DELETE", "/jobs/"+queued, ""); status != 200 {
		t.Errorf("cancel a queued job: %d", status)
	}
	s.startWorker()
	id := s.create(jobFor(source.URL+"/in.mp4", receiver.URL))
	<-asked
	begin := time.Now()
	if status, _ := s.do("POST", "/jobs/"+id+"/cancel", ""); status != 200 {
		t.Errorf("cancel: %d", status)
	}
	eventually(t, "the worker to let go", func() bool {
		var n int
		err := s.srv.store.Pool().QueryRow(t.Context(), `SELECT count(*) FROM river_job WHERE kind = 'probe' AND state <> 'cancelled'`).Scan(&n)
		return err == nil && n == 0
	})
	testtime.Within(t, "the cancel", begin, 2*time.Second)
	eventually(t, "the webhooks", func() bool { return len(h.all()) == 2 })
	for _, id := range []string{queued, id} {
		if j := s.get(id); j.Status != "job.failed" || j.Error != "cancelled" || j.Input.Error != "" {
			t.Errorf("it is %+v", j)
		}
	}
}

// TestRetryOfAnInput retries a job whose input was missing at first.
func TestRetryOfAnInput(t *testing.T) {
	clip := testmedia.Clip(t, testmedia.Short)
	var mu sync.Mutex
	there := false
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if !there {
			http.NotFound(w, r)
			return
		}
		http.ServeFile(w, r, clip)
	}))
	defer source.Close()
	s := startServer(t)
	s.startWorker()
	id := s.create(fmt.Sprintf(`{"settings":{"max_duration":900},"input":{"url":%q},"storage":{"service":"coconut"},"outputs":{"jpg:64x":{"path":"/a.jpg"}}}`, source.URL+"/in.mp4"))
	eventually(t, "the failure", func() bool { return s.get(id).Status == "job.failed" })
	if _, events := s.do("GET", "/jobs/"+id+"/events", ""); !strings.Contains(events, `"error_code":"input_http_error"`) {
		t.Errorf("the events do not say why: %s", events)
	}
	// The time before the retry does not count as part of max_duration.
	if _, err := s.srv.store.Pool().Exec(t.Context(), `UPDATE jobs SET created_at = created_at - interval '1 hour'`); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	there = true
	mu.Unlock()
	if status, answer := s.do("POST", "/jobs/"+id+"/retry", ""); status != 200 || !strings.Contains(answer, `"input":{"status":"input.starting"}`) {
		t.Fatalf("retry: %d %s", status, answer)
	}
	eventually(t, "the end", func() bool { return s.get(id).Status.Finished() })
	j := s.get(id)
	if j.Status != "job.completed" {
		t.Fatalf("it is %+v", j)
	}
	res, err := http.Get(j.Outputs[0].Files()[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("the picture: %s", res.Status)
	}
	if status, answer := s.do("POST", "/jobs/"+id+"/retry", ""); status != 409 || !strings.Contains(answer, "nothing_to_retry") {
		t.Errorf("retry of a completed job: %d %s", status, answer)
	}
}

// message is one message of an event stream. The empty one is the end.
type message struct{ id, event, data string }

type openStream struct {
	t     testing.TB
	lines *bufio.Scanner
}

func (s *server) stream(ctx context.Context, id, last string) *openStream {
	s.t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", s.base+"/jobs/"+id+"/events", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.SetBasicAuth(s.token.Reveal(), "")
	r.Header.Set("Accept", "text/event-stream")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 {
		s.t.Fatalf("stream: %s", res.Status)
	}
	return &openStream{s.t, bufio.NewScanner(res.Body)}
}

func (s *openStream) next() (m message) {
	s.t.Helper()
	for s.lines.Scan() {
		name, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch name {
		case "id":
			m.id = value
		case "event":
			m.event = value
		case "data":
			m.data = value
		case "":
			if m.event != "" {
				return m
			}
		}
	}
	if err := s.lines.Err(); err != nil && !errors.Is(err, io.EOF) {
		s.t.Fatal(err)
	}
	return message{}
}

// TestEventsLive follows a job, leaves, and goes on after the last event that it
// has read.
func TestEventsLive(t *testing.T) {
	s := startServer(t)
	id := s.create(jobFor("https://example.com/a.mp4", "https://example.com/hook"))
	run := s.claim(id)
	s.record(id, run, job.Event{Kind: job.JobStartedEvent})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	a := s.stream(ctx, id, "")
	if m := a.next(); m.id != "1" || m.event != "job.started" {
		t.Errorf("first %+v", m)
	}
	if m := a.next(); m.event != "progress" || m.id != "" {
		t.Errorf("then %+v", m)
	}
	begin := time.Now()
	s.record(id, run, job.Event{Kind: job.OutputStageEvent, Output: "mp4:480p", Stage: job.Encoding})
	if m := a.next(); m.id != "2" || !strings.Contains(m.data, `"status":"video.encoding"`) {
		t.Errorf("an event: %+v", m)
	}
	testtime.Within(t, "the message", begin, 500*time.Millisecond)
	a.next()
	if err := s.srv.store.SetProgress(t.Context(), id, run, map[string]float64{"mp4:480p": 0.4}); err != nil {
		t.Fatal(err)
	}
	if m := a.next(); m.event != "progress" || !strings.Contains(m.data, `"key":"mp4:480p","status":"video.encoding","progress":"40%"`) {
		t.Errorf("progress: %+v", m)
	}
	leave()
	s.record(id, run, job.Event{Kind: job.OutputSkippedEvent, Output: "jpg:64x"})
	b := s.stream(t.Context(), id, "2")
	if m := b.next(); m.id != "3" || m.event != "output.skipped" {
		t.Errorf("after the return: %+v", m)
	}
	s.record(id, run, job.Event{Kind: job.OutputFailedEvent, Output: "mp4:480p", Error: "No."})
	var rest []string
	for m := b.next(); m.event != ""; m = b.next() {
		rest = append(rest, m.event)
	}
	if got := strings.Join(rest, " "); got != "progress output.failed progress job.failed" {
		t.Errorf("the end: %s", got)
	}
}

// claim takes a job as a worker would.
func (s *server) claim(id string) (run int64) {
	s.t.Helper()
	var riverID int64
	var attempt int
	err := s.srv.store.Pool().QueryRow(s.t.Context(), `
		UPDATE river_job SET state = 'running', attempt = attempt + 1, attempted_at = now(), attempted_by = '{test}'
		WHERE id = (SELECT river_id FROM jobs WHERE id = $1) RETURNING id, attempt`, id).Scan(&riverID, &attempt)
	if err == nil {
		run, err = s.srv.store.Claim(s.t.Context(), id, riverID, attempt, "test")
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return run
}

func (s *server) record(id string, run int64, events ...job.Event) {
	s.t.Helper()
	for i := range events {
		events[i].At = time.Now()
	}
	if _, err := s.srv.store.Record(s.t.Context(), id, run, events...); err != nil {
		s.t.Fatal(err)
	}
}
