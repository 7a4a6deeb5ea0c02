// Package worker does the work of jobs. It holds one River worker for each
// kind of River job (probe, transcode) and the heart that tells the
// others that this process is alive.
//
// The order of effects lives here and nowhere else: what is fetched, planned,
// run, verified, uploaded and recorded, and when. Every fact is recorded under
// the run that Claim gave; a run that another has replaced finds out at its
// next statement, stops, and has published nothing that the other would not
// overwrite with the same bytes.
package worker

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"golang.org/x/sync/semaphore"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// Store is what the worker needs of the database. Statements that take a run
// fail with job.ErrLeaseLost when another run has begun.
type Store interface {
	Load(ctx context.Context, id string) (job.LoadedJob, error)
	// AcquireRunSlot says how long a transcode is to wait for others of its key; 0: not.
	AcquireRunSlot(ctx context.Context, id string, riverID int64) (wait time.Duration, err error)
	Claim(ctx context.Context, id string, riverID int64, attempt int, node string) (run int64, err error)
	Record(ctx context.Context, id string, run int64, events ...job.Event) (job.State, error)
	RecordProbed(ctx context.Context, id string, run int64, probed job.Event) error
	SetProgress(ctx context.Context, id string, run int64, progress map[string]float64) error

	// FinishedForGood says of jobs whether they have ended for good, keep ago where a retry
	// could bring them back; those that are not known are not in it.
	FinishedForGood(ctx context.Context, ids []string, keep time.Duration) (map[string]bool, error)

	Heartbeat(ctx context.Context, node string) error
	Reap(ctx context.Context, stale time.Duration) (int, error)
}

// Opener finds the storage behind what a request named.
type Opener interface {
	// Bucket opens the place for the results of a job, Upload that for the one
	// file of an output with a URL of its own.
	Bucket(ctx context.Context, s *job.Storage, owner storage.Namespace) (storage.Bucket, error)
	Upload(ctx context.Context, address job.Secret) (storage.Bucket, error)
	Source(ctx context.Context, in job.Input) (storage.Source, error)
}

// Media is what the worker needs of ffmpeg.
type Media interface {
	Version() string
	Capabilities() transcode.Capabilities
	Probe(ctx context.Context, path string) (job.Media, error)
	Verify(ctx context.Context, path string, want ffmpeg.Expect) (job.Media, error)
	ProbePlaylist(ctx context.Context, path string) (job.Media, error)
	Run(ctx context.Context, c ffmpeg.Command) error
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
	// MaxInputBytes bounds what is fetched. Defaults to 100 GiB.
	MaxInputBytes int64
	// MinFreeDisk is how many bytes must be free in Scratch, besides what the job
	// takes, for it to be transcoded. Defaults to 0, which is not checked.
	MinFreeDisk int64
	// Artifacts is where finished parts of jobs are kept for later runs; nil: they
	// are not. ArtifactRetention is for how long after a job failed or was cancelled.
	Artifacts         *artifacts.Store
	ArtifactRetention time.Duration
	// Slots are what jobs that are transcoded at once share, see share.go.
	// Defaults to 0, for which they are not counted.
	Slots int
	// Uploads bounds the files of one output that are uploaded at once.
	// Defaults to 8.
	Uploads int
	// UploadRetryTimeout is how long finished results wait for a storage that is away.
	// Defaults to 0, for which they do not wait.
	UploadRetryTimeout time.Duration
	// StallTimeout is how long ffmpeg may show no progress. Defaults to
	// ffmpeg.DefaultStallTimeout.
	StallTimeout time.Duration
	// Presets of encoders, by name, for the planner.
	Presets map[string]string
	// Heartbeat is how often the node says that it lives, and Stale after how
	// long of silence it counts as dead. Default to 2 s and 10 s.
	Heartbeat, Stale time.Duration
}

// Worker does the work of one process.
type Worker struct {
	Config
	heart  *heart
	slots  *semaphore.Weighted // nil: not counted
	parked atomic.Int64        // runs that have given up their seat
	rooms  rooms
}

// New returns a worker with the defaults of c filled in.
func New(c Config) *Worker {
	if c.MaxInputBytes == 0 {
		c.MaxInputBytes = 100 << 30
	}
	if c.Uploads == 0 {
		c.Uploads = 8
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 2 * time.Second
	}
	if c.Stale == 0 {
		c.Stale = 10 * time.Second
	}
	w := &Worker{Config: c, heart: newHeart()}
	if c.Slots > 0 {
		w.slots = semaphore.NewWeighted(int64(c.Slots))
	}
	return w
}

// Register adds the worker of every kind of River job.
func (w *Worker) Register(workers *river.Workers) {
	river.AddWorker(workers, &probeWorker{w: w})
	river.AddWorker(workers, &transcodeWorker{w: w})
}

func (w *Worker) planOptions() transcode.Options {
	return transcode.Options{Capabilities: w.Media.Capabilities(), Presets: w.Presets}
}
