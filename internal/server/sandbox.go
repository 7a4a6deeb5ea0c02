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

// confined holds the tools as the settings say and the kernel can.
func confined(ctx context.Context, s *settings.Settings, tools *ffmpeg.Toolchain, log *slog.Logger) (*ffmpeg.Toolchain, error) {
	if s.Sandbox == settings.SandboxOff {
		log.Warn("ffmpeg runs unconfined: --sandbox=off")
		return tools, nil
	}
	report, err := sandbox.Check(ctx)
	switch {
	case s.Sandbox == settings.SandboxRequired && err != nil:
		return nil, err
	case s.Sandbox == settings.SandboxRequired && !report.Full():
		return nil, fmt.Errorf("--sandbox=required: %s", report)
	case err != nil:
		log.Warn("ffmpeg runs unconfined", "error", err)
		return tools, nil
	case !report.Full():
		log.Warn("ffmpeg runs with less confinement than is known", "confinement", report.String())
	}
	c := ffmpeg.Confinement{Landlock: report.Files, Memory: s.FFmpegMemory}
	if os.Geteuid() != 0 || s.FFmpegUser == 0 {
		return tools.Confine(c), nil
	}
	c.User = s.FFmpegUser
	err = tools.Confine(c).TryUser(ctx, s.WorkDir)
	if err != nil && s.Sandbox == settings.SandboxRequired {
		return nil, fmt.Errorf("--sandbox=required: ffmpeg cannot run as user %d: %w", c.User, err)
	}
	if err != nil {
		log.Warn("ffmpeg runs as root: it cannot run as another user", "user", c.User, "error", err)
		c.User = 0
	}
	return tools.Confine(c), nil
}
