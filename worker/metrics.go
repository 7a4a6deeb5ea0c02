package worker

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
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
	speed     *prometheus.HistogramVec
	cpu       *prometheus.CounterVec
	waited    prometheus.Histogram
	fetched   prometheus.Counter
	played    *prometheus.CounterVec

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
		waited: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "copra_job_start_seconds", Help: "Time from the POST of a job to the start of its probe.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}}),
		fetched: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "copra_worker_fetched_bytes_total", Help: "Bytes of inputs that were fetched for transcodes and tasks."}),
		played: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "copra_worker_output_seconds_total", Help: "What the finished outputs of completed jobs play, each variant of a stream by itself, by class: audio, sd (below 720 lines), hd (to 1080) and uhd."}, []string{"class"}),
		speed: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "copra_worker_speed_ratio", Help: "Seconds of media that a run of ffmpeg made in a second, by kind of step and encoder.",
			Buckets: prometheus.ExponentialBuckets(0.0625, 2, 14)}, []string{"kind", "encoder"}),
		cpu: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "copra_worker_ffmpeg_cpu_seconds_total", Help: "CPU time of ffmpeg, of all cores, by kind of step."}, []string{"kind"}),
		execute: execute.NewMetrics(r), artifacts: artifacts.NewMetrics(r), publish: publish.NewMetrics(r), tasks: tasks.NewMetrics(r),
	}
	r.MustRegister(m.jobs, m.jobTime, m.outputs, m.failures, m.fallbacks, m.requeued, m.speed, m.cpu, m.waited, m.fetched, m.played)
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
		if p := o.Played(); s.Status == job.JobCompleted {
			for class, seconds := range map[string]float64{"audio": p.Audio, "sd": p.SD, "hd": p.HD, "uhd": p.UHD} {
				m.played.WithLabelValues(class).Add(seconds)
			}
		}
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

// ran counts a run of ffmpeg. The encoders are those of our own table, so the number of
// labels is bounded.
func (m *Metrics) ran(st transcode.Step, r job.FFmpegRun) {
	if m.jobs == nil {
		return
	}
	m.cpu.WithLabelValues(r.Kind).Add(r.CPU.Seconds())
	if speed := r.Speed(); speed > 0 && st.VideoEncodes+st.AudioEncodes > 0 {
		m.speed.WithLabelValues(r.Kind, encoderOf(r.Command)).Observe(speed)
	}
}

// encoderOf is the first encoder of pictures in arguments of ffmpeg, else the first of
// sound.
func encoderOf(args []string) string {
	for _, flag := range []string{"-c:v", "-c:a", "-c"} {
		for i, a := range args[:max(len(args)-1, 0)] {
			if (a == flag || strings.HasPrefix(a, flag+":")) && args[i+1] != "copy" {
				return args[i+1]
			}
		}
	}
	return "none"
}

// begun counts a job whose first run begins, so long after it was accepted.
func (m *Metrics) begun(after time.Duration) {
	if m.jobs != nil {
		m.waited.Observe(max(after, 0).Seconds())
	}
}

func (m *Metrics) received(bytes int64) {
	if m.jobs != nil {
		m.fetched.Add(float64(bytes))
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
