package console

import (
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxTries is how many wrong keys may come from an address within triesPeriod.
	maxTries    = 10
	triesPeriod = time.Minute
	// maxAddresses bounds the memory. Addresses beyond it share one count.
	maxAddresses = 10000
)

// tries counts wrong keys by address. An address may be that of a proxy with many
// people behind it; they share its count.
type tries struct {
	mu     sync.Mutex
	counts map[string]count
}

type count struct {
	n     int
	since time.Time
}

func newTries() *tries { return &tries{counts: map[string]count{}} }

// blocked returns how long an address has to wait, 0 when it need not.
func (t *tries) blocked(address string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts[t.slot(address)]
	if left := triesPeriod - now.Sub(c.since); c.n >= maxTries && left > 0 {
		return left
	}
	return 0
}

// failed counts a wrong key.
func (t *tries) failed(address string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.counts) >= maxAddresses {
		for a, c := range t.counts {
			if now.Sub(c.since) > triesPeriod {
				delete(t.counts, a)
			}
		}
	}
	slot := t.slot(address)
	c := t.counts[slot]
	if now.Sub(c.since) > triesPeriod {
		c = count{since: now}
	}
	c.n++
	t.counts[slot] = c
}

// slot returns the key of an address in counts.
func (t *tries) slot(address string) string {
	if _, known := t.counts[address]; !known && len(t.counts) >= maxAddresses {
		return ""
	}
	return address
}

// clientAddress returns the address of the other end of the connection. Headers such as
// X-Forwarded-For are ignored, because anybody can send them. Of an IPv6 address it returns
// the /64 network, since one customer of a provider has a whole one.
func clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip := net.ParseIP(host)
	if ip == nil || ip.To4() != nil {
		return host
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}
