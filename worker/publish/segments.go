package publish

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode/stream"
)

// earlyEvery is how often it looks for new segments.
const earlyEvery = time.Second

// earlyRetry has the pauses after a storage failed to take a segment.
var earlyRetry = retry.Policy{Waits: retry.Doubling(5*time.Second, time.Minute)}

// SegmentUploader uploads the segments of a stream while its steps still run, as soon as
// they are certain to stay as they are. It makes a long stream's publishing
// short and decides nothing: what it did not store, for whatever reason, is
// published in the end with the playlists. Where an older stream stands, all of
// it is: its segments are not replaced before the whole of the new one is there.
// A nil *SegmentUploader does nothing.
type SegmentUploader struct {
	r        *Output
	packages []stream.Package

	cancel context.CancelFunc
	stop   chan struct{} // closed: begin nothing more
	done   chan struct{}

	puts  sync.WaitGroup
	slots chan struct{}

	mu     sync.Mutex
	stored map[string]int64
	back   []publication // those that failed
	failed error         // since the last pause
}

// StartSegments starts for a stream whose storage takes files one by one.
func (r *Output) StartSegments(ctx context.Context, packages []stream.Package) *SegmentUploader {
	if len(packages) == 0 || !r.o.URL.IsZero() {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	e := &SegmentUploader{
		r: r, packages: packages, cancel: cancel,
		stop: make(chan struct{}), done: make(chan struct{}), slots: make(chan struct{}, r.c.Uploads),
		stored: map[string]int64{},
	}
	go func() {
		defer close(e.done)
		defer e.puts.Wait()
		e.work(ctx)
	}()
	return e
}

// Abandon ends it at once.
func (e *SegmentUploader) Abandon() {
	if e == nil {
		return
	}
	e.cancel()
	<-e.done
}

// End waits for what is on its way and returns the sizes of what was stored, by
// the names in the work directory.
func (e *SegmentUploader) End() map[string]int64 {
	if e == nil {
		return nil
	}
	close(e.stop)
	<-e.done
	return e.stored
}

func (e *SegmentUploader) work(ctx context.Context) {
	log := e.r.c.Log.With("job", e.r.lease.JobID(), "output", e.r.o.Key)
	level := log.Warn // once
	pauses := 0
	var bucket storage.Bucket
	defer func() {
		e.puts.Wait()
		if bucket != nil {
			e.r.close(bucket)
		}
	}()
	tracks := e.tracks()
	var queue []publication
	for e.wait(ctx, earlyEvery) {
		for _, t := range tracks {
			queue = append(queue, t.settled(e.r.dir)...)
		}
		var err error
		if bucket == nil && len(queue) > 0 {
			if bucket, err = e.r.bucket(ctx, e.r.o); err != nil {
				e.fail(err)
			} else if _, ok := bucket.(storage.BatchPutter); ok || e.r.stands(ctx, bucket, e.r.o, e.packages) {
				return
			}
		}
		for len(queue) > 0 && e.begin(ctx, bucket, queue[0]) {
			queue = queue[1:]
		}
		if err = e.failure(); err == nil {
			continue
		}
		if _, final := errors.AsType[*job.Error](err); final || ctx.Err() != nil {
			return // the publishing will say so
		}
		level("segments are not uploaded early", "error", err)
		level = log.Debug
		// A connection that was idle for long may have died of it: another.
		e.puts.Wait()
		if bucket != nil {
			e.r.close(bucket)
			bucket = nil
		}
		queue = append(e.takeBack(), queue...)
		pauses++
		if !e.wait(ctx, earlyRetry.Delay(pauses)) {
			return
		}
	}
}

// wait reports whether to go on after d. The loop of work is written by hand: an
// attempt is a round over the segments that exist by then, and End may stop it.
func (e *SegmentUploader) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.stop:
	case <-ctx.Done():
	}
	return false
}

// begin begins to upload a segment when there is a free slot, and reports
// whether it has.
func (e *SegmentUploader) begin(ctx context.Context, bucket storage.Bucket, p publication) bool {
	select {
	case e.slots <- struct{}{}:
	case <-e.stop:
		return false
	case <-ctx.Done():
		return false
	}
	if e.failure() != nil {
		<-e.slots
		return false
	}
	e.puts.Go(func() {
		defer func() { <-e.slots }()
		size, err := e.put(ctx, bucket, p)
		e.mu.Lock()
		defer e.mu.Unlock()
		if err != nil {
			e.back, e.failed = append(e.back, p), err
			return
		}
		e.stored[p.source] = size
	})
	return true
}

func (e *SegmentUploader) put(ctx context.Context, bucket storage.Bucket, p publication) (int64, error) {
	st, err := os.Stat(filepath.Join(e.r.dir, p.file))
	if err != nil {
		return 0, err
	}
	return st.Size(), e.r.put(ctx, bucket, p)
}

func (e *SegmentUploader) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed = err
}

func (e *SegmentUploader) failure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed
}

// takeBack forgets the failure and returns the segments that it met.
func (e *SegmentUploader) takeBack() []publication {
	e.mu.Lock()
	defer e.mu.Unlock()
	back := e.back
	e.back, e.failed = nil, nil
	return back
}

// growingTrack is a track whose segments come one after the other.
type growingTrack struct {
	stream.Package
	stream.Track
	there, told int
}

func (e *SegmentUploader) tracks() []*growingTrack {
	var list []*growingTrack
	for _, p := range e.packages {
		for _, t := range p.Tracks {
			list = append(list, &growingTrack{Package: p, Track: t})
		}
	}
	return list
}

// settled lists the segments that, since it was asked last, have become such as
// will be published as they are.
func (t *growingTrack) settled(dir string) []publication {
	for {
		if _, err := os.Stat(filepath.Join(dir, t.Segment(t.Track, t.there+1).Source)); err != nil {
			break
		}
		t.there++
	}
	var pubs []publication
	for ; t.told < t.Finalized(t.Track, t.there); t.told++ {
		f := t.Segment(t.Track, t.told+1)
		pubs = append(pubs, publication{key: t.Path + "/" + f.Path, source: f.Source, file: filepath.FromSlash(f.Source), contentType: f.ContentType})
	}
	return pubs
}

// remaining leaves out what was stored early and is still the same.
func remaining(dir string, pubs []publication, stored map[string]int64) []publication {
	var rest []publication
	for _, p := range pubs {
		size, ok := stored[p.source]
		if st, err := os.Stat(filepath.Join(dir, p.file)); ok && !p.last && err == nil && st.Size() == size {
			continue
		}
		rest = append(rest, p)
	}
	return rest
}
