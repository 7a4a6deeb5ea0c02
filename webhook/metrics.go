package webhook

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/copra-video/copra/job"
)

// Metrics counts attempts. A nil *Metrics counts nothing.
type Metrics struct {
	attempts *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "copra_worker_webhook_attempts_total", Help: "Attempts to deliver webhooks, by event and outcome."}, []string{"event", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "copra_worker_webhook_seconds", Help: "Time of attempts to deliver webhooks, by what came: an answer of 2xx, another answer, or none.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"answer"})}
	r.MustRegister(m.attempts, m.duration)
	return m
}

func (m *Metrics) attempted(k job.EventKind, a job.DeliveryAttempt, ok bool) {
	if m == nil {
		return
	}
	outcome, answer := "failed", "other"
	switch {
	case ok:
		outcome, answer = "delivered", "2xx"
	case a.Status == 0:
		answer = "none"
	}
	m.attempts.WithLabelValues(string(k), outcome).Inc()
	m.duration.WithLabelValues(answer).Observe(a.Duration.Seconds())
}
