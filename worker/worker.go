// Package worker does the work of jobs: a River worker for each kind of River job,
// probe, transcode and task, and the heartbeat of the process.
//
// The package says what happens to a job and in which order: what is fetched,
// planned, run, verified, uploaded and recorded. The phases of a run are types, each
// made from the one before: claimed, transcoding, resolved, fetched, planned. How
// each thing is done is in the packages below. They do not know one another; lease
// and workdir are the only ones that others of them use.
//
//	lease      claim, fencing, recording, heartbeat
//	admission  CPU slots, disk space, yielded slots
//	input      probe and fetch of the input, watermarks
//	execute    the steps of a plan
//	artifacts  the artifact store of a run
//	tasks      steps of a run that other processes may run
//	publish    verification, packaging, upload, rollback
//	workdir    folders for work files
//
// DESIGN.md has the invariants and the alternatives that were rejected. The order of
// effects is tested in order_test.go.
package worker

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
	artifactstore "github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/worker/admission"
	"github.com/copra-video/copra/worker/artifacts"
	"github.com/copra-video/copra/worker/execute"
	"github.com/copra-video/copra/worker/input"
	"github.com/copra-video/copra/worker/lease"
	"github.com/copra-video/copra/worker/publish"
	"github.com/copra-video/copra/worker/tasks"
	"github.com/copra-video/copra/worker/workdir"
)

// Store is what the worker needs of the database.
type Store interface {
	lease.Store
	lease.NodeStore
	lease.TaskStore
	tasks.Store
	tasks.SourceStore
	artifacts.JobStore
	nodeStore
	runSlots
	runStore
}

// runSlots bounds how many jobs of an API key are transcoded at once.
type runSlots interface {
	// AcquireRunSlot takes one of the key's slots for a transcode. If none is free it
	// returns how long to wait until the next attempt.
	AcquireRunSlot(ctx context.Context, id string, riverID int64) (wait time.Duration, err error)
}

// taskStore is what a worker needs of the database to share steps, and to run those of
// others.
type taskStore interface {
	lease.TaskStore
	tasks.Store
}

// Opener opens the storages that a request named.
type Opener interface {
	publish.Opener
	input.Opener
}

// Media is what the worker needs of ffmpeg.
type Media interface {
	input.Media
	execute.Media
	publish.Media
	taskMedia
	Capabilities() transcode.Capabilities
}

// taskMedia runs the steps of tasks. An ffmpeg of another version makes other files.
type taskMedia interface {
	execute.Media
	Version() string
	// Weights reads the packets of a video stream of the file name in dir. It fails when
	// that makes no progress for stall.
	Weights(ctx context.Context, dir, name string, stream int, stall time.Duration) (transcode.Weights, error)
	// ServesInputs reports whether ffmpeg.Command.Served may be used.
	ServesInputs() bool
}

// Config is what a worker needs.
type Config struct {
	Store   Store
	Opener  Opener
	Media   Media
	Log     *slog.Logger
	Metrics *Metrics // nil: nothing is counted

	// Tracer traces the work of jobs; nil: nothing is traced.
	Tracer *telemetry.Tracer

	// Queues are those from which this process fetches work. Due is called when work waits
	// in one of them or will in a moment, whether it was announced or not.
	Queues []string
	Due    func()
	// Node is the name of this process in worker_node and in River's attempted_by.
	Node string
	// WorkDir is the folder for work files. Each run has a folder of its own in it,
	// which is removed when the run ends.
	WorkDir string
	// MaxInputBytes is the largest input that is fetched.
	MaxInputBytes int64
	// MinFreeDisk is how many bytes stay free in WorkDir, besides what a job takes.
	// With 0 the disk is not checked.
	MinFreeDisk int64
	// Artifacts keeps artifacts of jobs for later runs; nil: they are not kept.
	// ArtifactRetention is how long they stay after a job failed or was cancelled.
	Artifacts         *artifactstore.Store
	ArtifactRetention time.Duration
	// Slots is the number of CPU slots, see admission.Slots. With 0 they are not
	// counted.
	Slots int
	// Uploads is how many files of one output are uploaded at once, at least 1.
	Uploads int
	// UploadRetryTimeout is how long finished results wait for a storage that is
	// away. With 0 they do not wait.
	UploadRetryTimeout time.Duration
	// StallTimeout is how long ffmpeg may make no progress. With 0 it is
	// ffmpeg.DefaultStallTimeout.
	StallTimeout time.Duration
	// Presets are the presets of encoders, by the name of the encoder.
	Presets map[string]string
	// Encoder is which backends encode where a job does not say it.
	Encoder transcode.EncoderChoice
	// ContentKeys makes keys for streams; nil: streams that ask for them fail.
	ContentKeys ContentKeys
	// Speech transcribes speech; nil: there are no captions of it.
	Speech execute.Speech
	// Fonts is a folder of fonts for captions that are drawn; "": those of the system.
	Fonts string
	// Chunks allows to encode long inputs in chunks, where a job asks for it or other workers
	// have nothing else to do.
	Chunks bool
}

const (
	// heartbeatEvery is how often a worker renews its heartbeat, and idleHeartbeatEvery the
	// same while it has no work, which others could take for lost.
	heartbeatEvery     = 2 * time.Second
	idleHeartbeatEvery = 5 * time.Second
	// StaleAfter is the age of a heartbeat at which its worker counts as dead.
	StaleAfter = 10 * time.Second
)

// Worker does the work of one process.
type Worker struct {
	log     *slog.Logger
	metrics *Metrics
	tracer  *telemetry.Tracer

	runSlots  runSlots
	runs      runStore
	claimer   *lease.Claimer
	heartbeat *lease.Heartbeat
	workdir   *workdir.Dir
	disk      *admission.Disk
	slots     *admission.Slots
	yielded   *admission.Yielded
	input     input.Reader
	media     taskMedia
	node      string
	tasks     taskStore
	sources   *tasks.Sources
	stall     time.Duration
	planning  transcode.Options
	chunks    bool
	nodes     nodeStore

	contentKeys ContentKeys
	speech      execute.Speech
	cache       *artifacts.Cache
	collector   artifacts.Collector
	publisher   *publish.Publisher
}

// New returns a worker, which begins with Register and KeepAlive.
func New(c Config) *Worker {
	if c.Metrics == nil {
		c.Metrics = &Metrics{}
	}
	dir := workdir.New(c.WorkDir, c.Node, c.Log)
	w := &Worker{
		log: c.Log, metrics: c.Metrics, tracer: c.Tracer, contentKeys: c.ContentKeys, speech: c.Speech,
		runSlots: c.Store, runs: c.Store,
		claimer: lease.NewClaimer(c.Store, c.Node, c.Log),
		heartbeat: lease.NewHeartbeat(lease.HeartbeatConfig{
			Store: c.Store, Node: c.Node, Every: heartbeatEvery, IdleEvery: idleHeartbeatEvery, Stale: StaleAfter,
			Queues: c.Queues, Due: c.Due, Reaped: afterReap(dir, c.Metrics, c.Log), Log: c.Log,
		}),
		workdir: dir,
		disk:    admission.NewDisk(c.WorkDir, c.MinFreeDisk, c.Log),
		slots:   admission.NewSlots(c.Slots),
		yielded: admission.NewYielded(min(c.Slots, queue.MaxYielded/2)),
		input:   input.Reader{Opener: c.Opener, Media: c.Media, Serves: c.Media.ServesInputs(), MaxBytes: c.MaxInputBytes, StallTimeout: c.StallTimeout},
		media:   c.Media, stall: c.StallTimeout,
		node: c.Node, tasks: c.Store, sources: tasks.NewSources(c.Store, dir.SourceFolder, c.Log),
		planning:  transcode.Options{Capabilities: c.Media.Capabilities(), Presets: c.Presets, Encoder: c.Encoder, NoSpeech: c.Speech == nil, Fonts: c.Fonts},
		chunks:    c.Chunks,
		nodes:     c.Store,
		cache:     artifacts.NewCache(c.Artifacts, c.Media.Version(), c.Log, c.Metrics.artifacts),
		collector: artifacts.Collector{Artifacts: c.Artifacts, Jobs: c.Store, Retention: c.ArtifactRetention, Log: c.Log},
		publisher: publish.New(publish.Config{
			Opener: c.Opener, Media: c.Media, Uploads: c.Uploads, RetryTimeout: c.UploadRetryTimeout, Log: c.Log, Metrics: c.Metrics.publish,
		}),
	}
	w.input.Capabilities, w.input.Run = c.Media.Capabilities(), w.runInput
	return w
}

// runInput runs a step that makes an input, when there is a slot for it.
func (w *Worker) runInput(ctx context.Context, dir string, s transcode.Step) error {
	_, release, err := w.slots.Acquire(ctx, transcode.Plan{Steps: []transcode.Step{s}})
	if err != nil {
		return err
	}
	defer release()
	return w.media.Run(ctx, ffmpeg.Command{Args: s.Op.FFmpeg.Args, Dir: dir, StallTimeout: w.stall})
}

// DeviceEncoders lists the encoders of cards that work here, by FFmpeg's names.
func (w *Worker) DeviceEncoders() []string {
	var list []string
	for _, d := range w.planning.Capabilities.Devices {
		if d.Works && !slices.Contains(list, d.Encoder) {
			list = append(list, d.Encoder)
		}
	}
	return list
}

// afterReap returns what is done when work of dead processes was requeued or failed:
// it is counted, and their work files are removed, which would otherwise stay on a
// shared volume until the next start.
func afterReap(dir *workdir.Dir, metrics *Metrics, log *slog.Logger) func(job.Reaped) {
	return func(r job.Reaped) {
		metrics.reaped(r)
		if err := dir.SweepOrphans(); err != nil {
			log.Warn("orphaned work files not removed", "error", err)
		}
	}
}

// Register adds a River worker for every kind of River job.
func (w *Worker) Register(workers *river.Workers) {
	river.AddWorker(workers, &probeWorker{w: w})
	river.AddWorker(workers, &transcodeWorker{w: w})
	river.AddWorker(workers, &taskWorker{w: w})
}

// KeepAlive renews this process's heartbeat and requeues the work of dead processes
// until ctx ends. It must run for as long as the River client does. It calls started,
// which may be nil, after the first heartbeat.
func (w *Worker) KeepAlive(ctx context.Context, started func()) { w.heartbeat.Run(ctx, started) }

// CleanWorkDir locks this process's part of the work directory, and removes the parts
// of processes that are dead. release removes the part and frees the lock.
func (w *Worker) CleanWorkDir() (release func(), err error) { return w.workdir.Lock() }

// CollectArtifacts deletes artifacts that no run will use, from time to time until ctx
// ends. The worker must have an artifact store.
func (w *Worker) CollectArtifacts(ctx context.Context) { w.collector.Run(ctx) }

// YieldedSlots returns how many running transcodes have yielded their slots. The
// process may take on as many more.
func (w *Worker) YieldedSlots() int { return w.yielded.Count() }

// FreeSlots returns how many tasks of other workers' jobs this process can begin now.
func (w *Worker) FreeSlots() int { return w.slots.Free() }
