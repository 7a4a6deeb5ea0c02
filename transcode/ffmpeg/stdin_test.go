package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/internal/testtime"
)

// input returns data in pieces, and calls wait before each.
type input struct {
	data []byte
	wait func(ctx context.Context) error
}

func (i *input) Read(ctx context.Context, p []byte) (int, error) {
	if err := i.wait(ctx); err != nil {
		return 0, err
	}
	if len(i.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, i.data[:min(len(i.data), 20000)])
	i.data = i.data[n:]
	return n, nil
}

func after(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Slow input is read to its end, with and without a sandbox.
func TestInput(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "in.mp4", testmedia.Standard)
	err := tools(t).Run(t.Context(), Command{Dir: dir, Args: []string{"-i", "in.mp4", "-c", "copy", "-movflags", "+frag_keyframe+delay_moov", "frag.mp4"}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "frag.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	// On a busy machine ffmpeg takes long to start, which is no stall.
	stall := testtime.Allow(300 * time.Millisecond)
	command := Command{Dir: dir, Args: []string{"-i", "pipe:0", "-map", "0:v", "-c", "copy", "out.mkv"}, StallTimeout: stall}
	first := true
	command.Input = &input{data: data, wait: func(ctx context.Context) error {
		if first {
			first = false
			return after(stall * 7 / 3)(ctx)
		}
		return nil
	}}
	if err := tools(t).Run(t.Context(), command); err != nil {
		t.Fatal(err)
	}
	if m, err := tools(t).Probe(t.Context(), filepath.Join(dir, "out.mkv")); err != nil || m.Duration < 3.9 {
		t.Errorf("%v s, %v", m.Duration, err)
	}
}

func TestInputFails(t *testing.T) {
	why := errors.New("a reason")
	err := script(t, "cat > /dev/null").Run(t.Context(), Command{Input: &input{wait: func(context.Context) error { return why }}})
	if e, ok := errors.AsType[*RunError](err); !ok || !errors.Is(e, why) {
		t.Errorf("%v", err)
	}
}

// A run that does not read its input has stalled.
func TestInputIsNotTaken(t *testing.T) {
	in := &input{data: bytes.Repeat([]byte("x"), 1<<20), wait: after(0)}
	err := script(t, "sleep 1000").Run(t.Context(), Command{Input: in, StallTimeout: 200 * time.Millisecond})
	if !errors.Is(err, ErrStalled) {
		t.Errorf("%v", err)
	}
}

// Run does not wait for its input when ffmpeg ends by itself or was cancelled.
func TestInputIsLeft(t *testing.T) {
	forever := &input{wait: func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }}
	if err := script(t, "exit 0").Run(t.Context(), Command{Input: forever}); err != nil {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	from := time.Now()
	f := script(t, writeProgress+"; cat > /dev/null")
	f.killDelay = time.Minute
	if err := f.Run(ctx, Command{Input: forever, Progress: func(Progress) { cancel() }}); !errors.Is(err, context.Canceled) || time.Since(from) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(from))
	}
	// A program that could not be started.
	if err := (&Toolchain{ffmpeg: "/nowhere/ffmpeg"}).Run(t.Context(), Command{Input: forever}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
