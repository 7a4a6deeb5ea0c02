// Package publish brings what the steps of an output have made into a customer's
// storage: it verifies files, packages streams, uploads segments while a stream
// is still being made, uploads the rest with the playlists last, waits for a
// storage that is away, and takes a failed stream away again where nobody else
// can have written.
//
// Nothing is read for uploading without the job's lease, see fileBody.
package publish

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/stream"
	"github.com/copra-video/copra/worker/lease"
)

// Opener finds the storage that a request named.
type Opener interface {
	// Bucket opens the place for the results of a job, Upload that for the one
	// file of an output with a URL of its own.
	Bucket(ctx context.Context, s *job.Storage, owner storage.Namespace) (storage.Bucket, error)
	Upload(ctx context.Context, address job.Secret) (storage.Bucket, error)
}

// Media is what verifying results needs of ffmpeg.
type Media interface {
	// Verify holds a finished file against what was planned.
	Verify(ctx context.Context, path string, want transcode.Expect) (job.Media, error)
	// ProbePlaylist reads a stream as a player finds it.
	ProbePlaylist(ctx context.Context, path string) (job.Media, error)
}

// Config is what a Publisher is made of.
type Config struct {
	Opener Opener
	Media  Media
	// Uploads bounds the files of one output that are uploaded at once.
	Uploads int
	// RetryTimeout is how long finished results wait for a storage that is away.
	// With 0 they do not wait.
	RetryTimeout time.Duration
	Log          *slog.Logger
	Metrics      *Metrics
}

// Publisher publishes the results of this process's runs.
type Publisher struct{ c Config }

// New returns a Publisher.
func New(c Config) *Publisher { return &Publisher{c} }

// Run is what one run of a job publishes.
type Run struct {
	c       Config
	lease   *lease.Lease
	target  Target
	waiting func() (done func())
	placed  placed
}

// Target is where the results of a job go.
type Target struct {
	Storage *job.Storage // nil: every output has a URL of its own
	Created time.Time    // when the job was accepted
}

// Run begins the publishing of a run that has a job's lease. waiting is called
// when an upload begins to wait for a storage that is away, and what it returns
// when it no longer does.
func (p *Publisher) Run(l *lease.Lease, target Target, waiting func() (done func())) *Run {
	return &Run{c: p.c, lease: l, target: target, waiting: waiting}
}

// Output is what a run publishes of one output.
type Output struct {
	*Run
	o   *job.Output
	dir string // of the run's work files
}

// Output begins the publishing of an output whose files are in dir.
func (r *Run) Output(dir string, o *job.Output) *Output { return &Output{Run: r, o: o, dir: dir} }

// Publish verifies what the steps of an output made and publishes it. stored are
// the segments that have been published early, see SegmentUploader; keys are
// those that segments are encrypted with.
func (r *Output) Publish(ctx context.Context, res transcode.Result, keys stream.Keys, stored map[string]int64) (job.Result, error) {
	bucket, err := r.bucket(ctx, r.o)
	if err != nil {
		return job.Result{}, fmt.Errorf("open storage: %w", err)
	}
	if r.o.Type == job.TypeStream {
		r.stands(ctx, bucket, r.o, res.Packages)
	}
	bucket = r.patiently(bucket, r.o)
	defer r.close(bucket)
	if r.o.Type == job.TypeStream {
		return r.finishStream(ctx, res.Packages, keys, bucket, stored)
	}
	return r.finishFiles(ctx, res, bucket)
}

// bucket opens the place for the results of o.
func (r *Run) bucket(ctx context.Context, o *job.Output) (storage.Bucket, error) {
	if !o.URL.IsZero() {
		return r.c.Opener.Upload(ctx, o.URL)
	}
	kind := "files" // one folder of shared storage for files, another for streams
	if o.Type == job.TypeStream {
		kind = "streams"
	}
	return r.c.Opener.Bucket(ctx, r.target.Storage, storage.Namespace{JobID: r.lease.JobID(), Kind: kind, Created: r.target.Created})
}

func (r *Run) close(bucket storage.Bucket) {
	if err := storage.Close(bucket); err != nil {
		r.c.Log.Debug("close storage", "job", r.lease.JobID(), "error", err)
	}
}

// checkTimeout bounds the look at the storage before the work.
const checkTimeout = 10 * time.Second

// CheckStorage asks the storage for the results of o whether it takes any. The
// error is a *job.Error when it does not, and another one when that could not be
// found out.
func (r *Run) CheckStorage(ctx context.Context, o *job.Output) error {
	bucket, err := r.bucket(ctx, o)
	if err != nil {
		return err
	}
	defer r.close(bucket)
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return bucket.Check(ctx)
}

// publication is one object to store.
type publication struct {
	key         string
	source      string // of a segment: its name in the work directory
	file        string // name in the work directory
	contentType string
	last        bool // only after all that are not: playlists and manifests
}

// entry is the address of a package that clients are told.
type entry struct{ format, file string }

// entries are the addresses of a package that clients are told.
func entries(p stream.Package) []entry {
	var e []entry
	if p.HLS && p.Layout == stream.TS {
		e = append(e, entry{"hls", p.Name + ".m3u8"})
	}
	if p.DASH {
		e = append(e, entry{"dash", p.Name + ".mpd"})
	}
	if p.HLS && p.Layout == stream.CMAF {
		e = append(e, entry{"hlsfmp4", p.Name + ".m3u8"})
	}
	return e
}
