package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// Media is ffmpeg in the sandbox that the settings ask for, as far as the system
// offers it.
type Media struct {
	Tools *ffmpeg.Toolchain
	// Sandbox is what the kernel offers, and SandboxErr why nothing can be
	// restricted.
	Sandbox    sandbox.Report
	SandboxErr error
	// User is the user that ffmpeg runs as; 0: as this process. UserErr is why it
	// is not the one of the settings.
	User    int
	UserErr error
}

// MediaOptions say how OpenMedia finds out what ffmpeg can do.
type MediaOptions struct {
	TrialDir  string // where a run as another user is tried, see sandbox.Trial
	CacheFile string // see ffmpeg.Options
	Complete  bool
	Log       *slog.Logger
}

// CapabilityFile is where a server with a work directory keeps what ffmpeg can do.
func CapabilityFile(workDir string) string { return filepath.Join(workDir, "ffmpeg-capabilities.json") }

// OpenMedia finds ffmpeg and what it can do, already in its sandbox: what cannot
// run there is noticed here, not by the first job. A part of the sandbox that
// cannot be had is no error, but told in Media.
func OpenMedia(ctx context.Context, s *settings.Settings, o MediaOptions) (Media, error) {
	var m Media
	open := func(box *ffmpeg.Sandbox) (err error) {
		m.Tools, err = ffmpeg.Open(ctx, ffmpeg.Options{
			FFmpeg: s.FFmpeg, FFprobe: s.FFprobe, Sandbox: box, CacheFile: o.CacheFile, Complete: o.Complete, Log: o.Log,
			Devices: deviceFolder(s), DeviceSessions: s.DeviceSessions,
		})
		return err
	}
	if s.Sandbox == settings.SandboxOff {
		return m, open(nil)
	}
	trial := sandbox.Trial{Dir: o.TrialDir}
	if os.Geteuid() == 0 {
		trial.User = s.FFmpegUser
	}
	if m.Sandbox, m.SandboxErr = sandbox.Check(ctx, trial); m.SandboxErr != nil {
		return m, open(nil)
	}
	box := ffmpeg.Sandbox{Landlock: m.Sandbox.Files, TCP: m.Sandbox.TCP && m.Sandbox.Sockets, Memory: s.FFmpegMemory, User: trial.User, Fonts: s.Fonts}
	switch {
	case m.Sandbox.UserError != "":
		m.UserErr = errors.New(m.Sandbox.UserError)
	case trial.User != 0:
		// The user may be able to do everything but start this ffmpeg.
		if m.UserErr = open(&box); m.UserErr == nil {
			m.User = trial.User
			return m, nil
		}
	}
	box.User = 0
	return m, open(&box)
}

// deviceFolder is where the cards are looked for; "": nowhere. A server that is told to
// encode in software tries no card, since a job may still ask for one only where the
// operator has not turned them off.
func deviceFolder(s *settings.Settings) string {
	if s.Devices == "none" || s.Encoder == "software" {
		return ""
	}
	return s.Devices
}

// logDevices says which encoders of cards are used, and why others are not.
func logDevices(tools *ffmpeg.Toolchain, log *slog.Logger) {
	for _, d := range tools.Capabilities().Devices {
		if d.Works {
			log.Info("encoder of a card", "encoder", d.Encoder, "device", d.Device, "bits", d.Depth, "ssim", d.SSIM, "software_ssim", d.SoftwareSSIM, "speed", d.Speed)
		} else {
			log.Info("encoder of a card does not work", "encoder", d.Encoder, "device", d.Device, "bits", d.Depth, "reason", d.Reason)
		}
	}
}

// findMedia looks for ffmpeg while the parts that follow start.
func (s *Server) findMedia(ctx, _ context.Context) error {
	s.settings.WorkDir = cmp.Or(s.settings.WorkDir, settings.DefaultWorkDir())
	s.media = start(ctx, func(ctx context.Context) (*ffmpeg.Toolchain, error) { return openMedia(ctx, &s.settings, s.log) })
	s.onStop(func() error { s.media.stop(); return nil })
	return nil
}

// openMedia is OpenMedia for a worker. What is missing of the sandbox is logged;
// it is an error when the settings require the sandbox.
func openMedia(ctx context.Context, s *settings.Settings, log *slog.Logger) (*ffmpeg.Toolchain, error) {
	m, err := OpenMedia(ctx, s, MediaOptions{TrialDir: s.WorkDir, CacheFile: CapabilityFile(s.WorkDir), Log: log})
	if err != nil {
		return nil, err
	}
	if s.Sandbox == settings.SandboxRequired {
		if err := m.incomplete(s); err != nil {
			return nil, fmt.Errorf("--sandbox=required: %w", err)
		}
	}
	logDevices(m.Tools, log)
	switch {
	case s.Sandbox == settings.SandboxOff:
		log.WarnContext(ctx, "ffmpeg runs without a sandbox: --sandbox=off")
	case m.SandboxErr != nil:
		log.WarnContext(ctx, "ffmpeg runs without a sandbox", "error", m.SandboxErr)
	case !m.Sandbox.Full():
		log.WarnContext(ctx, "the sandbox of ffmpeg is not complete", "sandbox", m.Sandbox.String())
	}
	if m.UserErr != nil {
		log.WarnContext(ctx, "ffmpeg runs as root: it cannot run as another user", "user", s.FFmpegUser, "error", m.UserErr)
	}
	return m.Tools, nil
}

// incomplete says what is missing of the sandbox; nil when nothing is.
func (m Media) incomplete(s *settings.Settings) error {
	switch {
	case m.SandboxErr != nil:
		return m.SandboxErr
	case !m.Sandbox.Full():
		return errors.New(m.Sandbox.String())
	case m.UserErr != nil:
		return fmt.Errorf("ffmpeg cannot run as user %d: %w", s.FFmpegUser, m.UserErr)
	}
	return nil
}
