package measure

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/copra-video/copra/client"
)

// Sent is what came of requests.
type Sent struct {
	Latencies []time.Duration // of requests that were accepted
	IDs       []string        // of the jobs
	Codes     map[int]int     // the number of answers by HTTP status; 0: no answer
	Late      time.Duration   // by how much Send fell behind its schedule, at most
	Failed    error           // the first
}

// Send posts n jobs at a rate in requests a second, whether or not earlier ones were
// answered. A latency counts from the moment when the request was due, so a server that
// stalls cannot hide it by delaying the next request (coordinated omission).
func Send(ctx context.Context, srv *Server, r *client.JobRequest, rate float64, n int) Sent {
	var mu sync.Mutex
	var wg sync.WaitGroup
	s := Sent{Codes: map[int]int{}}
	body, err := json.Marshal(r)
	if err != nil {
		s.Failed = err
		return s
	}
	begin := time.Now().Add(50 * time.Millisecond)
	for i := range n {
		due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			s.Failed = ctx.Err()
			wg.Wait()
			return s
		}
		s.Late = max(s.Late, time.Since(due))
		wg.Go(func() {
			j, err := srv.API.CreateJobJSON(ctx, body, "")
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				code := 0
				if answer, ok := errors.AsType[*client.Error](err); ok {
					code = answer.StatusCode
				}
				s.Codes[code]++
				if s.Failed == nil {
					s.Failed = err
				}
				return
			}
			s.Codes[http.StatusCreated]++
			s.Latencies, s.IDs = append(s.Latencies, took), append(s.IDs, j.ID)
		})
	}
	wg.Wait()
	return s
}
