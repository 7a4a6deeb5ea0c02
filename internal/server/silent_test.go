package server

import (
	"fmt"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// silentHosts accept connections and never answer.
func silentHosts(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				t.Cleanup(func() { c.Close() })
			}
		}()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// TestSilentReceivers: many webhooks for many receivers that never answer do not
// delay those of a receiver that answers.
func TestSilentReceivers(t *testing.T) {
	const hosts, jobs, limit = 60, 12, time.Second
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
	for _, address := range silentHosts(t, hosts) {
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
	var worst time.Duration
	for i := range 10 {
		begun := time.Now()
		end(receiver.URL)
		eventually(t, fmt.Sprint("webhook ", i+1), func() bool { return len(h.all()) == i+1 })
		worst = max(worst, time.Since(begun))
	}
	t.Logf("with %d silent hosts a webhook took %s at most", hosts, worst.Round(time.Millisecond))
	if worst > limit {
		t.Errorf("a webhook took %s, more than %s", worst, limit)
	}
}
