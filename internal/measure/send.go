package measure

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"time"
)

// Send sends n requests on schedule and returns the latencies and ids of those
// that were accepted, and the first error.
func Send(ctx context.Context, srv *Server, body []byte, rate, n int) (latencies []time.Duration, ids []string, failed error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := time.Now().Add(50 * time.Millisecond)
	for i := range n {
		due := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		wg.Go(func() {
			var j JobState
			err := srv.Do(ctx, http.MethodPost, "/v2/jobs", bytes.NewReader(body), http.StatusCreated, &j)
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				if failed == nil {
					failed = err
				}
				return
			}
			latencies, ids = append(latencies, took), append(ids, j.ID)
		})
	}
	wg.Wait()
	return latencies, ids, failed
}
