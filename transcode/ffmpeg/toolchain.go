package ffmpeg

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/copra-video/copra/transcode"
)

// Toolchain is an ffmpeg, the ffprobe beside it, and what they can do. It does
// not change after Open and may be used by many goroutines.
type Toolchain struct {
	ffmpeg, ffprobe string   // absolute paths
	heif            string   // libheif's decoder of photos; "": not installed
	photoKinds      []string // that it decodes: "HEIC", "AVIF"; asked for with Options.Complete
	capabilities    transcode.Capabilities
	probeVersion    string
	cached          bool
	killDelay       time.Duration
	sandbox         *Sandbox      // nil: none
	devices         []device      // that encode
	trialStall      time.Duration // 0: the constant of this name
}

// Options say which programs Open uses, and how.
type Options struct {
	// FFmpeg is the path or name of ffmpeg. Defaults to "ffmpeg" on the PATH.
	FFmpeg string
	// FFprobe is the path or name of ffprobe. Defaults to the one in the folder of
	// ffmpeg, else to the one on the PATH.
	FFprobe string
	// Sandbox is where the programs run, already while they are asked what they
	// can do. Defaults to none.
	Sandbox *Sandbox
	// Devices is the folder of the device files, /dev, whose cards are tried.
	// Defaults to none: no device is used.
	Devices string
	// DeviceSessions is how many encoders may run on a card at once. Defaults to
	// DefaultDeviceSessions.
	DeviceSessions int
	// CacheFile keeps what was detected. See cache.go. Defaults to none.
	CacheFile string
	// Complete asks also for what no plan depends on, for Report. What is read
	// from CacheFile may be less.
	Complete bool
	// Log gets what is wrong with CacheFile. Defaults to none.
	Log *slog.Logger
}

// Find is Open without a sandbox and a cache, and asks for everything.
func Find(ctx context.Context, ffmpegPath, ffprobePath string) (*Toolchain, error) {
	return Open(ctx, Options{FFmpeg: ffmpegPath, FFprobe: ffprobePath, Complete: true})
}

// Open finds ffmpeg and ffprobe and what they can do. When CacheFile holds the
// answers of the same programs, none is started. The error is a sentence for the
// operator; it is context.Cause(ctx) when ctx has ended.
func Open(ctx context.Context, o Options) (*Toolchain, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	t := &Toolchain{killDelay: defaultKillDelay, sandbox: o.Sandbox}
	if err := t.locate(o.FFmpeg, o.FFprobe); err != nil {
		return nil, err
	}
	t.devices = findDevices(o.Devices, cmp.Or(max(0, o.DeviceSessions), DefaultDeviceSessions))
	t.locatePhotoDecoder()
	if o.Complete {
		t.askPhotoDecoder(ctx)
	}
	if o.CacheFile == "" {
		if err := t.detect(ctx, o.Complete); err != nil {
			return nil, err
		}
		return t, t.tryDevices(ctx, nil)
	}
	if err := t.loadCache(ctx, o.CacheFile); err == nil {
		return t, t.retryDevices(ctx, o)
	} else if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	} else {
		o.Log.DebugContext(ctx, "asking ffmpeg what it can do", "reason", err)
	}
	return t, t.detectAndStore(ctx, o)
}

// locate finds the two programs.
func (t *Toolchain) locate(ffmpegPath, ffprobePath string) error {
	if ffmpegPath == "" {
		ffmpegPath = "ffmpeg"
	}
	var err error
	if t.ffmpeg, err = lookPath(ffmpegPath); err != nil {
		return fmt.Errorf("find ffmpeg: %w; install FFmpeg %d.%d or newer, or say where it is", err, oldestMajor, oldestMinor)
	}
	if ffprobePath == "" {
		ffprobePath = filepath.Join(filepath.Dir(t.ffmpeg), "ffprobe")
		if _, err := exec.LookPath(ffprobePath); err != nil {
			ffprobePath = "ffprobe"
		}
	}
	if t.ffprobe, err = lookPath(ffprobePath); err != nil {
		return fmt.Errorf("find ffprobe: %w; it comes with FFmpeg, or say where it is", err)
	}
	return nil
}

// lookPath returns the absolute path of a program: a run starts in a folder of
// its own.
func lookPath(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// Version is ffmpeg's own, "5.1.9-0+deb12u1".
func (t *Toolchain) Version() string { return t.capabilities.Version }

// Capabilities returns what this ffmpeg can do. It must not be changed.
func (t *Toolchain) Capabilities() transcode.Capabilities { return t.capabilities }

// Cached reports whether the capabilities were read from the cache file.
func (t *Toolchain) Cached() bool { return t.cached }

// contextCause is why a run of a program ended: the context's cause when the
// context has ended, else err.
func contextCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
