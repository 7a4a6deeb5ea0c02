package execute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/worker/workdir"
)

const (
	// followSteps is how many steps may follow the one that encodes pictures.
	// They wait most of the time, in some 15 MiB each.
	followSteps = 16
	// followEvery is how often a file is looked at for more.
	followEvery = 100 * time.Millisecond
	// punchStep is how much of an intermediate is given back at a time.
	punchStep = 1 << 20
)

// intermediates are the files between the steps of a plan. They are given up as
// soon as no step needs them: one that is only followed from behind while it
// grows, any other in one piece.
type intermediates struct {
	log *slog.Logger
	dir string
	// pinned tells of a file that is needed whole by somebody else yet.
	pinned func(name string) bool

	mu    sync.Mutex
	files map[string]*intermediate
}

// intermediate is one file and who reads it.
type intermediate struct {
	whole     int              // steps to come that read it by its name
	followers map[string]int64 // those to come and at work, with how far they have read
	given     int64            // up to where it was given back
	solid     bool             // the file system cannot give back a part
}

func newIntermediates(log *slog.Logger, dir string, plan transcode.Plan, pinned func(name string) bool) *intermediates {
	m := &intermediates{log: log, dir: dir, pinned: pinned, files: map[string]*intermediate{}}
	of := func(name string) *intermediate {
		if m.files[name] == nil {
			m.files[name] = &intermediate{followers: map[string]int64{}}
		}
		return m.files[name]
	}
	for _, st := range plan.Steps {
		for _, name := range st.Reads {
			of(name).whole++
		}
		if st.Tail.Name != "" {
			of(st.Tail.Name).followers[st.ID] = 0
		}
	}
	return m
}

// took notes how far a step has read what it follows, and gives back what all
// have behind them.
func (m *intermediates) took(st transcode.Step, offset int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[st.Tail.Name]
	f.followers[st.ID] = offset
	for _, at := range f.followers {
		offset = min(offset, at)
	}
	offset -= offset % punchStep
	if offset <= f.given || f.whole > 0 || f.solid || m.pinned(st.Tail.Name) {
		return
	}
	if err := punch(m.dir, st.Tail.Name, f.given, offset-f.given); err != nil {
		f.solid = true
		m.log.Debug("the work directory cannot give back parts of files", "error", err)
		return
	}
	f.given = offset
}

// punch gives back a part of a file.
func punch(dir, name string, offset, length int64) error {
	file, err := workdir.OpenRegularIn(dir, name, os.O_WRONLY)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
}

// ended notes that a step reads no more, and removes what nobody does.
func (m *intermediates) ended(st transcode.Step) {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := st.Reads
	for _, name := range st.Reads {
		m.files[name].whole--
	}
	if st.Tail.Name != "" {
		delete(m.files[st.Tail.Name].followers, st.ID)
		names = append(names[:len(names):len(names)], st.Tail.Name)
	}
	for _, name := range names {
		if f := m.files[name]; f.whole > 0 || len(f.followers) > 0 || m.pinned(name) {
			continue
		}
		if err := os.Remove(filepath.Join(m.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			m.log.Debug("removing an intermediate", "error", err)
		}
	}
}

// follow waits until what st follows has begun and returns what reads it; nil:
// it follows nothing.
func (s *Run) follow(ctx context.Context, st transcode.Step) (*follower, error) {
	if st.Tail == (transcode.TailInput{}) {
		return nil, nil
	}
	f := &follower{
		dir: s.dir, name: st.Tail.Name, ended: s.done[st.Tail.Step],
		failed: func() error { return s.err(st.Tail.Step) },
		took:   func(offset int64) { s.tracks.took(st, offset) },
	}
	return f, f.await(ctx)
}

// follower reads a file that a step writes, up to where that has ended.
type follower struct {
	dir    string
	name   string
	ended  <-chan struct{}
	failed func() error       // how the step has ended
	took   func(offset int64) // told what has been taken in

	file   *os.File
	offset int64
}

// await waits for the first bytes.
func (f *follower) await(ctx context.Context) error {
	for {
		over, err := f.over()
		if err != nil {
			return err
		}
		if st, err := os.Lstat(filepath.Join(f.dir, f.name)); over || err == nil && st.Size() > 0 {
			return nil
		}
		if err := f.pause(ctx); err != nil {
			return err
		}
	}
}

// Read implements ffmpeg.Input.
func (f *follower) Read(ctx context.Context, p []byte) (int, error) {
	if f.file == nil {
		file, err := workdir.OpenRegularIn(f.dir, f.name, os.O_RDONLY)
		if err != nil {
			return 0, fmt.Errorf("open intermediate: %w", err)
		}
		f.file = file
	}
	f.took(f.offset)
	for {
		over, err := f.over() // asked first, or else what is written until then would be missed
		if err != nil {
			return 0, err
		}
		n, err := f.file.ReadAt(p, f.offset)
		if n > 0 {
			f.offset += int64(n)
			return n, nil
		}
		if !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read intermediate: %w", err)
		}
		if over {
			return 0, io.EOF
		}
		if err := f.pause(ctx); err != nil {
			return 0, err
		}
	}
}

// over reports whether the file grows no more; an error says that what made it
// has failed.
func (f *follower) over() (bool, error) {
	select {
	case <-f.ended:
	default:
		return false, nil
	}
	if err := f.failed(); err != nil {
		return true, fmt.Errorf("%w: %w", errSkipped, err)
	}
	return true, nil
}

func (f *follower) pause(ctx context.Context) error {
	timer := time.NewTimer(followEvery)
	defer timer.Stop()
	select {
	case <-f.ended:
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

func (f *follower) close() {
	if f.file != nil {
		f.file.Close()
	}
}
