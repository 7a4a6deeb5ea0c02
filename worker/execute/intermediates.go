package execute

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/worker/workdir"
)

// punchStep is how much of an intermediate is given back to the disk at a time.
const punchStep = 1 << 20

// intermediates are the files that steps make for other steps. One that is only
// followed is given back to the disk behind its readers, while it grows. Every
// other one is removed when no step needs it.
type intermediates struct {
	log    *slog.Logger
	dir    string
	pinned func(name string) bool // whether a file must stay whole

	mu    sync.Mutex
	files map[string]*intermediate
}

// intermediate is one file and its readers.
type intermediate struct {
	readers     int              // how many steps to come read it by its name
	tails       map[string]int64 // by step that follows it, now or later: how far it has read
	punchedTo   int64            // up to where it was given back
	noHolePunch bool             // the file system cannot give back a part
}

func newIntermediates(log *slog.Logger, dir string, plan transcode.Plan, pinned func(name string) bool) *intermediates {
	m := &intermediates{log: log, dir: dir, pinned: pinned, files: map[string]*intermediate{}}
	of := func(name string) *intermediate {
		if m.files[name] == nil {
			m.files[name] = &intermediate{tails: map[string]int64{}}
		}
		return m.files[name]
	}
	for _, st := range plan.Steps {
		for _, name := range st.Reads {
			of(name).readers++
		}
		if st.Tail.Name != "" {
			of(st.Tail.Name).tails[st.ID] = 0
		}
	}
	return m
}

// advance notes how far a step has read what it follows, and gives back to the
// disk what all have read.
func (m *intermediates) advance(ctx context.Context, st transcode.Step, offset int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[st.Tail.Name]
	f.tails[st.ID] = offset
	for _, at := range f.tails {
		offset = min(offset, at)
	}
	offset -= offset % punchStep
	if offset <= f.punchedTo || f.readers > 0 || f.noHolePunch || m.pinned(st.Tail.Name) {
		return
	}
	if err := punch(m.dir, st.Tail.Name, f.punchedTo, offset-f.punchedTo); err != nil {
		f.noHolePunch = true
		m.log.DebugContext(ctx, "hole not punched", "file", st.Tail.Name, "error", err)
		return
	}
	f.punchedTo = offset
}

// punch gives a part of a file back to the disk (fallocate(2)).
func punch(dir, name string, offset, length int64) error {
	file, err := workdir.OpenRegularIn(dir, name, os.O_WRONLY)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
}

// release notes that a step has ended, and removes the files that no step needs
// any more.
func (m *intermediates) release(ctx context.Context, st transcode.Step) {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := slices.Clone(st.Reads)
	for _, name := range st.Reads {
		m.files[name].readers--
	}
	if st.Tail.Name != "" {
		delete(m.files[st.Tail.Name].tails, st.ID)
		names = append(names, st.Tail.Name)
	}
	for _, name := range names {
		if f := m.files[name]; f.readers > 0 || len(f.tails) > 0 || m.pinned(name) {
			continue
		}
		if err := os.Remove(filepath.Join(m.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			m.log.DebugContext(ctx, "intermediate not removed", "file", name, "error", err)
		}
	}
}

// RemoveFiles removes what the steps of a plan have made in dir, except for pinned
// files. It removes whole entries of dir, by the first element of each path, since
// names can be patterns. What it cannot remove goes with the run's folder.
func RemoveFiles(dir string, plan transcode.Plan, pinned func(name string) bool) {
	remove := map[string]bool{}
	for _, st := range plan.Steps {
		for _, name := range append(slices.Clone(st.Files), st.Dirs...) {
			top, _, _ := strings.Cut(name, "/")
			if _, seen := remove[top]; !seen || pinned(name) {
				remove[top] = !pinned(name)
			}
		}
	}
	for name, yes := range remove {
		if yes {
			_ = os.RemoveAll(filepath.Join(dir, name))
		}
	}
}
