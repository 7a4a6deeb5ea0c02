package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/internal/testmedia"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}

func mediaSettings(t *testing.T) settings.Settings {
	t.Helper()
	testmedia.Tool(t, "ffmpeg")
	return settings.Settings{Sandbox: settings.SandboxOn, FFmpegMemory: 4 << 30, FFmpegUser: 65532, WorkDir: filepath.Join(t.TempDir(), "work")}
}

// The second start takes what the first has found, in the same sandbox.
func TestOpenMedia(t *testing.T) {
	s := mediaSettings(t)
	for _, cached := range []bool{false, true} {
		m, err := OpenMedia(t.Context(), &s, MediaOptions{TrialDir: s.WorkDir, CacheFile: CapabilityFile(s.WorkDir)})
		if err != nil {
			t.Fatal(err)
		}
		if m.Tools.Cached() != cached {
			t.Errorf("from the cache: %v, want %v", m.Tools.Cached(), cached)
		}
		if m.SandboxErr != nil || m.UserErr != nil || os.Geteuid() == 0 && m.User != s.FFmpegUser {
			t.Errorf("%+v", m)
		}
	}
	if left, err := filepath.Glob(filepath.Join(s.WorkDir, "*")); err != nil || len(left) != 1 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// An ffmpeg that another user cannot start runs as root, or not at all.
func TestOpenMediaOfRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		testmedia.Missing(t, "only root can run ffmpeg as another user")
	}
	s := mediaSettings(t)
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		path, err := exec.LookPath(name)
		if err == nil {
			var program []byte
			program, err = os.ReadFile(path)
			err = errors.Join(err, os.WriteFile(filepath.Join(closed, name), program, 0o755))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.FFmpeg = filepath.Join(closed, "ffmpeg")
	m, err := OpenMedia(t.Context(), &s, MediaOptions{TrialDir: s.WorkDir})
	if err != nil {
		t.Fatal(err)
	}
	if m.User != 0 || m.UserErr == nil || !strings.Contains(m.UserErr.Error(), "permission denied") {
		t.Errorf("%+v", m)
	}
	s.Sandbox = settings.SandboxRequired
	if _, err := openMedia(t.Context(), &s, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "--sandbox=required: ") {
		t.Errorf("%v", err)
	}
}

func TestOpenMediaWithoutFFmpeg(t *testing.T) {
	s := settings.Settings{Sandbox: settings.SandboxOn, FFmpeg: "/nowhere/ffmpeg", WorkDir: t.TempDir()}
	if _, err := OpenMedia(t.Context(), &s, MediaOptions{TrialDir: s.WorkDir}); err == nil || !strings.HasPrefix(err.Error(), "find ffmpeg: ") {
		t.Errorf("%v", err)
	}
}

// A start that fails does not leave behind what runs beside it.
func TestBackgroundStops(t *testing.T) {
	b := start(t.Context(), func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 1, context.Cause(ctx)
	})
	b.stop()
	if n, err := b.wait(); n != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d, %v", n, err)
	}
}
