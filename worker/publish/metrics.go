package publish

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/copra-video/copra/job"
)

// Metrics counts what is published. A nil *Metrics counts nothing.
type Metrics struct {
	uploaded prometheus.Counter
	waits    prometheus.Gauge
	puts     *prometheus.HistogramVec
}

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		uploaded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "copra_worker_uploaded_bytes_total", Help: "Bytes of results handed to storage."}),
		waits: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "copra_worker_uploads_waiting", Help: "Uploads of finished results that wait for a storage that is away."}),
	}
	m.puts = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "copra_worker_upload_seconds", Help: "Time to store one file of a result, retries included, by storage service and result: ok, refused, away (after all retries) or stopped.",
		Buckets: prometheus.ExponentialBuckets(0.01, 2.5, 12)}, []string{"service", "result"})
	r.MustRegister(m.uploaded, m.waits, m.puts)
	return m
}

func (m *Metrics) uploading(n int64) {
	if m != nil {
		m.uploaded.Add(float64(n))
	}
}

// put counts a file that was stored, or was not.
func (m *Metrics) put(service string, took time.Duration, err error) {
	if m == nil {
		return
	}
	result := "ok"
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, job.ErrLeaseLost):
		result = "stopped"
	case err != nil && job.IsPermanent(err):
		result = "refused"
	case err != nil:
		result = "away"
	}
	m.puts.WithLabelValues(service, result).Observe(took.Seconds())
}

func (m *Metrics) waiting(n float64) {
	if m != nil {
		m.waits.Add(n)
	}
}
