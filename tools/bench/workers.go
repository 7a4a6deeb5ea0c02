package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

// realWorkers measures how much sooner a job of chunks ends when two and four workers share
// it. Each has one slot and one core, so that its ffmpeg runs one thread; with fewer cores
// than workers, several share one.
func (b *bench) realWorkers(ctx context.Context) error {
	dir, err := b.Sub("workers")
	if err != nil {
		return err
	}
	clip, err := b.source(ctx)
	if err != nil {
		return err
	}
	film := filepath.Join(dir, "film.mp4")
	if _, err := measure.FFmpeg(ctx, dir, "-i", clip, "-t", "30", "-an", "-vf", "scale=1280:720", "-r", "24", "-c:v", "libx264", "-preset", "veryfast", "-b:v", "3M",
		"-g", "120", "-pix_fmt", "yuv420p", "unit.mp4"); err != nil {
		return err
	}
	repeats := strings.Repeat("file unit.mp4\n", max(1, b.film/30))
	if err := os.WriteFile(filepath.Join(dir, "list"), []byte(repeats), 0o600); err != nil {
		return err
	}
	if _, err := measure.FFmpeg(ctx, dir, "-f", "concat", "-i", "list", "-c", "copy", film); err != nil {
		return err
	}
	cores := runtime.NumCPU()
	var one float64
	for _, n := range []int{1, 2, 4} {
		took, err := b.sharedByReal(ctx, film, n)
		if err != nil {
			return err
		}
		if n == 1 {
			one = took
			b.report.Note(fmt.Sprintf("workers: %d s of 720p in chunks by one worker on one core", b.film), fmt.Sprintf("%.1f s", took))
			continue
		}
		what := fmt.Sprintf("workers: the same by %d workers (%.1f s)", n, took)
		switch {
		case n > cores:
			b.report.Note(fmt.Sprintf("%s; this machine has %d cores", what, cores), fmt.Sprintf("%.2f x", one/took))
		case n == 2:
			b.report.Expect(what, fmt.Sprintf("%.2f x", one/took), ">= 1.85 x", one/took >= 1.85)
		default:
			b.report.Note(what, fmt.Sprintf("%.2f x", one/took))
		}
	}
	return nil
}

// sharedByReal returns how long n workers take for a job of the film, in seconds.
func (b *bench) sharedByReal(ctx context.Context, film string, n int) (float64, error) {
	name := fmt.Sprintf("workers-%d", n)
	kept, err := b.Sub(name, "artifacts")
	if err != nil {
		return 0, err
	}
	d, err := b.Deploy(ctx, name)
	if err != nil {
		return 0, err
	}
	defer d.Stop()
	api, err := d.API(ctx)
	if err != nil {
		return 0, err
	}
	defer api.Stop()
	for k := range n {
		w, err := d.Worker(ctx, "--slots", "1", "--artifact-store", kept, "--preset", "libx264="+preset)
		if err != nil {
			return 0, err
		}
		defer w.Stop()
		if err := pin(ctx, w, k%runtime.NumCPU()); err != nil {
			return 0, err
		}
	}
	input, err := api.API.UploadFile(ctx, film)
	if err != nil {
		return 0, err
	}
	r := api.Request(input, client.Outputs{"mp4:480p::quality=3": client.Video{Path: "/film.mp4"}}, nil)
	r.Settings = &client.Settings{Ultrafast: true}
	_, sent, ended, err := api.Job(ctx, r)
	if err != nil {
		return 0, err
	}
	took := ended.Sub(sent).Seconds()
	fmt.Fprintf(os.Stderr, "%d workers: %.1f s\n", n, took)
	return took, nil
}

// pin keeps a server, with what it will start, on one core.
func pin(ctx context.Context, s *measure.Server, core int) error {
	out, err := exec.CommandContext(ctx, "taskset", "-acp", strconv.Itoa(core), strconv.Itoa(s.Cmd.Process.Pid)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("pin a worker to a core: %w\n%s", err, out)
	}
	return nil
}
