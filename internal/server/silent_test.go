package server

import (
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
)

// silentHost accepts connections and never answers.
type silentHost struct {
	address string

	mu         sync.Mutex
	open, most int // connections
}

func newSilentHost(t *testing.T) *silentHost {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	h := &silentHost{address: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.count(1)
			go func() {
				_, _ = io.Copy(io.Discard, c) // until the sender gives up
				h.count(-1)
				c.Close()
			}()
		}
	}()
	return h
}

func (h *silentHost) count(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open += n
	h.most = max(h.most, h.open)
}

// TestSilentReceivers: many webhooks for many receivers that never answer leave
// slots for those of a receiver that answers. How late these are is measured by
// make load.
func TestSilentReceivers(t *testing.T) {
	const hosts, jobs, atOnce = 60, 12, 2
	h := &hook{}
	receiver := httptest.NewServer(h)
	defer receiver.Close()
	s := startServer(t)
	input := unanswered(t) // a probe that failed before DELETE would make it a 409
	end := func(url string) {
		id := s.create(jobFor(input, url))
		if status, answer := s.do("DELETE", "/jobs/"+id, ""); status != 200 {
			t.Errorf("DELETE: %d %s", status, answer)
		}
	}
	var wg sync.WaitGroup
	gate := make(chan struct{}, 8)
	silent := make([]*silentHost, hosts)
	for i := range silent {
		silent[i] = newSilentHost(t)
		address := silent[i].address
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			for range jobs {
				end("http://" + address + "/hook")
			}
		})
	}
	wg.Wait()
	s.startWorker()
	eventually(t, "the first deliveries to the silent ones", func() bool {
		var n int
		err := s.srv.store.Pool().QueryRow(t.Context(), `SELECT count(*) FROM river_job WHERE kind = 'notify' AND attempt > 0`).Scan(&n)
		return err == nil && n >= hosts
	})
	for i := range 10 {
		end(receiver.URL)
		eventually(t, fmt.Sprint("webhook ", i+1), func() bool { return len(h.all()) == i+1 })
	}
	for _, h := range silent {
		h.mu.Lock()
		if h.most > atOnce || h.most == 0 {
			t.Errorf("%d connections at once to a silent host, want 1 to %d", h.most, atOnce)
		}
		h.mu.Unlock()
	}
}
