package measure

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Sent is what came of requests.
type Sent struct {
	Latencies []time.Duration // of those that were accepted
	IDs       []string
	Codes     map[int]int // answers by status; 0: none
	Late      time.Duration
	Failed    error // the first
}

// Send posts n jobs at a rate that is the clock's, not that of the answers. A
// latency counts from the moment when the request was due: a server that stalls
// cannot hide it by keeping us from asking. Late is how far we ourselves fell
// behind the clock, at most.
func Send(ctx context.Context, srv *Server, body []byte, rate float64, n int) Sent {
	var mu sync.Mutex
	var wg sync.WaitGroup
	s := Sent{Codes: map[int]int{}}
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
			var j JobState
			err := srv.Do(ctx, http.MethodPost, "/v2/jobs", bytes.NewReader(body), http.StatusCreated, &j)
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				var answer *StatusError
				errors.As(err, &answer)
				s.Codes[answer.code()]++
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
