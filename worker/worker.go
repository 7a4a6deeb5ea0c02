// Package worker does the work of jobs. It holds one River worker for each
// kind of River job (probe, transcode) and the heartbeat that tells the
// others that this process is alive.
//
// The order of effects lives here and nowhere else: what is fetched, planned,
// run, verified, uploaded and recorded, and when. How each of these is done lives
// in the packages below, which know nothing of one another but the lease:
//
//	lease      who has the job: claim, fencing, recording, heartbeat
//	admission  what this machine takes on: CPU slots, disk space, yielded slots
//	input      reading the input and watermarks
//	execute    running the steps of a plan
//	artifacts  what earlier runs have left, and what this one leaves
//	publish    verifying, packaging, uploading, rollback
//	workdir    folders for work files
//
// Every fact is recorded under the lease that Claim gave; a run that another has
// replaced finds out at its next statement, stops, and has published nothing that
// the other would not overwrite with the same bytes.
package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/job"
	artifactstore "github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/worker/admission"
	"github.com/copra-video/copra/worker/artifacts"
	"github.com/copra-video/copra/worker/execute"
	"github.com/copra-video/copra/worker/input"
	"github.com/copra-video/copra/worker/lease"
	"github.com/copra-video/copra/worker/publish"
	"github.com/copra-video/copra/worker/workdir"
)

// Store is what the worker needs of the database.
type Store interface {
	lease.Store
	lease.NodeStore
	artifacts.JobStore
	runSlots
}

// runSlots bounds how many jobs of an API key are transcoded at once.
type runSlots interface {
	// AcquireRunSlot says how long a transcode is to wait for others of its key; 0: not.
	AcquireRunSlot(ctx context.Context, id string, riverID int64) (wait time.Duration, err error)
}

// Opener finds the storage behind what a request named.
type Opener interface {
	publish.Opener
	input.Opener
}

// Media is what the worker needs of ffmpeg.
type Media interface {
	input.Media
	execute.Media
	publish.Media
	Version() string
	Capabilities() transcode.Capabilities
}

// Config is what a worker is made of.
type Config struct {
	Store   Store
	Opener  Opener
	Media   Media
	Log     *slog.Logger
	Metrics *Metrics

	// Node names this process in worker_node and in River's attempted_by.
	Node string
	// WorkDir is the folder for work files; a run has a folder of its own in
	// it, which goes when the run ends.
	WorkDir string
	// MaxInputBytes bounds what is fetched.
	MaxInputBytes int64
	// MinFreeDisk is how many bytes must be free in WorkDir, besides what the job
	// takes, for it to be transcoded. Defaults to 0, which is not checked.
	MinFreeDisk int64
	// Artifacts is where artifacts of jobs are kept for later runs; nil: they
	// are not. ArtifactRetention is for how long after a job failed or was cancelled.
	Artifacts         *artifactstore.Store
	ArtifactRetention time.Duration
	// Slots are what jobs that are transcoded at once share, see admission.Slots.
	// Defaults to 0, for which they are not counted.
	Slots int
	// Uploads bounds the files of one output that are uploaded at once. It is
	// at least 1.
	Uploads int
	// UploadRetryTimeout is how long finished results wait for a storage that is away.
	// Defaults to 0, for which they do not wait.
	UploadRetryTimeout time.Duration
	// StallTimeout is how long ffmpeg may show no progress. Defaults to
	// ffmpeg.DefaultStallTimeout.
	StallTimeout time.Duration
	// Presets of encoders, by name, for the planner.
	Presets map[string]string
}

const (
	// heartbeatEvery is how often a worker renews its heartbeat.
	heartbeatEvery = 2 * time.Second
	// StaleAfter is the age of a heartbeat at which its worker counts as dead.
	StaleAfter = 10 * time.Second
)

// Worker does the work of one process.
type Worker struct {
	log     *slog.Logger
	metrics *Metrics

	runSlots  runSlots
	claimer   *lease.Claimer
	heartbeat *lease.Heartbeat
	workdir   *workdir.Dir
	disk      *admission.Disk
	slots     *admission.Slots
	yielded   *admission.Yielded
	input     input.Reader
	media     execute.Media
	stall     time.Duration
	planning  transcode.Options
	cache     *artifacts.Cache
	collector artifacts.Collector
	publisher *publish.Publisher
}

// New returns a worker.
func New(c Config) *Worker {
	if c.Metrics == nil {
		c.Metrics = &Metrics{}
	}
	w := &Worker{
		log: c.Log, metrics: c.Metrics,
		runSlots: c.Store,
		claimer:  lease.NewClaimer(c.Store, c.Node, c.Log),
		workdir:  workdir.New(c.WorkDir, c.Node, c.Log),
		disk:     admission.NewDisk(c.WorkDir, c.MinFreeDisk, c.Log),
		slots:    admission.NewSlots(c.Slots),
		yielded:  &admission.Yielded{},
		input:    input.Reader{Opener: c.Opener, Media: c.Media, MaxBytes: c.MaxInputBytes, StallTimeout: c.StallTimeout},
		media:    c.Media, stall: c.StallTimeout,
		planning:  transcode.Options{Capabilities: c.Media.Capabilities(), Presets: c.Presets},
		cache:     artifacts.NewCache(c.Artifacts, c.Media.Version(), c.Log, c.Metrics.artifacts),
		collector: artifacts.Collector{Artifacts: c.Artifacts, Jobs: c.Store, Retention: c.ArtifactRetention, Log: c.Log},
		publisher: publish.New(publish.Config{
			Opener: c.Opener, Media: c.Media, Uploads: c.Uploads, RetryTimeout: c.UploadRetryTimeout, Log: c.Log, Metrics: c.Metrics.publish,
		}),
	}
	w.heartbeat = lease.NewHeartbeat(lease.HeartbeatConfig{
		Store: c.Store, Node: c.Node, Every: heartbeatEvery, Stale: StaleAfter, Reaped: w.reaped, Log: c.Log,
	})
	return w
}

// Register adds the worker of every kind of River job.
func (w *Worker) Register(workers *river.Workers) {
	river.AddWorker(workers, &probeWorker{w: w})
	river.AddWorker(workers, &transcodeWorker{w: w})
}

// KeepAlive renews this process's heartbeat and re-queues the work of processes
// that have fallen silent, until ctx ends. It must run as long as the River
// client does. Its first heartbeat is made before it calls started, which may be
// nil.
func (w *Worker) KeepAlive(ctx context.Context, started func()) { w.heartbeat.Run(ctx, started) }

// reaped is called when work of dead processes was queued again or failed.
func (w *Worker) reaped(r job.Reaped) {
	w.metrics.reaped(r)
	// On a shared volume the dead one's files would lie until the next start.
	if err := w.workdir.SweepOrphans(); err != nil {
		w.log.Warn("removing work files of dead workers", "error", err)
	}
}

// CleanWorkDir takes this process's part of the work directory and removes what
// processes that no longer live have left behind.
func (w *Worker) CleanWorkDir() (release func(), err error) { return w.workdir.Lock() }

// CollectArtifacts removes from the artifact store now and then what is of no
// use any more, until ctx ends. It is only for a worker that has a store.
func (w *Worker) CollectArtifacts(ctx context.Context) { w.collector.Run(ctx) }

// YieldedSlots is how many of the transcodes that run have yielded their slot: the
// process may take as many more.
func (w *Worker) YieldedSlots() int { return w.yielded.Count() }
