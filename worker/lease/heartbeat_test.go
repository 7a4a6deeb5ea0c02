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

	mu    sync.Mutex
	away  bool
	reaps []time.Duration // since begin
}

func (b *beats) goAway(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

func (b *beats) looked() []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.reaps)
}

func (b *beats) Heartbeat(context.Context, string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return errors.New("no connection")
	}
	return nil
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
