package hostlimit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// timeLimit is how long a request to a silent host takes in these tests.
const timeLimit = 10 * time.Second

// advance moves the clock of the test.
func advance(d time.Duration) { <-time.After(d) }

// acquire returns a permit, or a deferral.
func acquire(t *testing.T, l *Limiter, host string) (*Permit, *Deferral) {
	t.Helper()
	p, err := l.Acquire(t.Context(), host)
	d, deferred := errors.AsType[*Deferral](err)
	if err != nil && !deferred {
		t.Fatal(err)
	}
	return p, d
}

func mustAcquire(t *testing.T, l *Limiter, host string) *Permit {
	t.Helper()
	p, d := acquire(t, l, host)
	if d != nil {
		t.Fatalf("request to %s: %v", host, d)
	}
	return p
}

func request(t *testing.T, l *Limiter, host string, took time.Duration, answered bool) {
	t.Helper()
	p := mustAcquire(t, l, host)
	advance(took)
	p.Release(answered)
}

// facts are the state of a host without its times.
type facts struct {
	limit        int
	slow, proven bool
}

func factsOf(l *Limiter, host string) facts {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.hosts[host]
	return facts{h.limit, h.slow, h.proven}
}

// TestStates has a row for each line of the event table in the package comment.
func TestStates(t *testing.T) {
	type ended struct {
		times    int
		took     time.Duration
		answered bool
	}
	const quick, late = 50 * time.Millisecond, 3 * time.Second
	for name, tt := range map[string]struct {
		requests []ended
		want     facts
	}{
		"new to prompt":          {[]ended{{1, quick, true}}, facts{initialLimit + 1, false, true}},
		"prompt, at the most":    {[]ended{{20, quick, true}}, facts{promptLimit, false, true}},
		"new to failing":         {[]ended{{20, quick, false}}, facts{promptLimit, false, false}},
		"failing to prompt":      {[]ended{{20, quick, false}, {1, quick, true}}, facts{promptLimit, false, true}},
		"a failure keeps proven": {[]ended{{1, quick, true}, {1, quick, false}}, facts{initialLimit + 2, false, true}},
		"new to late":            {[]ended{{1, late, true}}, facts{lateLimit, true, false}},
		"prompt to late":         {[]ended{{20, quick, true}, {1, late, true}}, facts{lateLimit, true, true}},
		"late, at the most":      {[]ended{{20, late, true}}, facts{lateLimit, true, false}},
		"late to prompt":         {[]ended{{20, late, true}, {1, quick, true}}, facts{lateLimit + 1, false, true}},
		"new to silent":          {[]ended{{1, timeLimit, false}}, facts{silentLimit, true, false}},
		"prompt to silent":       {[]ended{{20, quick, true}, {1, timeLimit, false}}, facts{silentLimit, true, false}},
		"silent to late":         {[]ended{{1, timeLimit, false}, {1, late, true}}, facts{silentLimit + 1, true, false}},
		"silent to prompt":       {[]ended{{1, timeLimit, false}, {1, quick, true}}, facts{silentLimit + 1, false, true}},
		"silent to failing":      {[]ended{{1, timeLimit, false}, {1, quick, false}}, facts{silentLimit + 1, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New(100)
				for _, r := range tt.requests {
					for range r.times {
						request(t, l, "host", r.took, r.answered)
					}
				}
				if got := factsOf(l, "host"); got != tt.want {
					t.Errorf("state %+v, want %+v", got, tt.want)
				}
			})
		})
	}
}

// TestLateInFlight looks at a host while its request is still under way.
func TestLateInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(100)
		for range 20 {
			request(t, l, "host", 0, true)
		}
		p := mustAcquire(t, l, "host")
		advance(ResponseTarget - 1)
		synctest.Wait()
		if got := factsOf(l, "host"); got != (facts{promptLimit, false, true}) {
			t.Errorf("before the target: %+v", got)
		}
		advance(1)
		synctest.Wait()
		if got := factsOf(l, "host"); got != (facts{lateLimit, true, true}) {
			t.Errorf("at the target: %+v", got)
		}
		p.Release(true)
	})
}

// TestLimitHolds counts the permits that a host gives at once.
func TestLimitHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(100)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel() // no request waits
		n := 0
		for ; ; n++ {
			if _, err := l.Acquire(cancelled, "host"); err != nil {
				break
			}
		}
		if n != initialLimit {
			t.Errorf("%d permits, want %d", n, initialLimit)
		}
	})
}

func TestWaitersGetPermits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(100)
		const many = initialLimit * (1 + waitersPerPermit)
		ended := make(chan error, many)
		for range many {
			go func() {
				p, err := l.Acquire(t.Context(), "host")
				ended <- err
				if err == nil {
					advance(100 * time.Millisecond)
					p.Release(true)
				}
			}()
		}
		synctest.Wait()
		_, d := acquire(t, l, "host")
		if d == nil || d.Unresponsive || d.Delay < minDeferral || d.Delay > 2*minDeferral {
			t.Errorf("behind a full queue: %+v", d)
		}
		for range many {
			if err := <-ended; err != nil {
				t.Errorf("a request in the queue: %v", err)
			}
		}
		advance(time.Second)
		l.mu.Lock()
		defer l.mu.Unlock()
		if h := l.hosts["host"]; l.used != 0 || h.inFlight != 0 || len(h.waiters) != 0 {
			t.Errorf("at the end: %d slots used, %+v", l.used, h)
		}
	})
}

// TestSilentHost checks that the requests that wait are deferred at the
// response target, and that later ones are spaced.
func TestSilentHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(100)
		var permits []*Permit
		for range initialLimit {
			permits = append(permits, mustAcquire(t, l, "host"))
		}
		start := time.Now()
		if _, d := acquire(t, l, "host"); d == nil || !d.Unresponsive || time.Since(start) != ResponseTarget {
			t.Errorf("waiting request: %+v after %s", d, time.Since(start))
		}
		advance(timeLimit - ResponseTarget)
		for _, p := range permits {
			p.Release(false)
		}
		probe := mustAcquire(t, l, "host")
		last := time.Duration(0)
		for range 100 {
			_, d := acquire(t, l, "host")
			if d == nil || !d.Unresponsive || d.Delay < last || d.Delay > maxDeferral {
				t.Fatalf("%+v after a delay of %s", d, last)
			}
			last = d.Delay
		}
		if last != maxDeferral {
			t.Errorf("the longest delay is %s", last)
		}
		probe.Release(true)
		request(t, l, "host", 0, true)
		if got := factsOf(l, "host"); got.slow || got.limit < 2 {
			t.Errorf("after an answer: %+v", got)
		}
	})
}

// TestWaitTimeout queues behind requests that never end.
func TestWaitTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(100)
		p := mustAcquire(t, l, "host")
		p.Release(true)
		h := l.hosts["host"]
		h.inFlight = h.limit // as if the requests had started, without a clock of their own
		start := time.Now()
		_, d := acquire(t, l, "host")
		if d == nil || d.Unresponsive || time.Since(start) != waitTime {
			t.Errorf("%+v after %s", d, time.Since(start))
		}
		if l.used != 0 || len(h.waiters) != 0 {
			t.Errorf("%d slots used, %d waiters", l.used, len(h.waiters))
		}
	})
}

// TestProvenHostsKeepSlots fills a process with requests to silent hosts.
func TestProvenHostsKeepSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(100)
		request(t, l, "good", 0, true)
		for i := range 200 {
			go func() { _, _ = l.Acquire(t.Context(), fmt.Sprint("silent-", i)) }()
		}
		synctest.Wait()
		l.mu.Lock()
		used := l.used
		l.mu.Unlock()
		if used != 75 {
			t.Errorf("%d slots are used", used)
		}
		if _, d := acquire(t, l, "good"); d != nil {
			t.Errorf("the proven host: %v", d)
		}
	})
}

func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(100)
		for range initialLimit {
			mustAcquire(t, l, "host")
		}
		stopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { cancel(stopped) })
		if _, err := l.Acquire(ctx, "host"); !errors.Is(err, stopped) {
			t.Errorf("%v", err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.used != initialLimit || len(l.hosts["host"].waiters) != 0 {
			t.Errorf("%d slots used", l.used)
		}
	})
}

func TestHostsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(100)
		busy := mustAcquire(t, l, "busy")
		for i := range 3 * maxHosts {
			request(t, l, fmt.Sprint(i), hostTTL/maxHosts, true)
		}
		busy.Release(true)
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := len(l.hosts); n > maxHosts+10 {
			t.Errorf("%d hosts are remembered", n)
		}
		if l.hosts["busy"] == nil {
			t.Error("a host with a request in flight is forgotten")
		}
	})
}
