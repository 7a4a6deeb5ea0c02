package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/copra-video/copra/job"
)

// holdEvery is how often a run asks whether it still has its job, and askTime
// bounds the wait for the answer: a connection may have died without a word.
const (
	holdEvery = time.Second
	askTime   = 5 * time.Second
)

// hold ends the run, by stop, once it has lost its job: that is how it learns
// of being cancelled or replaced when no word of that reaches it, as while it
// waits for a slow server. It gives a sign of life with each question. release
// ends the asking.
//
// While the database is away the answer stays out, and the run goes on: when
// nobody can ask, nobody can have taken the job, and when others can, all that
// is lost is the work of a machine. What a run may not do without a fresh answer
// is to publish, see mine.
func (r *run) hold(ctx context.Context, stop context.CancelCauseFunc) (release func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(holdEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// Any other trouble is the database's, and not for this to judge.
			if err := r.ask(ctx); errors.Is(err, job.ErrLeaseLost) {
				stop(err)
				return
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// ask asks whether the run still has its job.
func (r *run) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	asked := time.Now()
	err := r.w.Store.SetProgress(ctx, r.id, r.run, nil)
	if err == nil {
		r.held.Store(&asked)
	}
	return err
}

// mine fails unless the run had its job a moment ago. A process that was
// stopped for a while, or could not reach the database, may have lost it: what
// it publishes then would be over what its successor has published.
func (r *run) mine(ctx context.Context) error {
	if at := r.held.Load(); at != nil && time.Since(*at) < 2*holdEvery {
		return nil
	}
	return persist(ctx, r.ask)
}
