package tasks

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/copra-video/copra/transcode"
)

// sweepEvery is how often a process asks whether the jobs of unused inputs have tasks left.
const sweepEvery = 2 * time.Second

// SourceStore is what Sources need of the database.
type SourceStore interface {
	// JobsWithTasks returns which of the jobs have tasks.
	JobsWithTasks(ctx context.Context, jobIDs []string) (map[string]bool, error)
}

// Source is the input of a job on the disk of this process.
type Source struct {
	Path string
	Sum  string // its SHA-256 in hex
}

// Sources keeps the inputs of the jobs whose tasks this process runs. An input is
// fetched once, and stays until its job has no task left.
type Sources struct {
	store  SourceStore
	folder func(jobID string) string
	log    *slog.Logger

	mu     sync.Mutex
	kept   map[string]*kept  // by job
	lent   map[string]Source // by job, of runs of this process
	sweeps bool              // a sweep is under way
}

// kept is one input. Its lock is held while it is fetched.
type kept struct {
	users int // guarded by Sources.mu

	mu     sync.Mutex
	source *Source // nil: not fetched
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

// Place links the input of a job into dir as transcode.SourceName, and returns its checksum,
// a SHA-256 in hex. If the process does not have the input, fetch downloads it into a folder
// under that name. The caller must call release when it no longer needs the input.
func (s *Sources) Place(ctx context.Context, jobID, dir string, fetch func(ctx context.Context, dir string) (sum string, err error)) (sum string, release func(), err error) {
	s.mu.Lock()
	lent, here := s.lent[jobID]
	s.mu.Unlock()
	if here && os.Link(lent.Path, filepath.Join(dir, transcode.SourceName)) == nil {
		return lent.Sum, func() {}, nil // the hard link is still there when the run has ended
	}
	k := s.use(jobID)
	release = sync.OnceFunc(func() { s.leave(ctx, k) })
	source, err := k.get(ctx, s.folder(jobID), fetch)
	if err == nil {
		err = os.Link(source.Path, filepath.Join(dir, transcode.SourceName))
	}
	if err != nil {
		release()
		return "", nil, err
	}
	return source.Sum, release, nil
}

// get returns the input, which it fetches if it is not there.
func (k *kept) get(ctx context.Context, folder string, fetch func(ctx context.Context, dir string) (string, error)) (Source, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.source != nil {
		return *k.source, nil
	}
	if err := os.RemoveAll(folder); err != nil {
		return Source{}, fmt.Errorf("clear folder of input: %w", err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return Source{}, fmt.Errorf("make folder of input: %w", err)
	}
	sum, err := fetch(ctx, folder)
	if err != nil {
		_ = os.RemoveAll(folder)
		return Source{}, err
	}
	k.source = &Source{Path: filepath.Join(folder, transcode.SourceName), Sum: sum}
	return *k.source, nil
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
			s.log.Debug("sources not swept", "error", err)
			return true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range unused {
		if k := s.kept[id]; k == nil || k.users > 0 || open[id] {
			continue
		}
		delete(s.kept, id)
		if err := os.RemoveAll(s.folder(id)); err != nil {
			s.log.Warn("folder of input not removed", "job", id, "error", err)
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
