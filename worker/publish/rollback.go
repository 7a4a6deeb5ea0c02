package publish

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode/stream"
)

// rollbackTimeout bounds the time in which the parts of a failed stream are taken
// away.
const rollbackTimeout = 30 * time.Second

// placed is what a run may have stored of its streams, by the keys of outputs. A
// stream whose output fails is taken away again, unless an older one stood in
// its place, whose playlists go on naming the segments.
type placed struct {
	mu      sync.Mutex
	streams map[string]*placedStream
}

type placedStream struct {
	looked, knows bool // whether it was looked for an older stream, and whether there is an answer
	stands        bool // the answer
	segments      []string
	playlists     []string // in the order in which they were stored
}

// of returns what is known of an output's stream; the caller holds the lock.
func (p *placed) of(output string) *placedStream {
	if p.streams == nil {
		p.streams = map[string]*placedStream{}
	}
	if p.streams[output] == nil {
		p.streams[output] = &placedStream{}
	}
	return p.streams[output]
}

// note remembers that pub is about to be stored.
func (p *placed) note(o *job.Output, pub publication) {
	if o.Type != job.TypeStream || !o.URL.IsZero() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.of(o.Key)
	if pub.last {
		s.playlists = append(s.playlists, pub.key)
	} else {
		s.segments = append(s.segments, pub.key)
	}
}

// stands reports whether an older stream stands where the output's is to be. It
// looks once, before the run has stored anything; what cannot be found out is
// taken for none.
func (r *Run) stands(ctx context.Context, bucket storage.Bucket, o *job.Output, packages []stream.Package) bool {
	keeper, ok := bucket.(storage.Deleter)
	if !ok {
		return false
	}
	r.placed.mu.Lock()
	s := r.placed.of(o.Key)
	r.placed.mu.Unlock() // what uploads an output early has ended before it is published
	if s.looked {
		return s.stands
	}
	s.looked = true
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	for _, p := range packages {
		for _, e := range entries(p) {
			has, err := keeper.Exists(ctx, p.Path+"/"+e.file)
			if err != nil {
				r.c.Log.Debug("cannot look for an older stream", "job", r.lease.JobID(), "output", o.Key, "error", err)
				return false
			}
			s.stands = s.stands || has
		}
	}
	s.knows = true
	return s.stands
}

// Rollback takes away what the run has stored of an output that is about to
// fail, playlists first. It must come before the failure is recorded: as soon as
// that is known the job may be tried again, and its segments have the same names.
// What cannot be taken away stays, and decides nothing.
//
// It does so in the built-in storage alone, where a job has a folder of its own.
// In a bucket a second job may write to the same path, as when a client posts its
// job twice, and what is taken away could be what that one has stored.
func (r *Run) Rollback(ctx context.Context, key string) {
	r.placed.mu.Lock()
	s := r.placed.streams[key]
	delete(r.placed.streams, key)
	r.placed.mu.Unlock()
	if r.target.Storage == nil || r.target.Storage.Service != job.ServiceBuiltIn || s == nil || !s.knows || s.stands || len(s.segments)+len(s.playlists) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, rollbackTimeout)
	defer cancel()
	log := r.c.Log.With("job", r.lease.JobID(), "output", key, "files", len(s.segments)+len(s.playlists))
	bucket, err := r.bucket(ctx, &job.Output{Key: key, Type: job.TypeStream})
	if err != nil {
		log.Warn("the parts of a failed stream stay in its storage", "error", err)
		return
	}
	defer r.close(bucket)
	if keeper, ok := bucket.(storage.Deleter); ok {
		if err := r.take(ctx, keeper, s); err != nil {
			log.Warn("parts of a failed stream stay in its storage", "error", err)
			return
		}
		log.Info("the parts of a failed stream were taken away")
	}
}

// take removes the playlists, the outermost first, and then the segments.
func (r *Run) take(ctx context.Context, bucket storage.Deleter, s *placedStream) error {
	remove := func(ctx context.Context, key string) error {
		if err := r.lease.Check(ctx); err != nil {
			return err
		}
		return bucket.Delete(ctx, key)
	}
	for i := len(s.playlists) - 1; i >= 0; i-- {
		if err := remove(ctx, s.playlists[i]); err != nil {
			return err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.c.Uploads)
	for _, key := range s.segments {
		g.Go(func() error { return remove(gctx, key) })
	}
	return g.Wait()
}
