package artifacts

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what becomes of artifacts. A nil *Metrics counts nothing.
type Metrics struct {
	parts *prometheus.CounterVec
}

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{parts: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "copra_artifacts_total", Help: "Parts of jobs and the artifact store, by what became of them."}, []string{"result"})}
	r.MustRegister(m.parts)
	return m
}

func (m *Metrics) part(result string) {
	if m != nil {
		m.parts.WithLabelValues(result).Inc()
	}
}
