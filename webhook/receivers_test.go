package webhook

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// pass lets time go by, on a clock that is not the machine's.
func pass(d time.Duration) { <-time.After(d) }

// enterNow enters without standing in line for longer than the clock stands still.
func enterNow(t *testing.T, r *receivers, host string) turn {
	t.Helper()
	turn, err := r.enter(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

// answers makes a delivery that takes so long.
func answers(t *testing.T, r *receivers, host string, took time.Duration, answered bool) {
	t.Helper()
	turn := enterNow(t, r, host)
	if turn.leave == nil {
		t.Fatalf("%s has no place: %+v", host, turn)
	}
	pass(took)
	turn.leave(answered)
}

// places counts how many may be under way to a host.
func places(t *testing.T, r *receivers, host string) int {
	t.Helper()
	var leave []func(bool)
	for {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nobody waits
		turn, _ := r.enter(ctx, host)
		if turn.leave == nil {
			break
		}
		leave = append(leave, turn.leave)
	}
	r.mu.Lock()
	n := r.hosts[host].places
	r.mu.Unlock()
	for _, f := range leave {
		f(true)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hosts[host].places = n
	return len(leave)
}

func TestReceiversEarnPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceivers(100)
		if n := places(t, r, "new"); n != firstPlaces {
			t.Errorf("an unknown host has %d places", n)
		}
		for range 20 {
			answers(t, r, "good", 50*time.Millisecond, true)
		}
		if n := places(t, r, "good"); n != mostPlaces {
			t.Errorf("a host that answers in time has %d places", n)
		}
		for range 20 {
			answers(t, r, "late", 3*time.Second, true)
		}
		if n := places(t, r, "late"); n != latePlaces {
			t.Errorf("a host that answers late has %d places", n)
		}
		answers(t, r, "good", webhookTime, false)
		if n := places(t, r, "good"); n != silentPlace {
			t.Errorf("a host that has fallen silent has %d places", n)
		}
		answers(t, r, "good", 0, true)
		if n := places(t, r, "good"); n != silentPlace+1 {
			t.Errorf("a host that is back has %d places", n)
		}
	})
}

// TestReceiversLine lets deliveries meet at a host that answers.
func TestReceiversLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceivers(100)
		const many = firstPlaces * (1 + linePerPlace)
		done := make(chan turn, many+1)
		for range many {
			go func() {
				turn, err := r.enter(t.Context(), "host")
				if err != nil {
					t.Error(err)
				}
				done <- turn
				if turn.leave != nil {
					pass(100 * time.Millisecond)
					turn.leave(true)
				}
			}()
		}
		synctest.Wait()
		if turn := enterNow(t, r, "host"); turn.leave != nil || turn.silent || turn.wait < leastWait || turn.wait > 2*leastWait {
			t.Errorf("behind the line: %+v", turn)
		}
		for range many {
			if turn := <-done; turn.leave == nil {
				t.Errorf("put off, from the line: %+v", turn)
			}
		}
		pass(time.Second)
		r.mu.Lock()
		defer r.mu.Unlock()
		if h := r.hosts["host"]; r.held != 0 || h.busy != 0 || len(h.line) != 0 {
			t.Errorf("left: %d held, %+v", r.held, h)
		}
	})
}

// TestReceiversSilent has a host that never answers turn away those in line,
// and all others come back one after the other.
func TestReceiversSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceivers(100)
		var under []turn
		for range firstPlaces {
			under = append(under, enterNow(t, r, "host"))
		}
		begun := time.Now()
		if turn := enterNow(t, r, "host"); turn.leave != nil || !turn.silent || time.Since(begun) != promptly {
			t.Errorf("in line: %+v after %s", turn, time.Since(begun))
		}
		pass(webhookTime - promptly)
		for _, u := range under {
			u.leave(false)
		}
		held := enterNow(t, r, "host")
		last := time.Duration(0)
		for range 100 {
			turn := enterNow(t, r, "host")
			if turn.leave != nil || !turn.silent || turn.wait < last || turn.wait > mostWait {
				t.Fatalf("%+v after %s", turn, last)
			}
			last = turn.wait
		}
		if last != mostWait {
			t.Errorf("the last comes back in %s", last)
		}
		held.leave(true) // it answers
		answers(t, r, "host", 0, true)
		if n := places(t, r, "host"); n < 2 {
			t.Errorf("%d places when it is back", n)
		}
	})
}

// TestReceiversKeepRoom fills a process with deliveries to hosts that do not
// answer: one that is known to answer has its places all the same.
func TestReceiversKeepRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceivers(100)
		answers(t, r, "good", 0, true)
		for i := range 200 {
			go func() { _, _ = r.enter(t.Context(), fmt.Sprint("silent-", i)) }()
		}
		synctest.Wait()
		r.mu.Lock()
		held := r.held
		r.mu.Unlock()
		if held != 75 {
			t.Errorf("%d deliveries are held", held)
		}
		if turn := enterNow(t, r, "good"); turn.leave == nil {
			t.Error("the good host has no place")
		}
	})
}

func TestReceiversStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceivers(100)
		for range firstPlaces {
			enterNow(t, r, "host")
		}
		stopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { cancel(stopped) })
		if _, err := r.enter(ctx, "host"); !errors.Is(err, stopped) {
			t.Errorf("%v", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.held != firstPlaces || len(r.hosts["host"].line) != 0 {
			t.Errorf("%d held", r.held)
		}
	})
}

// Hosts are the customers' to invent, so they are not remembered for ever.
func TestReceiversForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceivers(100)
		held := enterNow(t, r, "held")
		for i := range 3 * manyHosts {
			answers(t, r, fmt.Sprint(i), hostMemory/manyHosts, true)
		}
		held.leave(true)
		r.mu.Lock()
		defer r.mu.Unlock()
		if n := len(r.hosts); n > manyHosts+10 {
			t.Errorf("%d hosts are remembered", n)
		}
		if r.hosts["held"] == nil {
			t.Error("a host is forgotten with a delivery under way")
		}
	})
}
