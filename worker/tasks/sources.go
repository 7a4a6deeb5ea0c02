package tasks

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/copra-video/copra/transcode/ffmpeg"
)

// sweepEvery is how often a process asks whether the jobs of unused inputs have tasks left.
const sweepEvery = 2 * time.Second

// SourceStore is what Sources need of the database.
type SourceStore interface {
	// JobsWithTasks returns which of the jobs have tasks.
	JobsWithTasks(ctx context.Context, jobIDs []string) (map[string]bool, error)
}

// Source is the copy of a job's input on the disk of this process, which may still be
// arriving.
type Source interface {
	// Use, Err and Unchanged are those of execute.Source.
	Use(ctx context.Context, dir string) (served *ffmpeg.Served, done func(), err error)
	Err() error
	Unchanged(ctx context.Context) error
	// Identity names the content, equally in every process.
	Identity(ctx context.Context) (string, error)
	// Retain notes one more user. Close ends one use, and with the last one the transfers.
	Retain()
	Close()
}

// Sources keeps the inputs of the jobs whose tasks this process runs. An input is
// opened once, and stays until its job has no task left.
type Sources struct {
	store  SourceStore
	folder func(jobID string) string
	log    *slog.Logger

	mu     sync.Mutex
	kept   map[string]*kept  // by job
	lent   map[string]Source // by job, of runs of this process
	sweeps bool              // a sweep is under way
}

// kept is one input. Its lock is held while it is opened.
type kept struct {
	users int // guarded by Sources.mu

	mu     sync.Mutex
	source Source // nil: not opened
	cancel context.CancelFunc
}

// NewSources returns an empty set. folder names the folder for the input of a job.
func NewSources(store SourceStore, folder func(jobID string) string, log *slog.Logger) *Sources {
	return &Sources{store: store, folder: folder, log: log, kept: map[string]*kept{}, lent: map[string]Source{}}
}

// Lend offers the input of a run of this process to tasks of its job that run here too, until
// revoke is called.
func (s *Sources) Lend(jobID string, source Source) (revoke func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lent[jobID] = source
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.lent, jobID)
	}
}

// Open returns the input of a job. If the process does not have it, open opens it, with its
// file in a folder; transfers end with the context that open gets. The caller must call Close
// when it no longer needs the input.
func (s *Sources) Open(ctx context.Context, jobID string, open func(ctx context.Context, dir string) (Source, error)) (Source, error) {
	s.mu.Lock()
	lent, here := s.lent[jobID]
	if here {
		lent.Retain()
	}
	s.mu.Unlock()
	if here {
		return lent, nil
	}
	k := s.use(jobID)
	source, err := k.get(ctx, s.folder(jobID), open)
	if err != nil {
		s.leave(ctx, k)
		return nil, err
	}
	return &use{Source: source, leave: sync.OnceFunc(func() { s.leave(ctx, k) })}, nil
}

// use is one use of a kept input.
type use struct {
	Source
	leave func()
}

// Retain implements Source.
func (u *use) Retain() { panic("a kept input has one user for each Open") }

// Close implements Source.
func (u *use) Close() { u.leave() }

// get returns the input, which it opens if it is not there, or has failed.
func (k *kept) get(ctx context.Context, folder string, open func(ctx context.Context, dir string) (Source, error)) (Source, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.source != nil && k.source.Err() == nil {
		return k.source, nil
	}
	k.close()
	if err := os.RemoveAll(folder); err != nil {
		return nil, fmt.Errorf("clear folder of input: %w", err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of input: %w", err)
	}
	// It may serve other tasks after this one.
	kept, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, cancel)() // while it is opened
	source, err := open(kept, folder)
	if err != nil {
		cancel()
		_ = os.RemoveAll(folder)
		return nil, err
	}
	k.source, k.cancel = source, cancel
	return source, nil
}

// close closes the input, if it was opened. The lock is held, or nobody uses it.
func (k *kept) close() {
	if k.source != nil {
		k.source.Close()
		k.cancel()
		k.source = nil
	}
}

// use begins one use of the input of a job.
func (s *Sources) use(jobID string) *kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept[jobID] == nil {
		s.kept[jobID] = &kept{}
	}
	s.kept[jobID].users++
	return s.kept[jobID]
}

// leave ends one use. While there are unused inputs, a sweep runs.
func (s *Sources) leave(ctx context.Context, k *kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.users--
	if k.users == 0 && !s.sweeps {
		s.sweeps = true
		go s.sweep(context.WithoutCancel(ctx))
	}
}

// sweep removes unused inputs whose jobs have no tasks, until no input is unused. Nothing
// stops it before that: when the process ends, its whole folder is removed.
func (s *Sources) sweep(ctx context.Context) {
	for s.sweepOnce(ctx) {
		timer := time.NewTimer(sweepEvery)
		<-timer.C
	}
}

// sweepOnce removes unused inputs whose jobs have no tasks, and reports whether others are
// left.
func (s *Sources) sweepOnce(ctx context.Context) (left bool) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	unused := s.unused()
	open := map[string]bool{}
	if len(unused) > 0 {
		var err error
		if open, err = s.store.JobsWithTasks(ctx, unused); err != nil {
			s.log.DebugContext(ctx, "sources not swept", "error", err)
			return true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range unused {
		k := s.kept[id]
		if k == nil || k.users > 0 || open[id] {
			continue
		}
		delete(s.kept, id)
		k.close()
		if err := os.RemoveAll(s.folder(id)); err != nil {
			s.log.WarnContext(ctx, "folder of input not removed", "job", id, "error", err)
		}
	}
	for _, k := range s.kept {
		left = left || k.users == 0
	}
	s.sweeps = left
	return left
}

// unused returns the jobs whose inputs nobody uses.
func (s *Sources) unused() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, k := range s.kept {
		if k.users == 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
