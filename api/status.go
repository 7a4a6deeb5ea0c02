package api

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewStatus returns the handler of a process without the API, such as a worker. It
// has /healthz, /readyz and /metrics, as New has them.
func NewStatus(c Config) http.Handler {
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	s := &server{Config: c}
	r := chi.NewRouter()
	r.Get("/healthz", s.healthz)
	r.Get("/readyz", s.readyz)
	r.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}))
	return r
}
