package artifacts

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	artifactstore "github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode"
)

// transfersAtOnce is how many artifacts of a run are restored, and how many are
// stored, at the same time.
const transfersAtOnce = 2

// Session is what a run has of the artifact store. A session without a store
// restores and stores nothing.
type Session struct {
	store   *artifactstore.Store // nil: there is none
	job     string
	root    *os.Root // of the run's work files, in which ffmpeg writes too
	program string
	log     *slog.Logger
	metrics *Metrics

	// stored returns the keys of the job's artifacts. It asks the store once.
	stored func() map[string]bool
	// checksum returns that of a file which artifacts are made from: the source or a
	// watermark. It reads each file once.
	checksum func(name string) (string, error)

	restoreSlots, storeSlots *semaphore.Weighted

	storing sync.WaitGroup
	ctx     context.Context //nolint:containedctx // of what is stored in the background, which may outlive the run's context
	cancel  context.CancelCauseFunc

	mu       sync.Mutex
	failed   bool            // a restore failed: this run restores no more
	unusable map[string]bool // by key: stored, but could not be restored
	added    map[string]bool // by key: stored by another process since stored was asked
	pinned   map[string]bool // by name of a file: it is still to be stored
}

func newSession(ctx context.Context, c *Cache, jobID string, root *os.Root) *Session {
	s := &Session{
		store: c.store, job: jobID, root: root, program: c.program, log: c.log, metrics: c.metrics,
		restoreSlots: semaphore.NewWeighted(transfersAtOnce), storeSlots: semaphore.NewWeighted(transfersAtOnce),
		unusable: map[string]bool{}, added: map[string]bool{}, pinned: map[string]bool{},
	}
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	s.stored = sync.OnceValue(func() map[string]bool { return s.list(ctx) })
	s.checksum = onceEach(func(name string) (string, error) { return checksum(s.ctx, root, name) })
	return s
}

// onceEach calls f once for each argument and remembers what it returned.
func onceEach(f func(string) (string, error)) func(string) (string, error) {
	var mu sync.Mutex
	calls := map[string]func() (string, error){}
	return func(name string) (string, error) {
		mu.Lock()
		if calls[name] == nil {
			calls[name] = sync.OnceValues(func() (string, error) { return f(name) })
		}
		call := calls[name]
		mu.Unlock()
		return call()
	}
}

// list returns the keys that the store has for the job; none if it fails.
func (s *Session) list(ctx context.Context) map[string]bool {
	list, err := s.store.List(ctx, s.job)
	if err != nil {
		s.warn(ctx, "artifact list failed", err)
		s.metrics.count(resultError)
		return nil
	}
	keys := map[string]bool{}
	for _, k := range list {
		keys[k] = true
	}
	return keys
}

// usable reports whether the store has an artifact that can be restored, as far as
// is known. It may ask the store first.
func (s *Session) usable(key string) bool {
	stored := s.stored()
	s.mu.Lock()
	defer s.mu.Unlock()
	return (stored[key] || s.added[key]) && !s.unusable[key]
}

// Enabled reports whether the session has a store.
func (s *Session) Enabled() bool { return s.store != nil }

// SourceSum names the content of the source in hex. The first call may read all of it.
func (s *Session) SourceSum() (string, error) { return s.checksum(transcode.SourceName) }

// IdentifySource tells the session how the source is identified, which may not be in the
// folder. Without it its SHA-256 is. It must be called before all else.
func (s *Session) IdentifySource(identity func(context.Context) (string, error)) {
	if s.store == nil {
		return
	}
	read := s.checksum
	s.checksum = onceEach(func(name string) (string, error) {
		if name == transcode.SourceName {
			return identity(s.ctx)
		}
		return read(name)
	})
}

// Program is the version of ffmpeg, which is part of every key.
func (s *Session) Program() string { return s.program }

// Pinned reports whether a file is still to be stored. Until then it must stay
// whole.
func (s *Session) Pinned(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pinned[name]
}

func (s *Session) pin(a transcode.Artifact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range a.Files {
		s.pinned[name] = true
	}
}

func (s *Session) unpin(artifacts ...transcode.Artifact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range artifacts {
		for _, name := range a.Files {
			delete(s.pinned, name)
		}
	}
}

// warn logs an error of the store, unless ctx has ended and caused it.
func (s *Session) warn(ctx context.Context, message string, err error) {
	if ctx.Err() == nil {
		s.log.WarnContext(ctx, message, "error", err)
	}
}

// DropLate deletes what was stored for a job that has ended meanwhile.
func (s *Session) DropLate(ctx context.Context) {
	if err := s.store.Drop(ctx, s.job); err != nil {
		s.warn(ctx, "artifacts not deleted", err) // the Collector will try again
	}
}

// End says how a run has ended.
type End int

// The ends of a run.
const (
	// Completed: the job is complete, so its artifacts are of no use.
	Completed End = iota
	// Abandoned: the lease is lost or the job was cancelled.
	Abandoned
	// Failed: the job has failed, or the run has and another one follows.
	Failed
	// Stopped: the process stops.
	Stopped
)

// storeGrace is how long the end of a run waits for what is still being stored. A
// run that failed can wait, and helps its successor. A process that stops must not
// keep the others waiting.
var storeGrace = map[End]time.Duration{Completed: 0, Abandoned: 0, Failed: 30 * time.Second, Stopped: 1500 * time.Millisecond}

// Close ends the session. It waits for what is still being stored if that can be of
// use, and deletes the artifacts of a completed job. Those of a job that failed or
// was cancelled stay for a retry, until the Collector deletes them.
func (s *Session) Close(ctx context.Context, end End) {
	if s.store == nil {
		return
	}
	defer s.root.Close()
	defer s.cancel(nil)
	done := make(chan struct{})
	go func() {
		s.storing.Wait()
		close(done)
	}()
	timer := time.NewTimer(storeGrace[end])
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		s.cancel(errors.New("the run has ended"))
		<-done
	}
	if end != Completed {
		return
	}
	if err := s.store.Drop(context.WithoutCancel(ctx), s.job); err != nil {
		s.log.WarnContext(ctx, "artifacts not deleted", "error", err) // the Collector will try again
	}
}
