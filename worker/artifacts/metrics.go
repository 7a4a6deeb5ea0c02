package artifacts

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what becomes of artifacts. A nil *Metrics counts nothing.
type Metrics struct {
	artifacts *prometheus.CounterVec
}

// result is what became of an artifact.
type result string

const (
	resultStored   result = "stored"
	resultRestored result = "restored"
	resultMissing  result = "missing" // so its step ran
	resultBroken   result = "broken"  // so its step ran
	resultError    result = "error"
)

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{artifacts: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "copra_artifacts_total", Help: "Artifacts of jobs: stored, restored, missing or broken (so made again), and errors of the store."}, []string{"result"})}
	r.MustRegister(m.artifacts)
	return m
}

func (m *Metrics) count(r result) {
	if m != nil {
		m.artifacts.WithLabelValues(string(r)).Inc()
	}
}
