package worker

import (
	"net/url"
	"sync"
	"time"

	"github.com/copra-video/copra/job"
)

const (
	// perReceiver bounds the deliveries under way to one host, so that a slow
	// one cannot take all the places there are.
	perReceiver = 10
	// busyWait is after how long a delivery that found its receiver's places
	// taken looks again; it costs no try.
	busyWait = time.Second
)

// receivers counts the deliveries under way, by host.
type receivers struct {
	mu   sync.Mutex
	busy map[string]int
}

func newReceivers() *receivers { return &receivers{busy: map[string]int{}} }

// enter takes a place at the host of u, if one is free, until leave.
func (r *receivers) enter(u job.Secret) (leave func(), ok bool) {
	host := ""
	if p, err := url.Parse(u.Reveal()); err == nil {
		host = p.Host
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[host] >= perReceiver {
		return nil, false
	}
	r.busy[host]++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.busy[host]--; r.busy[host] == 0 {
			delete(r.busy, host)
		}
	}, true
}
