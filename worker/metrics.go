package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/worker/artifacts"
	"github.com/copra-video/copra/worker/execute"
	"github.com/copra-video/copra/worker/publish"
	"github.com/copra-video/copra/worker/tasks"
)

// Metrics counts what workers do. The zero value counts nothing.
type Metrics struct {
	jobs      *prometheus.CounterVec // nil: nothing is counted
	jobTime   *prometheus.HistogramVec
	outputs   *prometheus.CounterVec
	failures  *prometheus.CounterVec
	fallbacks *prometheus.CounterVec
	requeued  prometheus.Counter

	execute   *execute.Metrics
	artifacts *artifacts.Metrics
	publish   *publish.Metrics
	tasks     *tasks.Metrics
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
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "copra_worker_failures_total", Help: "Inputs and outputs that failed, by error code and whose fault it is."}, []string{"code", "fault"}),
		fallbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "copra_worker_fallbacks_total", Help: "Fast paths that were given up for slower ones, by path."}, []string{"path"}),
		requeued: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "copra_worker_requeued_total", Help: "Jobs requeued because their worker died."}),
		execute: execute.NewMetrics(r), artifacts: artifacts.NewMetrics(r), publish: publish.NewMetrics(r), tasks: tasks.NewMetrics(r),
	}
	r.MustRegister(m.jobs, m.jobTime, m.outputs, m.failures, m.fallbacks, m.requeued)
	return m
}

func (m *Metrics) jobDone(s job.State, took time.Duration) {
	if m.jobs == nil {
		return
	}
	m.jobs.WithLabelValues(string(s.Status)).Inc()
	m.jobTime.WithLabelValues(string(s.Status)).Observe(took.Seconds())
	for _, o := range s.Outputs {
		m.outputs.WithLabelValues(string(o.Type), string(o.Stage)).Inc()
	}
}

// failed counts the failures among events by their reason. The labels are those
// of the table of reasons, so their number is bounded.
func (m *Metrics) failed(events []job.Event) {
	if m.jobs == nil {
		return
	}
	for _, e := range events {
		if e.Kind != job.InputFailedEvent && e.Kind != job.OutputFailedEvent {
			continue
		}
		reason := e.Reason
		if reason == 0 {
			reason = job.InternalError
		}
		m.failures.WithLabelValues(reason.Code(), string(reason.Fault())).Inc()
	}
}

func (m *Metrics) fallback(path string) {
	if m.jobs != nil {
		m.fallbacks.WithLabelValues(path).Inc()
	}
}

func (m *Metrics) reaped(r job.Reaped) {
	if m.jobs != nil {
		m.requeued.Add(float64(r.Requeued))
	}
	m.failed(r.Failed)
}
