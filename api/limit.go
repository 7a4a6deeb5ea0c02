package api

import (
	"net/http"
	"sync"

	"golang.org/x/time/rate"

	"github.com/copra-video/copra/job"
)

// limiter bounds the requests of each key. There are as many entries as keys
// that were used, since it comes behind authentication.
type limiter struct {
	perSecond float64

	mu   sync.Mutex
	keys map[string]*rate.Limiter
}

// allow takes one request from what the key may make. A second's worth may come
// at once, and always ten: clients that poll several jobs come in bursts.
func (l *limiter) allow(key string) bool {
	l.mu.Lock()
	k := l.keys[key]
	if k == nil {
		k = rate.NewLimiter(rate.Limit(l.perSecond), max(10, int(l.perSecond)))
		l.keys[key] = k
	}
	l.mu.Unlock()
	return k.Allow()
}

// limit refuses what a key asks too often.
func (s *server) limit(next http.Handler) http.Handler {
	if s.RateLimit <= 0 {
		return next
	}
	l := &limiter{perSecond: s.RateLimit, keys: map[string]*rate.Limiter{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !l.allow(keyID(r)) {
			s.fail(w, r, job.Errorf(job.TooManyRequests, "This API key makes more than %g requests a second; wait a moment.", s.RateLimit))
			return
		}
		next.ServeHTTP(w, r)
	})
}
