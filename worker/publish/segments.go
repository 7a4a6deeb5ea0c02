package publish

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode/stream"
)

// scanEvery is how often a SegmentUploader looks for new segments.
const scanEvery = time.Second

// segmentRetry has the pauses after the storage failed to store a segment.
var segmentRetry = retry.Policy{Waits: retry.Doubling(5*time.Second, time.Minute)}

// SegmentUploader uploads the segments of a stream while its steps still run. It
// uploads a segment once it is certain that the finished stream will contain it
// unchanged. So the end of a long stream is short.
//
// It decides nothing: Output.Publish uploads whatever it has not, for any reason.
// It uploads nothing if an older stream is in the place, whose segments must stay
// until the new stream is complete.
//
// A nil *SegmentUploader does nothing.
type SegmentUploader struct {
	p        *Output
	packages []stream.Package

	cancel context.CancelFunc
	stop   chan struct{} // closed: no further upload begins
	done   chan struct{} // closed: nothing runs any more

	puts  sync.WaitGroup
	slots chan struct{}

	mu       sync.Mutex
	uploaded map[string]int64 // by object.source: the size
	failed   []object         // since the last pause
	err      error            // since the last pause
}

// StartSegments starts to upload segments, unless the output is no stream or has a
// URL of its own. Either Finish or Abandon must be called.
func (p *Output) StartSegments(ctx context.Context, packages []stream.Package) *SegmentUploader {
	if len(packages) == 0 || !p.o.URL.IsZero() {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	u := &SegmentUploader{
		p: p, packages: packages, cancel: cancel,
		stop: make(chan struct{}), done: make(chan struct{}), slots: make(chan struct{}, p.c.Uploads),
		uploaded: map[string]int64{},
	}
	go func() {
		defer close(u.done)
		ctx, span := telemetry.Start(ctx, "upload segments", slog.String("service", p.service()))
		u.run(ctx)
		span.Set(slog.Int("files", len(u.uploaded)))
		span.End(nil) // Publish uploads what it could not
	}()
	return u
}

// Abandon cancels the uploads and waits until they have ended. It may be called
// after Finish.
func (u *SegmentUploader) Abandon() {
	if u == nil {
		return
	}
	u.cancel()
	<-u.done
}

// Finish waits for the uploads in flight. It returns the sizes of the segments that
// were uploaded, by their names in the work directory.
func (u *SegmentUploader) Finish() map[string]int64 {
	if u == nil {
		return nil
	}
	close(u.stop)
	<-u.done
	return u.uploaded
}

// run looks for segments and uploads them until it is told to stop. The loop is not
// a retry.Policy: each attempt is a round over the segments that exist by then.
func (u *SegmentUploader) run(ctx context.Context) {
	level := u.p.log.WarnContext // for the first failure only
	failures := 0
	var bucket storage.Bucket
	closeBucket := func() {
		u.puts.Wait()
		if bucket != nil {
			u.p.close(ctx, bucket)
			bucket = nil
		}
	}
	defer closeBucket()
	tracks := u.tracks()
	var queue []object
	for u.wait(ctx, scanEvery) {
		for _, t := range tracks {
			queue = append(queue, t.finalized(u.p.dir)...)
		}
		var err error
		if bucket == nil && len(queue) > 0 {
			if bucket, err = u.p.bucket(ctx, u.p.o); err != nil {
				u.fail(err)
			} else if _, ok := bucket.(storage.BatchPutter); ok || u.p.streamExists(ctx, bucket, u.packages) {
				return
			}
		}
		for len(queue) > 0 && u.start(ctx, bucket, queue[0]) {
			queue = queue[1:]
		}
		if err = u.failure(); err == nil {
			continue
		}
		if _, final := errors.AsType[*job.Error](err); final || ctx.Err() != nil {
			return // Publish will meet the same error and report it
		}
		level(ctx, "segment upload failed", "error", err)
		level = u.p.log.DebugContext
		closeBucket() // its connection may have died while it was idle
		queue = append(u.requeueFailed(), queue...)
		failures++
		if !u.wait(ctx, segmentRetry.Delay(failures)) {
			return
		}
	}
}

// wait waits for d and reports whether to go on.
func (u *SegmentUploader) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-u.stop:
	case <-ctx.Done():
	}
	return false
}

// start waits for a free slot and starts to upload a segment. It returns false when
// it has not, because it was stopped or another upload has failed.
func (u *SegmentUploader) start(ctx context.Context, bucket storage.Bucket, o object) bool {
	select {
	case u.slots <- struct{}{}:
	case <-u.stop:
		return false
	case <-ctx.Done():
		return false
	}
	if u.failure() != nil {
		<-u.slots
		return false
	}
	u.puts.Go(func() {
		defer func() { <-u.slots }()
		size, err := u.put(ctx, bucket, o)
		u.mu.Lock()
		defer u.mu.Unlock()
		if err != nil {
			u.failed, u.err = append(u.failed, o), err
			return
		}
		u.uploaded[o.source] = size
	})
	return true
}

// put uploads a segment and returns its size.
func (u *SegmentUploader) put(ctx context.Context, bucket storage.Bucket, o object) (int64, error) {
	st, err := os.Stat(filepath.Join(u.p.dir, o.name))
	if err != nil {
		return 0, err
	}
	return st.Size(), u.p.put(ctx, bucket, o)
}

func (u *SegmentUploader) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.err = err
}

func (u *SegmentUploader) failure() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// requeueFailed forgets the failure and returns the segments that failed.
func (u *SegmentUploader) requeueFailed() []object {
	u.mu.Lock()
	defer u.mu.Unlock()
	failed := u.failed
	u.failed, u.err = nil, nil
	return failed
}

// liveTrack is a track whose segments are being cut.
type liveTrack struct {
	stream.Package
	stream.Track
	cut      int // how many segments there are
	returned int // how many of them finalized has returned
}

func (u *SegmentUploader) tracks() []*liveTrack {
	var list []*liveTrack
	for _, p := range u.packages {
		for _, t := range p.Tracks {
			list = append(list, &liveTrack{Package: p, Track: t})
		}
	}
	return list
}

// finalized returns the segments that the finished stream will contain unchanged,
// without those that it has returned before.
func (t *liveTrack) finalized(dir string) []object {
	for {
		if _, err := os.Stat(filepath.Join(dir, t.Segment(t.Track, t.cut+1).Source)); err != nil {
			break
		}
		t.cut++
	}
	var objects []object
	for ; t.returned < t.Finalized(t.Track, t.cut); t.returned++ {
		f := t.Segment(t.Track, t.returned+1)
		objects = append(objects, object{key: t.Path + "/" + f.Path, name: filepath.FromSlash(f.Source), source: f.Source, contentType: f.ContentType})
	}
	return objects
}

// remaining returns the objects that are not uploaded yet, or have changed since.
func remaining(dir string, objects []object, uploaded map[string]int64) []object {
	var rest []object
	for _, o := range objects {
		size, ok := uploaded[o.source]
		if st, err := os.Stat(filepath.Join(dir, o.name)); ok && !o.isPlaylist && err == nil && st.Size() == size {
			continue
		}
		rest = append(rest, o)
	}
	return rest
}
