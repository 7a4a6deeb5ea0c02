package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/copra-video/copra/api"
	"github.com/copra-video/copra/job"
)

const (
	token         = "k-0123456789abcdef0123456789abcdef"
	operatorToken = "operator-0123456789abcdef"
	otherToken    = "k-ffffffffffffffffffffffffffffffff"
)

// store is api.Jobs and api.Keys in memory.
type store struct {
	mu      sync.Mutex
	jobs    map[string]job.State
	owner   map[string]string // id of job -> id of key
	idem    map[string]string // idempotency key -> id of job
	created []job.Submission
	err     error  // when set, what every call returns
	hook    func() // when set, called by CreateJob
	hangs   bool   // Authenticate waits for its deadline
	full    error  // when set, what CreateJob returns

	listed   job.ListQuery
	asked    job.DeliveryQuery
	events   map[string][]job.RecordedEvent
	watchers map[chan struct{}]bool
	replayed []int
}

func (s *store) Authenticate(ctx context.Context, t string) (job.Key, error) {
	if s.hangs {
		<-ctx.Done()
		return job.Key{}, ctx.Err()
	}
	switch t {
	case token:
		return job.Key{ID: "key-1", Name: "first"}, s.trouble()
	case otherToken:
		return job.Key{ID: "key-2", Name: "second"}, s.trouble()
	default:
		return job.Key{}, job.ErrNotFound
	}
}

func (s *store) trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *store) CreateJob(_ context.Context, n job.Submission) (job.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hook != nil {
		s.hook()
	}
	if s.full != nil {
		return job.State{}, s.full
	}
	if id, ok := s.idem[n.IdempotencyKey]; ok {
		for _, c := range s.created {
			if c.IdempotencyKey == n.IdempotencyKey && !bytes.Equal(c.Request, n.Request) {
				return job.State{}, job.Errorf(job.IdempotencyKeyReused, "The idempotency key was used with another body.")
			}
		}
		return s.jobs[id], nil
	}
	id := fmt.Sprintf("S9BkOufdntiP%02d", len(s.created))
	s.created = append(s.created, n)
	s.jobs[id] = job.NewState(id, at("2021-09-25T17:45:59Z"), n.Spec.Outputs)
	s.owner[id] = n.KeyID
	if n.IdempotencyKey != "" {
		s.idem[n.IdempotencyKey] = id
	}
	return s.jobs[id], nil
}

func (s *store) GetJob(_ context.Context, keyID, id string) (job.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j, ok := s.jobs[id]; ok && s.owner[id] == keyID {
		return j, nil
	}
	return job.State{}, job.ErrNotFound
}

func (s *store) ListJobs(_ context.Context, keyID string, l job.ListQuery) ([]job.State, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = l
	switch {
	case s.err != nil:
		return nil, "", s.err
	case keyID != "key-1":
		return nil, "", nil
	case l.Cursor == "bad":
		return nil, "", job.Errorf(job.CursorNotValid, "The cursor %q is not valid.", l.Cursor)
	}
	return []job.State{s.jobs[runningID], s.jobs[finishedID], s.jobs[failedID]}, "next", nil
}

func (s *store) CancelJob(ctx context.Context, keyID, id string) (job.State, error) {
	return s.apply(ctx, keyID, id, job.JobCancelledEvent, job.JobFinished)
}

func (s *store) RetryJob(ctx context.Context, keyID, id string) (job.State, error) {
	return s.apply(ctx, keyID, id, job.JobRetriedEvent, job.NothingToRetry)
}

func (s *store) apply(ctx context.Context, keyID, id string, kind job.EventKind, reason job.Reason) (job.State, error) {
	j, err := s.GetJob(ctx, keyID, id)
	if err != nil {
		return j, err
	}
	if !s.happen(id, job.Event{Kind: kind}) {
		return j, job.Errorf(reason, "It cannot be done.")
	}
	return s.GetJob(ctx, keyID, id)
}

// happen applies an event and notifies watchers.
func (s *store) happen(id string, e job.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	j.Outputs = append([]job.OutputState(nil), j.Outputs...)
	e.At = j.CreatedAt.Add(time.Minute)
	happened, err := j.Apply(e)
	if err != nil {
		panic(err)
	}
	s.jobs[id] = j
	for _, h := range happened {
		s.events[id] = append(s.events[id], job.RecordedEvent{N: len(s.events[id]) + 1, Event: h})
	}
	for c := range s.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	return len(happened) > 0
}

func (s *store) History(ctx context.Context, keyID, id string, after int) (job.History, error) {
	j, err := s.GetJob(ctx, keyID, id)
	if err != nil {
		return job.History{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.events[id]
	return job.History{State: j, Events: all[min(after, len(all)):]}, s.err
}

func (s *store) Watch(string) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[c] = true
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, c)
	}
}

// watching returns the number of watchers.
func (s *store) watching() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watchers)
}

func (s *store) Deliveries(ctx context.Context, keyID, id string) ([]job.DeliveryLog, error) {
	if _, err := s.GetJob(ctx, keyID, id); err != nil {
		return nil, err
	}
	if id != finishedID {
		return nil, nil
	}
	when := at("2021-10-13T11:25:26Z")
	return []job.DeliveryLog{
		{N: 1, Event: job.OutputCompletedEvent, State: job.DeliveryPending, CreatedAt: when, NextAt: when.Add(time.Minute), Attempts: []job.DeliveryAttempt{
			{At: when, Error: "no answer within 10s", Duration: 10 * time.Second},
			{At: when, Status: 500, Error: "the receiver answered HTTP status 500", Duration: 12 * time.Millisecond},
		}},
		{N: 2, Event: job.JobCompletedEvent, State: job.DeliveryDelivered, CreatedAt: when, DeliveredAt: when, Attempts: []job.DeliveryAttempt{
			{At: when, Status: 204, Duration: 1500 * time.Microsecond},
		}},
	}, nil
}

func (s *store) ListDeliveries(ctx context.Context, keyID string, q job.DeliveryQuery) ([]job.ListedDelivery, string, error) {
	s.mu.Lock()
	s.asked = q
	s.mu.Unlock()
	if q.Cursor == "bad" {
		return nil, "", job.Errorf(job.CursorNotValid, "The cursor %q is not valid.", q.Cursor)
	}
	if keyID != "key-1" {
		return nil, "", s.trouble()
	}
	all, err := s.Deliveries(ctx, keyID, finishedID)
	var list []job.ListedDelivery
	for _, d := range all {
		l := job.ListedDelivery{JobID: finishedID, DeliveryLog: d}
		if q.Bodies {
			l.Body, l.Signing = []byte(`{"a":"<b>"}`), job.NewSecret("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
		}
		list = append(list, l)
	}
	return list, "next", err
}

func (s *store) Usage(_ context.Context, keyID string, from, to time.Time) ([]job.Usage, error) {
	if !from.Before(to) {
		return nil, nil
	}
	return []job.Usage{{Day: at("2026-11-30T00:00:00Z"), KeyID: keyID, Key: "=a,b", Jobs: 3, Failed: 1, Played: job.Played{Audio: 30, HD: 90}, UploadedBytes: 5, CPUSeconds: 1.25}}, nil
}

func (s *store) FFmpegRuns(ctx context.Context, keyID, id string) ([]job.FFmpegRun, error) {
	if _, err := s.GetJob(ctx, keyID, id); err != nil {
		return nil, err
	}
	if id != finishedID {
		return nil, nil
	}
	when := at("2021-10-13T11:25:26Z")
	return []job.FFmpegRun{
		{Run: 1, Node: "a", Step: "encode-1", Kind: "encode", At: when, Took: 2 * time.Second, CPU: 3500 * time.Millisecond, Media: 5 * time.Second, Command: []string{"-i", "source.mp4"}, Said: "[warning] x"},
		{Run: 2, Task: 7, Node: "b", Step: "audio-1", Kind: "audio", At: when, Took: time.Second, Media: 5 * time.Second, Error: "run ffmpeg: exit status 1"},
	}, nil
}

func (s *store) Replay(ctx context.Context, keyID, id string, n int) (job.DeliveryLog, error) {
	all, err := s.Deliveries(ctx, keyID, id)
	if err != nil {
		return job.DeliveryLog{}, err
	}
	if n > len(all) {
		return job.DeliveryLog{}, job.ErrNotFound
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replayed = append(s.replayed, n)
	return all[n-1], nil
}

// last returns the newest submission.
func (s *store) last(t *testing.T) job.Submission {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.created) == 0 {
		t.Fatal("no job was created")
	}
	return s.created[len(s.created)-1]
}

func at(s string) time.Time {
	when, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return when
}

const (
	runningID  = "runningJob0001"
	finishedID = "e506Zp5izG63o1"
	failedID   = "gFvuAVKheVSqdp"
)

const probe = `{"streams":[{"index":0,"codec_type":"video","width":1280}],"format":{"duration":"15.045000"}}`

// finished is a job with an output of each kind. One has a key that is hard to write
// in a path.
func finished() job.State {
	s := job.NewState(finishedID, at("2021-10-13T11:25:26Z"), []job.OutputRequest{
		{Key: "mp4:::quality=4,maxrate=400k", Type: job.TypeVideo, Format: "mp4:::quality=4,maxrate=400k"},
		{Key: "a/b c", Type: job.TypeVideo, Format: "mp4:240p"},
		{Key: "jpg:300x", Type: job.TypeImage, Format: "jpg:300x"},
		{Key: "httpstream", Type: job.TypeStream, Format: "httpstream"},
	})
	events := []job.Event{
		{Kind: job.JobStartedEvent},
		{Kind: job.InputProbedEvent, Metadata: []byte(probe)},
		{Kind: job.InputTransferredEvent},
		{Kind: job.OutputCompletedEvent, Output: "mp4:::quality=4,maxrate=400k", Result: job.Result{
			URL: "https://example.com/a.mp4?x=1&y=2", Metadata: []byte(probe)}},
		{Kind: job.OutputCompletedEvent, Output: "a/b c", Result: job.Result{
			URL: "https://example.com/b.mp4", Metadata: []byte(probe)}},
		{Kind: job.OutputCompletedEvent, Output: "jpg:300x", Result: job.Result{
			URLs: []string{"https://example.com/1.jpg", "https://example.com/2.jpg"}}},
		{Kind: job.OutputCompletedEvent, Output: "httpstream", Result: job.Result{
			Streams:  []job.StreamURL{{Format: "hls", URL: "https://example.com/hls/master.m3u8"}, {Format: "dash", URL: "https://example.com/d/master.mpd"}},
			Metadata: []byte(`{"hls":` + probe + `,"dash":` + probe + `}`)}},
	}
	return applied(s, events)
}

// failed is a job whose input failed.
func failed() job.State {
	s := job.NewState(failedID, at("2021-08-31T07:57:06Z"), []job.OutputRequest{{Key: "mp4", Type: job.TypeVideo, Format: "mp4"}})
	return applied(s, []job.Event{{Kind: job.JobStartedEvent}, {Kind: job.InputFailedEvent, Error: "HTTP status code: 404"}})
}

// running is a job that a worker has just claimed.
func running() job.State {
	s := job.NewState(runningID, at("2021-08-31T07:57:06Z"), []job.OutputRequest{{Key: "mp4", Type: job.TypeVideo, Format: "mp4"}})
	return applied(s, []job.Event{{Kind: job.JobStartedEvent}})
}

func applied(s job.State, events []job.Event) job.State {
	for i, e := range events {
		e.At = s.CreatedAt.Add(time.Duration(i) * time.Second)
		if _, err := s.Apply(e); err != nil {
			panic(err)
		}
	}
	return s
}

// logs is a log that can be read concurrently with writes.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// world is a server whose answers are all checked against openapi.yaml.
type world struct {
	*httptest.Server
	store *store
	logs  *logs
}

func start(t *testing.T, change ...func(*api.Config)) *world {
	t.Helper()
	w := &world{logs: &logs{}, store: &store{
		jobs: map[string]job.State{}, owner: map[string]string{}, idem: map[string]string{},
		events: map[string][]job.RecordedEvent{}, watchers: map[chan struct{}]bool{},
	}}
	for _, s := range []job.State{finished(), failed(), running()} {
		w.store.jobs[s.ID], w.store.owner[s.ID] = s, "key-1"
	}
	c := api.Config{
		Jobs: w.store, Keys: w.store, Fleet: w.store, Operator: job.NewSecret(operatorToken), Metrics: prometheus.NewRegistry(),
		Region: "eu-west-1", Version: "1.2.3",
		Log: slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Storage: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "file %s", r.URL.Path)
		}),
		Uploads: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"url":"http://localhost/storage/%s"}`, r.PathValue("name"))
		}),
	}
	for _, f := range change {
		f(&c)
	}
	w.Server = httptest.NewServer(described(t, api.New(c)))
	t.Cleanup(w.Close)
	return w
}
