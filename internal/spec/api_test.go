package spec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/api"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/local"
)

const (
	jobID  = "vdq1fShawHzyz3"
	apiKey = "k-0123456789abcdef0123456789abcdef"
)

// accepted is when jobs are.
var accepted = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

// exchange is a call of the API.
type exchange struct {
	method, path string
	body         string
	header       map[string]string
	stranger     bool        // without an API key
	often        int         // how often the same call is made before
	before       string      // with this body; "": the same
	events       []job.Event // what has happened to the job
	disk         int64       // free bytes of the built-in storage; 0: enough
	largest      int64       // bytes of an upload; 0: any
	rate         float64     // requests a second that the key may make; 0: any
	jobs         int         // jobs that the key may have; 0: any
	shows        []string    // headers of the answer to write down
}

// server is the API over a store in memory.
type server struct {
	handler http.Handler
	jobs    map[string]job.State
	created []job.Submission
	events  []job.RecordedEvent
	limit   int
}

// operatorKey sees the workers.
const operatorKey = "operator-0123456789"

// Nodes implements api.Fleet.
func (s *server) Nodes(context.Context, time.Duration) ([]job.Node, error) {
	return []job.Node{{ID: "node-1", Version: "1.0", Slots: 2, Alive: true, Running: 1, StartedAt: accepted, SeenAt: accepted}}, nil
}

func newAPI(w *world) *server {
	s := &server{jobs: map[string]job.State{}}
	s.handler = api.New(api.Config{Jobs: s, Keys: s, Fleet: s, ContentKeys: fixedKeys{}, CheckStorage: s.checkStorage, Operator: job.NewSecret(operatorKey), Storage: w.local, Uploads: w.local.UploadHandler(), Version: "test", Region: "test-1", Log: slog.New(slog.DiscardHandler)})
	return s
}

// checkStorage says that a storage takes results.
func (s *server) checkStorage(context.Context, *job.Storage) (job.StorageCheck, error) {
	return job.StorageCheck{OK: true, Message: "The storage takes results.", Object: "copra-check.txt", Steps: []job.StorageStep{{Name: job.StorageWrite, Result: job.StepDone}}}, nil
}

// fixedKeys are one key and a token.
type fixedKeys struct{}

func (fixedKeys) Find(string, []byte) ([]byte, bool) { return []byte("0123456789abcdef"), true }

func (fixedKeys) Token(string, time.Duration) (string, time.Time) { return "token", time.Unix(1e9, 0) }

func (fixedKeys) Allowed(_, token string) bool { return token == "token" }

func (fixedKeys) LicenseURL(id string) string { return "https://copra.example.com/v2/keys/" + id }

// do makes a call and writes the answer down.
func (s *server) do(t *testing.T, e exchange) (lines []string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), e.method, "/", strings.NewReader(e.body))
	target, query, _ := strings.Cut(e.path, "?")
	decoded, err := url.PathUnescape(target)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = decoded, target, query
	if !e.stranger {
		r.Header.Set("Authorization", basic(apiKey))
	}
	for name, v := range e.header {
		r.Header.Set(name, v)
		if name == "Host" {
			r.Host = v
		}
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	answer := w.Result()
	lines = append(lines, fmt.Sprintf("answer: %d", answer.StatusCode))
	for _, name := range append([]string{"Content-Type"}, e.shows...) {
		if v := answer.Header.Get(name); v != "" {
			lines = append(lines, fmt.Sprintf("answer: %s: %s", name, v))
		}
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case len(body) == 0:
		lines = append(lines, "answer: no body")
	case strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json"):
		for _, l := range flatten(body) {
			lines = append(lines, "answer: "+l)
		}
	default:
		for l := range strings.Lines(strings.TrimSpace(string(body))) {
			lines = append(lines, "answer: "+strings.TrimSpace(l))
		}
	}
	return lines
}

// exchange makes a call to a new server with one job.
func (w *world) exchange(t *testing.T, e exchange) []string {
	t.Helper()
	if e.disk+e.largest > 0 {
		o := local.Options{Dir: t.TempDir(), PublicURL: "https://copra.example.com", MaxUpload: e.largest}
		if e.disk > 0 {
			o.Free = func(string) (int64, error) { return e.disk, nil }
		}
		small, err := local.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer small.Close()
		w = &world{local: small}
	}
	s := newAPI(w)
	s.limit = e.jobs
	if e.rate > 0 {
		s.handler = api.New(api.Config{Jobs: s, Keys: s, RateLimit: e.rate})
	}
	s.jobs[jobID] = s.story(t, e.events)
	for range e.often {
		first := e
		if e.before != "" {
			first.body = e.before
		}
		s.do(t, first)
	}
	return s.do(t, e)
}

// story is a job with an output of each type, to which events have happened.
func (s *server) story(t *testing.T, events []job.Event) job.State {
	t.Helper()
	state := job.NewState(jobID, accepted, []job.OutputRequest{
		{Key: "mp4:720p", Type: job.TypeVideo, Format: "mp4:720p"},
		{Key: "jpg:300x", Type: job.TypeImage, Format: "jpg:300x"},
		{Key: "httpstream", Type: job.TypeStream, Format: "httpstream"},
	})
	for i, e := range events {
		e.At = accepted.Add(time.Duration(i+1) * time.Second)
		happened, err := state.Apply(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range happened {
			s.events = append(s.events, job.RecordedEvent{N: len(s.events) + 1, Event: h})
		}
	}
	return state
}

// Authenticate implements api.Keys.
func (s *server) Authenticate(_ context.Context, token string) (job.Key, error) {
	if token != apiKey {
		return job.Key{}, job.ErrNotFound
	}
	return job.Key{ID: "key-1"}, nil
}

// CreateJob implements api.Jobs.
func (s *server) CreateJob(_ context.Context, n job.Submission) (job.State, error) {
	if s.limit > 0 && len(s.created) >= s.limit {
		return job.State{}, job.Errorf(job.TooManyJobs, "The key has %d jobs, which is its limit.", s.limit)
	}
	for _, c := range s.created {
		if n.IdempotencyKey != "" && c.IdempotencyKey == n.IdempotencyKey {
			if string(c.Request) != string(n.Request) {
				return job.State{}, job.NewError(job.IdempotencyKeyReused)
			}
			return s.jobs[jobID], nil
		}
	}
	s.created = append(s.created, n)
	id := jobID
	if len(s.created) > 1 {
		id = fmt.Sprintf("job%011d", len(s.created))
	}
	st := job.NewState(id, accepted, n.Spec.Outputs)
	st.Metadata = n.Spec.Metadata
	s.jobs[id] = st
	return st, nil
}

// GetJob implements api.Jobs.
func (s *server) GetJob(_ context.Context, _, id string) (job.State, error) {
	if st, ok := s.jobs[id]; ok {
		return st, nil
	}
	return job.State{}, job.ErrNotFound
}

// ListJobs implements api.Jobs.
func (s *server) ListJobs(_ context.Context, _ string, l job.ListQuery) ([]job.State, string, error) {
	if l.Cursor == "of nobody" {
		return nil, "", job.Errorf(job.CursorNotValid, "The cursor is not valid.")
	}
	var list []job.State
	for _, st := range s.jobs {
		if l.Status == "" || st.Status == l.Status {
			list = append(list, st)
		}
	}
	return list, fmt.Sprintf("behind %d jobs from %q", l.Limit, l.Cursor), nil
}

// CancelJob implements api.Jobs.
func (s *server) CancelJob(_ context.Context, _, id string) (job.State, error) {
	return s.change(id, job.JobCancelledEvent, job.NewError(job.JobFinished))
}

// RetryJob implements api.Jobs.
func (s *server) RetryJob(_ context.Context, _, id string) (job.State, error) {
	refused := job.NewError(job.NothingToRetry)
	if st := s.jobs[id]; !st.Finished() {
		refused = job.NewError(job.JobNotFinished)
	}
	return s.change(id, job.JobRetriedEvent, refused)
}

func (s *server) change(id string, kind job.EventKind, refused error) (job.State, error) {
	st, ok := s.jobs[id]
	if !ok {
		return st, job.ErrNotFound
	}
	happened, err := st.Apply(job.Event{Kind: kind, At: accepted.Add(time.Hour)})
	if err == nil && len(happened) == 0 {
		err = refused
	}
	s.jobs[id] = st
	return st, err
}

// History implements api.Jobs.
func (s *server) History(_ context.Context, _, id string, after int) (job.History, error) {
	st, ok := s.jobs[id]
	if !ok {
		return job.History{}, job.ErrNotFound
	}
	return job.History{State: st, Events: s.events[min(after, len(s.events)):]}, nil
}

// Watch implements api.Jobs.
func (s *server) Watch(string) (<-chan struct{}, func()) { return nil, func() {} }

// ListDeliveries implements api.Jobs.
func (s *server) ListDeliveries(ctx context.Context, key string, q job.DeliveryQuery) ([]job.ListedDelivery, string, error) {
	all, err := s.Deliveries(ctx, key, jobID)
	var list []job.ListedDelivery
	for _, d := range all {
		l := job.ListedDelivery{JobID: jobID, DeliveryLog: d}
		if q.Bodies {
			l.Body = []byte(`{"event":"job.completed"}`)
		}
		list = append(list, l)
	}
	return list, "", err
}

// Deliveries implements api.Jobs.
func (s *server) Deliveries(context.Context, string, string) ([]job.DeliveryLog, error) {
	return []job.DeliveryLog{{
		N: 1, Event: job.JobCompletedEvent, State: job.DeliveryDelivered, CreatedAt: accepted, DeliveredAt: accepted.Add(time.Second),
		Attempts: []job.DeliveryAttempt{{At: accepted, Status: 204, Duration: time.Millisecond}},
	}}, nil
}

// Usage implements api.Jobs.
func (s *server) Usage(context.Context, string, time.Time, time.Time) ([]job.Usage, error) {
	return nil, nil
}

// FFmpegRuns implements api.Jobs.
func (s *server) FFmpegRuns(context.Context, string, string) ([]job.FFmpegRun, error) {
	return nil, nil
}

// Replay implements api.Jobs.
func (s *server) Replay(ctx context.Context, key, id string, n int) (job.DeliveryLog, error) {
	all, err := s.Deliveries(ctx, key, id)
	if n > len(all) {
		return job.DeliveryLog{}, job.ErrNotFound
	}
	return all[n-1], err
}

// codeOf is the error code of err.
func codeOf(err error) string {
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e.Reason.Code()
	}
	return "(no code)"
}
