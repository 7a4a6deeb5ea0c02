package execute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/worker/workdir"
)

// tailEvery is how often a growing file is looked at for more.
const tailEvery = 100 * time.Millisecond

// openTail returns the reader of the intermediate that st follows, once that has
// begun to grow. It returns nil when st follows none.
func (e *Execution) openTail(ctx context.Context, st transcode.Step) (*tailReader, error) {
	if st.Tail == (transcode.TailInput{}) {
		return nil, nil
	}
	t := &tailReader{
		dir: e.dir, name: st.Tail.Name, complete: e.done[st.Tail.Step],
		failed:  func() error { return e.err(st.Tail.Step) },
		advance: func(offset int64) { e.intermediates.advance(ctx, st, offset) },
	}
	return t, t.await(ctx)
}

// tailReader reads a file while a step writes it, and ends where the step has
// ended it.
type tailReader struct {
	dir      string
	name     string
	complete <-chan struct{}    // closed when the step that writes it has ended
	failed   func() error       // how that step has ended
	advance  func(offset int64) // told up to where the file was read and used

	file   *os.File
	offset int64
}

// await waits for the first bytes.
func (t *tailReader) await(ctx context.Context) error {
	for {
		complete, err := t.ended()
		if err != nil {
			return err
		}
		if st, err := os.Lstat(filepath.Join(t.dir, t.name)); complete || err == nil && st.Size() > 0 {
			return nil
		}
		if err := t.pause(ctx); err != nil {
			return err
		}
	}
}

// Read implements ffmpeg.Input. It blocks until there is more to read. What was
// read by the call before has been used by now.
func (t *tailReader) Read(ctx context.Context, p []byte) (int, error) {
	if t.file == nil {
		file, err := workdir.OpenRegularIn(t.dir, t.name, os.O_RDONLY)
		if errors.Is(err, fs.ErrNotExist) {
			if complete, failed := t.ended(); complete && failed == nil {
				// The step has read the input to its end and found nothing to write.
				return 0, job.NewError(job.InputDamaged).WithCause(err)
			}
		}
		if err != nil {
			return 0, fmt.Errorf("open intermediate: %w", err)
		}
		t.file = file
	}
	t.advance(t.offset)
	for {
		// Asked before reading: what is written after the answer is read by the
		// next turn.
		complete, err := t.ended()
		if err != nil {
			return 0, err
		}
		n, err := t.file.ReadAt(p, t.offset)
		if n > 0 {
			t.offset += int64(n)
			return n, nil
		}
		if !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read intermediate: %w", err)
		}
		if complete {
			return 0, io.EOF
		}
		if err := t.pause(ctx); err != nil {
			return 0, err
		}
	}
}

// ended reports whether the file no longer grows. The error says that the step
// that writes it has failed.
func (t *tailReader) ended() (bool, error) {
	select {
	case <-t.complete:
	default:
		return false, nil
	}
	if err := t.failed(); err != nil {
		return true, fmt.Errorf("%w: %w", errSkipped, err)
	}
	return true, nil
}

// pause waits until it is time to look at the file again.
func (t *tailReader) pause(ctx context.Context) error {
	timer := time.NewTimer(tailEvery)
	defer timer.Stop()
	select {
	case <-t.complete:
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// close closes the file. A nil tailReader has none.
func (t *tailReader) close() {
	if t != nil && t.file != nil {
		t.file.Close()
	}
}
