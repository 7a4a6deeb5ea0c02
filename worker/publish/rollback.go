package publish

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode/stream"
)

// rollbackTimeout bounds one Rollback.
const rollbackTimeout = 30 * time.Second

// streams are the streams that a run uploads, by the keys of their outputs.
type streams struct {
	mu       sync.Mutex
	byOutput map[string]*uploadedStream
}

// uploadedStream is what the storage may have of one stream of this run.
type uploadedStream struct {
	asking    sync.Mutex // of existing
	existing  existing
	segments  []string // keys; a segment that was uploaded twice is in it twice
	playlists []string // keys, in the order of their upload
}

// existing says whether an older stream was in the place before the run uploaded
// anything.
type existing int

const (
	notAsked existing = iota
	unknown           // the storage does not tell
	none
	found
)

func newStreams() streams { return streams{byOutput: map[string]*uploadedStream{}} }

// of returns the stream of an output.
func (s *streams) of(output string) *uploadedStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.locked(output)
}

func (s *streams) locked(output string) *uploadedStream {
	if s.byOutput[output] == nil {
		s.byOutput[output] = &uploadedStream{}
	}
	return s.byOutput[output]
}

// add notes that an object of an output is about to be stored. Only streams are
// rolled back, so nothing else is noted.
func (s *streams) add(o *job.Output, obj object) {
	if o.Type != job.TypeStream || !o.URL.IsZero() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.locked(o.Key)
	if obj.isPlaylist {
		if !slices.Contains(u.playlists, obj.key) { // one that grows is stored many times
			u.playlists = append(u.playlists, obj.key)
		}
	} else {
		u.segments = append(u.segments, obj.key)
	}
}

// take returns the stream of an output and forgets it. It may be nil.
func (s *streams) take(output string) *uploadedStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.byOutput[output]
	delete(s.byOutput, output)
	return u
}

// streamExists reports whether an older stream is where this one will be. It asks
// the storage once, before the run has uploaded anything. The answer is false if it
// cannot be found out.
//
// An early stream may ask beside the output itself.
func (p *Output) streamExists(ctx context.Context, bucket storage.Bucket, packages []stream.Package) bool {
	b, ok := bucket.(storage.Deleter)
	if !ok {
		return false
	}
	s := p.streams.of(p.o.Key)
	s.asking.Lock()
	defer s.asking.Unlock()
	if s.existing == notAsked {
		s.existing = p.askExisting(ctx, b, packages)
	}
	return s.existing == found
}

// askExisting looks for the entry points of packages in the storage.
func (p *Output) askExisting(ctx context.Context, bucket storage.Deleter, packages []stream.Package) existing {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	answer := none
	for _, pkg := range packages {
		for _, e := range entryPoints(pkg) {
			there, err := bucket.Exists(ctx, pkg.Path+"/"+e.file)
			if err != nil {
				p.log.DebugContext(ctx, "existing stream unknown", "error", err)
				if answer == found {
					return found
				}
				return unknown
			}
			if there {
				answer = found
			}
		}
	}
	return answer
}

// Rollback deletes what the run has uploaded of a stream whose output is about to
// fail, playlists first. It must be called before the failure is recorded: after
// that the customer may retry the job, and the new run uploads objects with the same
// keys. What cannot be deleted stays, which is only logged.
//
// It deletes only in the built-in storage, where the job has a folder of its own. In
// a bucket, a second job may write to the same path, for example when a client posts
// a job twice, and its objects must not be deleted. It deletes nothing if an older
// stream was in the place, whose playlists name the same segments, or if that is not
// known.
func (s *Session) Rollback(ctx context.Context, output string) {
	u := s.streams.take(output)
	if u == nil || s.target.Storage == nil || s.target.Storage.Service != job.ServiceBuiltIn || u.existing != none || len(u.segments)+len(u.playlists) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, rollbackTimeout)
	defer cancel()
	log := s.log.With("output", output, "files", len(u.segments)+len(u.playlists))
	bucket, err := s.bucket(ctx, &job.Output{Key: output, Type: job.TypeStream})
	if err != nil {
		log.WarnContext(ctx, "rollback failed", "error", err)
		return
	}
	defer s.close(ctx, bucket)
	if b, ok := bucket.(storage.Deleter); ok {
		if err := s.deleteObjects(ctx, b, u); err != nil {
			log.WarnContext(ctx, "rollback failed", "error", err)
			return
		}
		log.InfoContext(ctx, "stream rolled back")
	}
}

// deleteObjects deletes the playlists, the outermost first, and then the segments.
func (s *Session) deleteObjects(ctx context.Context, bucket storage.Deleter, u *uploadedStream) error {
	remove := func(ctx context.Context, key string) error {
		if err := s.lease.Check(ctx); err != nil {
			return err
		}
		return bucket.Delete(ctx, key)
	}
	for _, key := range slices.Backward(u.playlists) {
		if err := remove(ctx, key); err != nil {
			return err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.c.Uploads)
	slices.Sort(u.segments)
	for _, key := range slices.Compact(u.segments) {
		g.Go(func() error { return remove(gctx, key) })
	}
	return g.Wait()
}
