package server

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// sandboxed puts the tools into the sandbox that the settings ask for, as far as
// the kernel offers it.
func sandboxed(ctx context.Context, s *settings.Settings, tools *ffmpeg.Toolchain, log *slog.Logger) (*ffmpeg.Toolchain, error) {
	if s.Sandbox == settings.SandboxOff {
		log.Warn("ffmpeg runs without a sandbox: --sandbox=off")
		return tools, nil
	}
	report, err := sandbox.Check(ctx)
	switch {
	case s.Sandbox == settings.SandboxRequired && err != nil:
		return nil, err
	case s.Sandbox == settings.SandboxRequired && !report.Full():
		return nil, fmt.Errorf("--sandbox=required: %s", report)
	case err != nil:
		log.Warn("ffmpeg runs without a sandbox", "error", err)
		return tools, nil
	case !report.Full():
		log.Warn("the sandbox of ffmpeg is not complete", "sandbox", report.String())
	}
	c := ffmpeg.Sandbox{Landlock: report.Files, Memory: s.FFmpegMemory}
	if os.Geteuid() != 0 || s.FFmpegUser == 0 {
		return tools.Sandboxed(c), nil
	}
	c.User = s.FFmpegUser
	err = tools.Sandboxed(c).CheckUser(ctx, s.WorkDir)
	if err != nil && s.Sandbox == settings.SandboxRequired {
		return nil, fmt.Errorf("--sandbox=required: ffmpeg cannot run as user %d: %w", c.User, err)
	}
	if err != nil {
		log.Warn("ffmpeg runs as root: it cannot run as another user", "user", c.User, "error", err)
		c.User = 0
	}
	return tools.Sandboxed(c), nil
}
