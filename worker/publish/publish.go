// Package publish brings the results of an output to the customer's storage. It
// verifies files, packages streams, uploads segments while a stream is still being
// made, uploads the rest with the playlists last, and waits for a storage that is
// away. When a stream fails it deletes what it has uploaded, where no other job can
// have written the same objects.
//
// Results are read for uploading only under the job's lease, see fileBody.
package publish

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/stream"
	"github.com/copra-video/copra/worker/lease"
)

// Opener opens the storage that a request named.
type Opener interface {
	// Bucket opens the storage for the results of a job.
	Bucket(ctx context.Context, s *job.Storage, owner storage.Namespace) (storage.Bucket, error)
	// Upload opens the place for the one file of an output with a URL of its own.
	Upload(ctx context.Context, address job.Secret) (storage.Bucket, error)
}

// Media verifies results with ffprobe.
type Media interface {
	// Verify compares a finished file with what was planned. The error is a
	// *job.Error when they differ.
	Verify(ctx context.Context, path string, want transcode.Expect) (job.Media, error)
	// ProbePlaylist reads a stream as a player would.
	ProbePlaylist(ctx context.Context, path string) (job.Media, error)
}

// Config is what a Publisher needs.
type Config struct {
	Opener Opener
	Media  Media
	// Uploads is how many files of one output are uploaded at once.
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

// Target is where the results of a job go.
type Target struct {
	Storage *job.Storage // nil: every output has a URL of its own
	Created time.Time    // when the job was accepted
}

// Session is the publishing of one run. It remembers what the run has uploaded.
type Session struct {
	c       Config
	lease   *lease.Lease
	target  Target
	waiting func() (done func())
	streams streams
	log     *slog.Logger
}

// Open opens the session of a run that holds a job's lease. An upload calls waiting
// when it begins to wait for a storage that is away, and done when it no longer
// waits.
func (p *Publisher) Open(l *lease.Lease, target Target, waiting func() (done func())) *Session {
	return &Session{c: p.c, lease: l, target: target, waiting: waiting, streams: newStreams(), log: p.c.Log}
}

// checkTimeout bounds each look at the storage that decides nothing for good.
const checkTimeout = 10 * time.Second

// CheckStorage asks the storage for the results of o whether it accepts any. The
// error is a *job.Error if the storage refuses. Every other error means that it is
// not known.
func (s *Session) CheckStorage(ctx context.Context, o *job.Output) error {
	bucket, err := s.bucket(ctx, o)
	if err != nil {
		return err
	}
	defer s.close(ctx, bucket)
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return bucket.Check(ctx)
}

// bucket opens the storage for the results of o.
func (s *Session) bucket(ctx context.Context, o *job.Output) (storage.Bucket, error) {
	if !o.URL.IsZero() {
		return s.c.Opener.Upload(ctx, o.URL)
	}
	kind := "files" // one folder of shared storage for files, another for streams
	if o.Type == job.TypeStream {
		kind = "streams"
	}
	return s.c.Opener.Bucket(ctx, s.target.Storage, storage.Namespace{JobID: s.lease.JobID(), Kind: kind, Created: s.target.Created})
}

func (s *Session) close(ctx context.Context, bucket storage.Bucket) {
	if err := storage.Close(bucket); err != nil {
		s.log.DebugContext(ctx, "storage not closed", "error", err)
	}
}

// Output is the publishing of one output.
type Output struct {
	*Session
	o   *job.Output
	dir string // of the run's work files
	log *slog.Logger

	movable  func(name string) bool // see MayMove
	uploaded atomic.Int64           // bytes handed to storage
}

// Output begins the publishing of an output whose files are in dir.
func (s *Session) Output(dir string, o *job.Output) *Output {
	return &Output{Session: s, o: o, dir: dir, log: s.log.With("output", o.Key)}
}

// MayMove has a storage on the same disk take files of which movable reports true, instead
// of copying them. Nothing may need such a file once it is uploaded.
func (p *Output) MayMove(movable func(name string) bool) { p.movable = movable }

// Publish verifies what the steps of an output have made, and uploads it. keys are
// those that segments are encrypted with. uploaded are the segments that are in the
// storage already, as SegmentUploader.Finish returns them.
//
// The error is job.ErrLeaseLost or lease.ErrDatabase when it says nothing about the
// output.
func (p *Output) Publish(ctx context.Context, res transcode.Result, keys stream.Keys, uploaded map[string]int64) (result job.Result, err error) {
	ctx, span := telemetry.Start(ctx, "publish")
	defer func() { span.End(err) }()
	bucket, err := p.bucket(ctx, p.o)
	if err != nil {
		return job.Result{}, fmt.Errorf("open storage: %w", err)
	}
	if p.o.Type == job.TypeStream {
		p.streamExists(ctx, bucket, res.Packages) // before anything is uploaded, for Rollback
	}
	bucket = p.retrying(bucket)
	defer p.close(ctx, bucket)
	if p.o.Type == job.TypeStream {
		result, err = p.publishStream(ctx, res.Packages, keys, bucket, uploaded)
	} else {
		result, err = p.publishFiles(ctx, res, bucket)
	}
	if err == nil && res.Copied != nil {
		result.Metadata, err = withMember(result.Metadata, "copied", res.Copied)
	}
	if err == nil && len(res.Loudness) > 0 {
		result.Metadata, err = withLoudness(result.Metadata, p.dir, res.Loudness)
	}
	if err == nil && len(res.Quality) > 0 {
		err = p.addQuality(ctx, &result, res.Quality)
	}
	result.Bytes = p.uploaded.Load()
	return result, err
}

// object is one file to be stored.
type object struct {
	key         string // in the storage
	name        string // of the file, in the work directory
	source      string // of a segment: the name under which it was cut, which identifies it
	contentType string
	isPlaylist  bool // it names other objects, so it is stored after them
}

// entryPoint is a playlist or manifest whose address clients get.
type entryPoint struct{ format, file string }

// entryPoints returns those of a package.
func entryPoints(p stream.Package) []entryPoint {
	var e []entryPoint
	if p.HLS && p.Layout == stream.TS {
		e = append(e, entryPoint{"hls", p.Name + ".m3u8"})
	}
	if p.DASH {
		e = append(e, entryPoint{"dash", p.Name + ".mpd"})
	}
	if p.HLS && p.Layout == stream.CMAF {
		e = append(e, entryPoint{"hlsfmp4", p.Name + ".m3u8"})
	}
	return e
}
