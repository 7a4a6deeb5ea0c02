package publish

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what is published. A nil *Metrics counts nothing.
type Metrics struct {
	uploaded prometheus.Counter
	waits    prometheus.Gauge
}

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		uploaded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "copra_worker_uploaded_bytes_total", Help: "Bytes of results handed to storage."}),
		waits: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "copra_worker_uploads_waiting", Help: "Uploads of finished results that wait for a storage that is away."}),
	}
	r.MustRegister(m.uploaded, m.waits)
	return m
}

func (m *Metrics) uploading(n int64) {
	if m != nil {
		m.uploaded.Add(float64(n))
	}
}

func (m *Metrics) waiting(n float64) {
	if m != nil {
		m.waits.Add(n)
	}
}
