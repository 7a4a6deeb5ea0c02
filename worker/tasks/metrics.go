package tasks

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/copra-video/copra/transcode"
)

// Metrics counts what became of steps that were offered. A nil *Metrics counts nothing.
type Metrics struct {
	tasks *prometheus.CounterVec
}

// result is what became of an offered step.
type result string

const (
	resultHere      result = "here"      // the process that offered it has claimed it
	resultElsewhere result = "elsewhere" // another process has stored its artifacts
	resultFailed    result = "failed"    // another process could not run it
	resultStraggler result = "straggler" // it was offered again, because another process is slow
)

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{tasks: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "copra_tasks_total", Help: "Steps that were offered to all workers: here (taken by the worker that has the job), made elsewhere, failed elsewhere, or a straggler, which was offered again."}, []string{"kind", "result"})}
	r.MustRegister(m.tasks)
	return m
}

func (m *Metrics) count(st transcode.Step, r result) {
	if m != nil {
		m.tasks.WithLabelValues(string(st.Kind), string(r)).Inc()
	}
}
