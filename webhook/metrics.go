package webhook

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/copra-video/copra/job"
)

// Metrics counts deliveries. A nil *Metrics counts nothing.
type Metrics struct {
	deliveries *prometheus.CounterVec
}

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "copra_worker_webhook_attempts_total", Help: "Tries to deliver webhooks, by event and outcome."}, []string{"event", "outcome"})}
	r.MustRegister(m.deliveries)
	return m
}

func (m *Metrics) delivered(k job.EventKind, ok bool) {
	if m == nil {
		return
	}
	outcome := "failed"
	if ok {
		outcome = "delivered"
	}
	m.deliveries.WithLabelValues(string(k), outcome).Inc()
}
