package lease

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/copra-video/copra/job"
)

// state is an error with an SQLSTATE, as PostgreSQL gives it.
type state string

func (s state) Error() string    { return "SQLSTATE " + string(s) }
func (s state) SQLState() string { return string(s) }

func TestRetryDB(t *testing.T) {
	away := errors.New("the connection was refused")
	starting := fmt.Errorf("record: %w", state("57P03"))
	odd := fmt.Errorf("record: %w", state("23505"))
	tests := []struct {
		name      string
		answers   []error // the last is repeated
		tries     int
		is        error
		atLeast   time.Duration
		notLonger time.Duration
	}{
		{name: "at once", answers: []error{nil}, tries: 1},
		{name: "a restart", answers: []error{away, away, away, nil}, tries: 4, atLeast: 500 * time.Millisecond, notLonger: time.Second},
		{name: "starting", answers: []error{starting, starting, starting, starting, starting, starting, starting, starting, starting, nil}, tries: 10, atLeast: 10 * time.Second, notLonger: 20 * time.Second},
		{name: "away for good", answers: []error{away}, is: ErrDatabase, atLeast: dbOutageLimit, notLonger: dbOutageLimit + 5*time.Second},
		{name: "refused", answers: []error{odd}, is: ErrDatabase, atLeast: dbErrorLimit, notLonger: 20 * time.Second},
		{name: "lost", answers: []error{away, job.ErrLeaseLost}, tries: 2, is: job.ErrLeaseLost, notLonger: time.Second},
		{name: "hopeless", answers: []error{job.Permanent(away)}, tries: 1, is: away},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, begin := 0, time.Now()
				err := retryDB(t.Context(), func(context.Context) error {
					tries++
					return tt.answers[min(tries, len(tt.answers))-1]
				})
				if took := time.Since(begin); tt.tries != 0 && tries != tt.tries || !errors.Is(err, tt.is) || took < tt.atLeast || took > tt.notLonger {
					t.Errorf("%d tries, %s, %v", tries, took, err)
				}
			})
		})
	}

	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { stop(errHeartbeatLost) })
		begin := time.Now()
		if err := retryDB(ctx, func(context.Context) error { return away }); !errors.Is(err, errHeartbeatLost) || time.Since(begin) != time.Second {
			t.Errorf("after the end of its work: %v, %s", err, time.Since(begin))
		}
	})

	// A connection that died without a sign is given up, and another one tried.
	synctest.Test(t, func(t *testing.T) {
		tries, begin := 0, time.Now()
		err := retryDB(t.Context(), func(ctx context.Context) error {
			if tries++; tries > 1 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		if err != nil || time.Since(begin) > attemptTimeout+time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
}
