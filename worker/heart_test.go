package worker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// beats is a store whose heartbeats fail while it is away, and which counts how
// often others' work is looked for.
type beats struct {
	Store
	away  bool
	reaps []time.Duration // since begin
	begin time.Time
}

func (b *beats) Heartbeat(context.Context, string) error {
	if b.away {
		return errors.New("no connection")
	}
	return nil
}

func (b *beats) Reap(context.Context, time.Duration) (int, error) {
	b.reaps = append(b.reaps, time.Since(b.begin))
	return 0, nil
}

// While the database is away work goes on, for half an hour; when it is back,
// nobody is taken for dead before all have had the time to say that they live.
func TestBeatOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &beats{begin: time.Now()}
		w := New(Config{Store: store, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.Beat(ctx, nil); close(ended) }()
		work, done := w.heart.work(t.Context())
		defer done(nil)

		<-time.After(9 * time.Second)
		if len(store.reaps) != 5 {
			t.Fatalf("looked for work of the dead after %s", store.reaps)
		}
		store.away = true
		<-time.After(10 * time.Minute)
		store.away = false
		back := time.Since(store.begin)
		<-time.After(20 * time.Second)
		if work.Err() != nil {
			t.Errorf("an outage of ten minutes has ended the work: %v", context.Cause(work))
		}
		if at := store.reaps[5]; at < back+w.Stale || at > back+w.Stale+2*w.Heartbeat {
			t.Errorf("looked for work of the dead %s after the outage", at-back)
		}

		store.away = true
		<-time.After(databasePatience + 5*time.Second)
		if !errors.Is(context.Cause(work), errSilent) {
			t.Errorf("after too long: %v", context.Cause(work))
		}
		stop()
		<-ended
	})
}
