package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// Metrics counts what workers do. A nil *Metrics counts nothing.
type Metrics struct {
	jobs      *prometheus.CounterVec
	jobTime   *prometheus.HistogramVec
	outputs   *prometheus.CounterVec
	encodes   *prometheus.CounterVec
	fallbacks *prometheus.CounterVec
	parts     *prometheus.CounterVec
	uploaded  prometheus.Counter
	requeued  prometheus.Counter
	waits     prometheus.Gauge
}

// NewMetrics registers a worker's metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "copra_worker_jobs_total", Help: "Jobs that a worker brought to their end, by status."}, []string{"status"}),
		jobTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "copra_worker_job_seconds", Help: "Time from a worker's taking a job to its end.",
			Buckets: prometheus.ExponentialBuckets(0.5, 2, 16)}, []string{"status"}),
		outputs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "copra_worker_outputs_total", Help: "Outputs that have ended, by type and stage."}, []string{"type", "stage"}),
		encodes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "copra_worker_encodes_total", Help: "Encoders started, by medium."}, []string{"medium"}),
		fallbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "copra_worker_fallbacks_total", Help: "Fast paths that were given up for slower ones, by path."}, []string{"path"}),
		parts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "copra_artifacts_total", Help: "Parts of jobs and the artifact store, by what became of them."}, []string{"result"}),
		uploaded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "copra_worker_uploaded_bytes_total", Help: "Bytes of results handed to storage."}),
		requeued: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "copra_worker_requeued_total", Help: "Pieces of work taken back from workers that died."}),
		waits: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "copra_worker_uploads_waiting", Help: "Uploads of finished results that wait for a storage that is away."}),
	}
	r.MustRegister(m.jobs, m.jobTime, m.outputs, m.encodes, m.fallbacks, m.parts, m.uploaded, m.requeued, m.waits)
	return m
}

func (m *Metrics) jobDone(s job.State, took time.Duration) {
	if m == nil {
		return
	}
	m.jobs.WithLabelValues(string(s.Status)).Inc()
	m.jobTime.WithLabelValues(string(s.Status)).Observe(took.Seconds())
	for _, o := range s.Outputs {
		m.outputs.WithLabelValues(string(o.Type), string(o.Stage)).Inc()
	}
}

// started counts the encoders of a step that runs.
func (m *Metrics) started(st transcode.Step) {
	if m != nil {
		m.encodes.WithLabelValues("video").Add(float64(st.VideoEncodes))
		m.encodes.WithLabelValues("audio").Add(float64(st.AudioEncodes))
	}
}

func (m *Metrics) part(result string) {
	if m != nil {
		m.parts.WithLabelValues(result).Inc()
	}
}

func (m *Metrics) fallback(path string) {
	if m != nil {
		m.fallbacks.WithLabelValues(path).Inc()
	}
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

func (m *Metrics) reaped(n int) {
	if m != nil {
		m.requeued.Add(float64(n))
	}
}
