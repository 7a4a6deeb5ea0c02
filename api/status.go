package api

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewStatus returns the handler of a process that serves no API, such as a
// worker: /healthz, /readyz and /metrics of the same form as those of New.
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
