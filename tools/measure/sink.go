package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Sink receives webhooks. The server reports by them when a job has ended, so no polling
// disturbs what is measured.
type Sink struct {
	URL string
	srv *http.Server

	mu    sync.Mutex
	ended map[string]time.Time // by job
	waits map[string]chan struct{}
	seen  map[string]bool // deliveries, by their id
	twice int             // deliveries that came again
}

// NewSink starts a Sink on a free port.
func NewSink() (*Sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Sink{URL: "http://" + l.Addr().String() + "/",
		ended: map[string]time.Time{}, waits: map[string]chan struct{}{}, seen: map[string]bool{}}
	s.srv = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.srv.Serve(l) }()
	return s, nil
}

// Close stops the Sink.
func (s *Sink) Close() { _ = s.srv.Close() }

// ServeHTTP receives a webhook.
func (s *Sink) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	now := time.Now()
	var hook struct {
		JobID string `json:"job_id"`
		Event string `json:"event"`
	}
	if json.NewDecoder(r.Body).Decode(&hook) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Header.Get("Webhook-Id")
	if s.seen[id] {
		s.twice++
	}
	s.seen[id] = true
	if hook.Event != "job.completed" && hook.Event != "job.failed" {
		return
	}
	if _, again := s.ended[hook.JobID]; again {
		return
	}
	s.ended[hook.JobID] = now
	if c := s.waits[hook.JobID]; c != nil {
		close(c)
	}
}

// Wait waits for the webhook of a job's end, for at most 15 minutes, and returns when it
// came.
func (s *Sink) Wait(ctx context.Context, id string) (time.Time, error) {
	s.mu.Lock()
	at, done := s.ended[id]
	c := make(chan struct{})
	s.waits[id] = c
	s.mu.Unlock()
	if done {
		return at, nil
	}
	select {
	case <-c:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.ended[id], nil
	case <-ctx.Done():
		return at, ctx.Err()
	case <-time.After(15 * time.Minute):
		return at, fmt.Errorf("the job %s did not end within 15 minutes", id)
	}
}

// Ended returns how many of the jobs have ended.
func (s *Sink) Ended(ids []string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if _, ok := s.ended[id]; ok {
			n++
		}
	}
	return n
}

// Deliveries returns how many different webhooks came, and how often one came again.
func (s *Sink) Deliveries() (different, twice int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen), s.twice
}
