package lease

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/copra-video/copra/job"
)

// beats is a database whose heartbeats fail while it is away, and which notes
// when it was asked to reap.
type beats struct {
	begin time.Time

	mu   sync.Mutex
	away bool
	due  bool
	// orderly: no node is dead.
	orderly bool
	beaten  []time.Duration // since begin
	reaps   []time.Duration // since begin
}

func (b *beats) goAway(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

func (b *beats) isDue(due bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.due = due
}

func (b *beats) looked() []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.reaps)
}

func (b *beats) Heartbeat(context.Context, string, time.Duration, []string) (job.Unattended, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return job.Unattended{}, errors.New("no connection")
	}
	b.beaten = append(b.beaten, time.Since(b.begin))
	return job.Unattended{Orphans: !b.orderly, Due: b.due}, nil
}

func (b *beats) Reap(context.Context, time.Duration) (job.Reaped, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reaps = append(b.reaps, time.Since(b.begin))
	return job.Reaped{}, nil
}

// While the database is away work goes on for half an hour. When it is back, no
// process counts as dead before all have had the time to renew their heartbeats.
func TestHeartbeatOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &beats{begin: time.Now()}
		const every, stale = 2 * time.Second, 10 * time.Second
		h := NewHeartbeat(HeartbeatConfig{Store: store, Every: every, Stale: stale, Log: slog.New(slog.DiscardHandler)})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { h.Run(ctx, nil); close(ended) }()
		work, done := h.Track(t.Context())
		defer done(nil)

		<-time.After(9 * time.Second)
		if looked := store.looked(); len(looked) != 5 {
			t.Fatalf("reaped after %s", looked)
		}
		store.goAway(true)
		<-time.After(10 * time.Minute)
		store.goAway(false)
		back := time.Since(store.begin)
		<-time.After(20 * time.Second)
		if work.Err() != nil {
			t.Errorf("an outage of ten minutes has ended the work: %v", context.Cause(work))
		}
		if at := store.looked()[5]; at < back+stale || at > back+stale+2*every {
			t.Errorf("reaped %s after the outage", at-back)
		}

		store.goAway(true)
		<-time.After(dbOutageLimit + 5*time.Second)
		if !errors.Is(context.Cause(work), errHeartbeatLost) {
			t.Errorf("after too long: %v", context.Cause(work))
		}
		stop()
		<-ended
	})
}

// A heartbeat tells of work that is due, and a process without work seldom looks for what else
// may be left behind.
func TestHeartbeatDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &beats{begin: time.Now(), orderly: true}
		var called []string
		h := NewHeartbeat(HeartbeatConfig{Store: store, Every: 2 * time.Second, IdleEvery: 4 * time.Second, Stale: 10 * time.Second,
			Due: func() { called = append(called, time.Since(store.begin).String()) }, Log: slog.New(slog.DiscardHandler)})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { h.Run(ctx, nil); close(ended) }()
		<-time.After(30 * time.Second)
		store.isDue(true)
		<-time.After(5 * time.Second)
		store.isDue(false)
		<-time.After(100 * time.Second)
		_, done := h.Track(t.Context())
		defer done(nil)
		<-time.After(25 * time.Second)
		stop()
		<-ended
		if want := []string{"32s"}; !slices.Equal(called, want) {
			t.Errorf("called of work after %s, want %s", called, want)
		}
		var reaps []string
		for _, at := range store.looked() {
			reaps = append(reaps, at.String())
		}
		if want := []string{"0s", "2m0s", "2m21s"}; !slices.Equal(reaps, want) {
			t.Errorf("reaped after %s, want %s", reaps, want)
		}
	})
}

// A process without work renews its heartbeat less often, and as usual from the moment on at
// which work begins.
func TestHeartbeatIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &beats{begin: time.Now()}
		h := NewHeartbeat(HeartbeatConfig{Store: store, Every: 2 * time.Second, IdleEvery: 5 * time.Second, Stale: 10 * time.Second, Log: slog.New(slog.DiscardHandler)})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { h.Run(ctx, nil); close(ended) }()
		<-time.After(9 * time.Second) // at 5 s it has renewed it
		_, done := h.Track(t.Context())
		<-time.After(3500 * time.Millisecond)
		done(nil)
		<-time.After(8 * time.Second)
		stop()
		<-ended
		var got []string
		for _, at := range store.beaten {
			got = append(got, at.String())
		}
		if want := []string{"0s", "5s", "9s", "11s", "13s", "18s"}; !slices.Equal(got, want) {
			t.Errorf("renewed after %s, want %s", got, want)
		}
	})
}
