package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/worker"
)

// queueCollector asks the database about the queues when metrics are read. So
// every process reports the same for the whole deployment.
type queueCollector struct {
	store                      *postgres.Store
	jobs, oldest, nodes, tasks *prometheus.Desc
}

// queueTimeout is how long the database may take; a scrape must not hang on it.
const queueTimeout = 2 * time.Second

func newQueueCollector(store *postgres.Store) *queueCollector {
	return &queueCollector{
		store:  store,
		jobs:   prometheus.NewDesc("copra_queue_jobs", "Pieces of work in a queue, by River's state.", []string{"queue", "state"}, nil),
		oldest: prometheus.NewDesc("copra_queue_oldest_seconds", "Age of the oldest piece of work in a queue and state.", []string{"queue", "state"}, nil),
		tasks:  prometheus.NewDesc("copra_tasks", "Steps of running jobs that were offered to all workers, by kind and state.", []string{"kind", "state"}, nil),
		nodes:  prometheus.NewDesc("copra_workers", "Worker processes that are alive.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *queueCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.jobs
	ch <- c.oldest
	ch <- c.nodes
	ch <- c.tasks
}

// Collect implements prometheus.Collector. A database that does not answer
// leaves its metrics out and the others in place.
func (c *queueCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), queueTimeout)
	defer cancel()
	depths, err := c.store.QueueDepth(ctx)
	if err != nil {
		return
	}
	for _, d := range depths {
		ch <- prometheus.MustNewConstMetric(c.jobs, prometheus.GaugeValue, float64(d.Count), d.Queue, d.State)
		ch <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, d.Oldest.Seconds(), d.Queue, d.State)
	}
	if counts, err := c.store.TaskCounts(ctx); err == nil {
		for _, t := range counts {
			ch <- prometheus.MustNewConstMetric(c.tasks, prometheus.GaugeValue, float64(t.Count), t.Kind, string(t.Status))
		}
	}
	if n, err := c.store.LiveNodes(ctx, worker.StaleAfter); err == nil {
		ch <- prometheus.MustNewConstMetric(c.nodes, prometheus.GaugeValue, float64(n))
	}
}

// freeDisk says how much room the work directory has.
func freeDisk(dir string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "copra_worker_work_dir_free_bytes", Help: "Free bytes of the file system of the work directory."},
		func() float64 {
			var fs unix.Statfs_t
			if err := unix.Statfs(dir, &fs); err != nil {
				return 0
			}
			return float64(fs.Bavail) * float64(fs.Bsize)
		})
}
