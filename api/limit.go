package api

import (
	"net/http"
	"sync"

	"golang.org/x/time/rate"

	"github.com/copra-video/copra/job"
)

// limiter limits the requests of each API key. Only valid keys reach it, so its map
// has an entry for each key that was used.
type limiter struct {
	perSecond float64

	mu   sync.Mutex
	keys map[string]*rate.Limiter
}

// allow reports whether the key may make a request now. A burst may be as large as
// the requests of a second, and at least ten: clients poll several jobs at once.
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

// limit refuses requests above the rate limit of their key.
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
