package webhook

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/copra-video/copra/job"
)

// Metrics counts attempts. A nil *Metrics counts nothing.
type Metrics struct {
	attempts *prometheus.CounterVec
}

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "copra_worker_webhook_attempts_total", Help: "Attempts to deliver webhooks, by event and outcome."}, []string{"event", "outcome"})}
	r.MustRegister(m.attempts)
	return m
}

func (m *Metrics) attempted(k job.EventKind, ok bool) {
	if m == nil {
		return
	}
	outcome := "failed"
	if ok {
		outcome = "delivered"
	}
	m.attempts.WithLabelValues(string(k), outcome).Inc()
}
