package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/stream"
)

const (
	// playableScan is how often a PlayableStream looks for segments. Its first one should be there
	// at once.
	playableScan = 50 * time.Millisecond
	// playablePlaylist is how often its playlist grows at most.
	playablePlaylist = 2 * time.Second
	// playableUploads is how many of its segments are uploaded at once. The output comes first.
	playableUploads = 2
	// playableEnd bounds the upload of its last playlists.
	playableEnd = 30 * time.Second
)

// playableRetry has the pauses after the storage failed to store what belongs to it.
var playableRetry = retry.Policy{Waits: retry.Doubling(time.Second, 30*time.Second)}

// errNotByFiles is why a storage that takes all results in one call has no early stream.
var errNotByFiles = errors.New("the storage takes all results at once")

// PlayableStream publishes a stream in one rendition while it is made, beside the output that
// will be in its place. Its playlist grows. Nothing that goes wrong with it is an error of
// the job.
//
// A run that finds a stream of an earlier one says nothing of it again, and replaces its
// playlist only by the whole, so that it never becomes shorter for a player.
type PlayableStream struct {
	p       *Output
	plan    transcode.Early
	grow    *stream.Growing
	again   bool // an earlier run has published it
	bucket  storage.Bucket
	made    <-chan struct{} // closed when its step has ended
	failed  func() error    // how that has ended
	stopped context.CancelFunc
	done    chan struct{} // closed: nothing runs any more

	counted int // segments in the last playlist

	mu     sync.Mutex
	listed bool // there is a playlist
	ended  bool // it is whole
}

// StartPlayable begins to publish the early stream whose step makes segments in the run's
// folder. made is closed when it has ended; failed tells how. Close must be called in the
// end, and may be called after Replace and End.
func (p *Output) StartPlayable(ctx context.Context, plan transcode.Early, again bool, made <-chan struct{}, failed func() error) *PlayableStream {
	ctx, stop := context.WithCancel(ctx)
	e := &PlayableStream{
		p: p, plan: plan, grow: stream.NewGrowing(plan.Package, 1000*plan.PeakK), again: again,
		made: made, failed: failed, stopped: stop, done: make(chan struct{}),
	}
	go func() {
		defer close(e.done)
		if err := e.run(ctx); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "early stream not published", "error", err)
		}
	}()
	return e
}

// Output is the index of the output that it belongs to.
func (e *PlayableStream) Output() int { return e.plan.Output }

// run uploads segments until the last one, or until it is stopped.
func (e *PlayableStream) run(ctx context.Context) error {
	bucket, err := e.p.bucket(ctx, e.p.o)
	if err != nil {
		return err
	}
	if _, batch := bucket.(storage.BatchPutter); batch {
		e.p.close(ctx, bucket)
		return errNotByFiles
	}
	e.bucket = bucket
	e.p.streamExists(ctx, bucket, []stream.Package{e.plan.Later}) // before anything is uploaded, for Rollback
	root, err := os.OpenRoot(e.p.dir)
	if err != nil {
		return fmt.Errorf("open work directory: %w", err)
	}
	defer root.Close()
	next := time.Time{} // of the playlist
	failures := 0
	for {
		whole := e.whole()
		var failed error
		if whole {
			failed = e.failed()
		}
		err := e.upload(ctx, root, whole)
		ended := err == nil && whole && !e.complete(whole, 0)
		if ended && failed != nil && !e.isListed() {
			return failed // there is nothing to end
		}
		if err == nil && (ended || !e.again && e.grow.Made() > e.counted && !time.Now().Before(next)) {
			next = time.Now().Add(playablePlaylist)
			err = e.list(ctx, ended)
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case ended && err == nil:
			return failed
		case err == nil:
			failures = 0
			if !e.complete(whole, 0) && !pause(ctx, playableScan, e.made) {
				return context.Cause(ctx)
			}
			continue
		}
		if _, final := errors.AsType[*job.Error](err); final || !storage.IsUnavailable(err) {
			return err
		}
		failures++
		if !pause(ctx, playableRetry.Delay(failures), nil) {
			return context.Cause(ctx)
		}
	}
}

// pause waits for d, or until made is closed. It reports whether to go on.
func pause(ctx context.Context, d time.Duration, made <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-made:
	case <-ctx.Done():
		return false
	}
	return true
}

// whole reports whether all segments are there.
func (e *PlayableStream) whole() bool {
	select {
	case <-e.made:
		return true
	default:
		return false
	}
}

// upload measures and stores the segments that are complete: all but the last one, and that
// too when no more will come.
func (e *PlayableStream) upload(ctx context.Context, root *os.Root, whole bool) error {
	for {
		var objects []object
		for len(objects) < playableUploads && e.complete(whole, len(objects)) {
			f := e.grow.Segment(e.plan.Package.Tracks[0], e.grow.Made()+len(objects)+1)
			objects = append(objects, object{key: path.Join(e.plan.Package.Path, f.Path), name: filepath.FromSlash(f.Source), contentType: f.ContentType})
		}
		if len(objects) == 0 {
			return nil
		}
		g, gctx := errgroup.WithContext(ctx)
		for _, o := range objects {
			g.Go(func() error { return e.p.put(gctx, e.bucket, o) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for _, o := range objects {
			if err := e.grow.Add(root.FS()); err != nil {
				return brokenStream(err)
			}
			if err := root.Remove(o.name); err != nil { // it is of no more use here
				e.p.log.DebugContext(ctx, "segment not removed", "error", err)
			}
		}
		if !e.again && !e.isListed() {
			return nil // the first ones are to be told of at once
		}
	}
}

// complete reports whether the segment that comes n after the next one is complete.
func (e *PlayableStream) complete(whole bool, n int) bool {
	there := func(n int) bool {
		f := e.grow.Segment(e.plan.Package.Tracks[0], e.grow.Made()+n+1)
		_, err := os.Lstat(filepath.Join(e.p.dir, filepath.FromSlash(f.Source)))
		return err == nil
	}
	return there(n) && (whole || there(n+1))
}

func (e *PlayableStream) isListed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.listed
}

// list stores the playlists, and tells of them when they are the first.
func (e *PlayableStream) list(ctx context.Context, ended bool) error {
	if e.grow.Made() == 0 {
		return errors.New("it has no segment")
	}
	files := e.grow.Playlists(ended)
	if e.isListed() {
		files = files[:1] // the outer one does not change
	}
	for _, f := range files {
		if err := e.putData(ctx, f); err != nil {
			return err
		}
	}
	e.counted = e.grow.Made()
	e.mu.Lock()
	first := !e.listed
	e.listed, e.ended = true, e.ended || ended
	e.mu.Unlock()
	if !first || e.again {
		return nil
	}
	address := e.bucket.URL(path.Join(e.plan.Package.Path, e.plan.Package.Name+".m3u8"))
	return e.p.lease.Record(ctx, job.Event{Kind: job.StreamPlayableEvent, Output: e.p.o.Key, Result: job.Result{Early: address}})
}

// putData stores a file that is not in the work directory yet.
func (e *PlayableStream) putData(ctx context.Context, f stream.File) error {
	root, err := os.OpenRoot(e.p.dir)
	if err != nil {
		return fmt.Errorf("open work directory: %w", err)
	}
	defer root.Close()
	name := filepath.Join(e.plan.Package.Dir, "list-"+f.Path)
	if err := root.WriteFile(name, f.Data, 0o600); err != nil {
		return fmt.Errorf("write playlist: %w", err)
	}
	return e.p.put(ctx, e.bucket, object{key: path.Join(e.plan.Package.Path, f.Path), name: name, contentType: f.ContentType, isPlaylist: true})
}

// Close stops the uploads and leaves the stream as it is: another run may go on.
func (e *PlayableStream) Close() {
	e.stopped()
	<-e.done
	e.mu.Lock()
	bucket := e.bucket
	e.bucket = nil
	e.mu.Unlock()
	if bucket != nil {
		e.p.close(context.Background(), bucket) // the run may have ended
	}
}

// End stops the uploads. A playlist that is not whole ends where it is.
func (e *PlayableStream) End(ctx context.Context) {
	e.stopped()
	<-e.done
	defer e.Close()
	e.end(ctx)
}

func (e *PlayableStream) end(ctx context.Context) {
	if e.bucket == nil || !e.isListed() || e.ended {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, playableEnd)
	defer cancel()
	if err := e.list(ctx, true); err != nil {
		e.p.log.WarnContext(ctx, "playlist of early stream not ended", "error", err)
	}
}

// Replace is End for an output that has been published from packages: the address of the
// early stream then leads to it.
func (e *PlayableStream) Replace(ctx context.Context, packages []stream.Package) {
	e.stopped()
	<-e.done
	defer e.Close()
	if e.bucket == nil || !e.isListed() && !e.again {
		return
	}
	e.end(ctx)
	ctx, cancel := context.WithTimeout(ctx, playableEnd)
	defer cancel()
	if err := e.refer(ctx, packages); err != nil {
		e.p.log.WarnContext(ctx, "early stream not replaced", "error", err)
	}
}

// refer replaces the outer playlist by that of the output.
func (e *PlayableStream) refer(ctx context.Context, packages []stream.Package) error {
	i := slices.IndexFunc(packages, func(p stream.Package) bool { return p.HLS && p.Path == e.plan.Later.Path })
	if i < 0 {
		return errors.New("the output has no HLS")
	}
	root, err := os.OpenRoot(e.p.dir)
	if err != nil {
		return fmt.Errorf("open work directory: %w", err)
	}
	defer root.Close()
	playlist, err := root.ReadFile(filepath.Join(packages[i].Dir+publishedSuffix, packages[i].Name+".m3u8"))
	if err != nil {
		return fmt.Errorf("read playlist: %w", err)
	}
	return e.putData(ctx, stream.File{Path: e.plan.Package.Name + ".m3u8", Data: stream.Referring(playlist), ContentType: stream.PlaylistType})
}
