package execute

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/copra-video/copra/transcode"
)

// Metrics counts what steps do. A nil *Metrics counts nothing.
type Metrics struct {
	encodes *prometheus.CounterVec
}

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{encodes: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "copra_worker_encodes_total", Help: "Encoders started, by medium."}, []string{"medium"})}
	r.MustRegister(m.encodes)
	return m
}

// started counts the encoders of a step.
func (m *Metrics) started(st transcode.Step) {
	if m != nil {
		m.encodes.WithLabelValues("video").Add(float64(st.VideoEncodes))
		m.encodes.WithLabelValues("audio").Add(float64(st.AudioEncodes))
	}
}
