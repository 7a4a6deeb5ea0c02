package retry

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestDo(t *testing.T) {
	failed, final, stopped := errors.New("failed"), errors.New("final"), errors.New("stopped")
	waits := []time.Duration{time.Second, 2 * time.Second, 5 * time.Second}
	tests := []struct {
		name   string
		policy Policy
		// attempts are the results of the calls; the last one is repeated.
		attempts []error
		stop     time.Duration // when ctx ends; 0: never
		want     error
		tries    int
		took     time.Duration
	}{
		{name: "success", policy: Policy{Waits: waits}, attempts: []error{nil}, tries: 1},
		{name: "success at last", policy: Policy{Waits: waits}, attempts: []error{failed, failed, failed, failed, nil}, tries: 5, took: 13 * time.Second},
		{name: "tries", policy: Policy{Tries: 3, Waits: waits}, attempts: []error{failed}, want: failed, tries: 3, took: 3 * time.Second},
		{name: "one try", policy: Policy{Tries: 1, Waits: waits}, attempts: []error{failed}, want: failed, tries: 1},
		{name: "limit shortens the last wait", policy: Policy{Limit: 6 * time.Second, Waits: waits}, attempts: []error{failed}, want: failed, tries: 4, took: 6 * time.Second},
		{name: "not retryable", policy: Policy{Waits: waits}, attempts: []error{failed, final}, want: final, tries: 2, took: time.Second},
		{name: "not retryable on the last try", policy: Policy{Tries: 2, Waits: waits}, attempts: []error{failed, final}, want: final, tries: 2, took: time.Second},
		{name: "ctx ends in a wait", policy: Policy{Waits: waits}, attempts: []error{failed}, stop: 2500 * time.Millisecond, want: stopped, tries: 2, took: 2500 * time.Millisecond},
		{name: "no waits", policy: Policy{Tries: 4}, attempts: []error{failed}, want: failed, tries: 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if tt.stop > 0 {
					time.AfterFunc(tt.stop, func() { cancel(stopped) })
				}
				tries, told, begin := 0, 0, time.Now()
				tt.policy.Retryable = func(err error) bool { return !errors.Is(err, final) }
				tt.policy.OnRetry = func(failures int, err error, wait time.Duration) {
					if told++; failures != told || !errors.Is(err, failed) || wait > tt.policy.Delay(failures) {
						t.Errorf("OnRetry(%d, %v, %v) on call %d", failures, err, wait, told)
					}
				}
				err := tt.policy.Do(ctx, func(context.Context) error {
					tries++
					return tt.attempts[min(tries, len(tt.attempts))-1]
				})
				if err != tt.want || tries != tt.tries || time.Since(begin) != tt.took { //nolint:errorlint // the error itself, not a wrapper
					t.Errorf("%v after %d tries and %v; want %v, %d, %v", err, tries, time.Since(begin), tt.want, tt.tries, tt.took)
				}
			})
		})
	}
}

// A failure that only reports the end of the context gives the cause instead.
func TestDoCause(t *testing.T) {
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	never := func(error) bool { return false }
	err := Policy{Retryable: never}.Do(ctx, func(ctx context.Context) error {
		cancel(stopped)
		return ctx.Err()
	})
	if err != stopped { //nolint:errorlint // the error itself, not a wrapper
		t.Errorf("error %v, want %v", err, stopped)
	}
}

func TestDelay(t *testing.T) {
	exact := Policy{Waits: Doubling(500*time.Millisecond, 6*time.Second)}
	if want := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 6 * time.Second}; !slices.Equal(exact.Waits, want) {
		t.Errorf("Doubling: %v, want %v", exact.Waits, want)
	}
	for failures, want := range map[int]time.Duration{0: 500 * time.Millisecond, 1: 500 * time.Millisecond, 5: 6 * time.Second, 99: 6 * time.Second} {
		if got := exact.Delay(failures); got != want {
			t.Errorf("wait after %d failures: %v, want %v", failures, got, want)
		}
	}
	jittered := exact
	jittered.Jitter = 0.125
	seen := map[time.Duration]bool{}
	for range 100 {
		d := jittered.Delay(1)
		seen[d] = true
		if d < 500*time.Millisecond || d >= 562500*time.Microsecond {
			t.Fatalf("wait with jitter: %v", d)
		}
	}
	if len(seen) < 2 {
		t.Error("the jitter is always the same")
	}
}
