package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

const (
	sandboxOn       = "on"
	sandboxOff      = "off"
	sandboxRequired = "required"
)

func (s *settings) sandboxFlags(f *flagSet) {
	s.Sandbox, s.FFmpegMemory, s.FFmpegUser = sandboxOn, machineMemory(), nobodyElse
	f.setting("sandbox", "COPRA_SANDBOX", "how ffmpeg and ffprobe are held to their own files and ports: on, as far as the kernel can; required, not to start where it cannot; or off. Defaults to on.", func(v string) error {
		if v != sandboxOn && v != sandboxOff && v != sandboxRequired {
			return fmt.Errorf("%q is not on, off or required", v)
		}
		s.Sandbox = v
		return nil
	})
	f.setting("ffmpeg-user", "COPRA_FFMPEG_USER", "user, by name or number, that ffmpeg and ffprobe run as when the server runs as root; root leaves them as they are. Defaults to 65533, which should own nothing.", func(v string) error {
		id, err := strconv.Atoi(v)
		if u, uerr := user.Lookup(v); uerr == nil {
			id, err = strconv.Atoi(u.Uid)
		}
		if err != nil || id < 0 {
			return fmt.Errorf("%q is no user of this system and no number", v)
		}
		s.FFmpegUser = id
		return nil
	})
	f.number64(&s.FFmpegMemory, 1<<20, "ffmpeg-memory", "COPRA_FFMPEG_MEMORY", 256, 1<<30, "most memory of one ffmpeg in MiB, from 256. Defaults to that of the machine or container, at least 4096.")
}

// nobodyElse is a user whom systems give nothing to: others have the processes
// and the files of "nobody".
const nobodyElse = 65533

// leastMemory leaves room on small machines too: what counts against the limit
// are the stacks of a hundred threads as well, which are hardly used.
const leastMemory = 4 << 30

// machineMemory is that of the machine, or of the container when that has less.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return leastMemory
	}
	total := int64(info.Totalram) * int64(info.Unit)
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil { // or "max"
			total = min(total, n)
		}
	}
	return max(total, leastMemory)
}

// confined holds the tools as the settings say and the kernel can.
func (s *settings) confined(ctx context.Context, tools *ffmpeg.Toolchain, log *slog.Logger) (*ffmpeg.Toolchain, error) {
	if s.Sandbox == sandboxOff {
		log.Warn("ffmpeg runs unconfined: --sandbox=off")
		return tools, nil
	}
	report, err := sandbox.Check(ctx)
	switch {
	case s.Sandbox == sandboxRequired && err != nil:
		return nil, err
	case s.Sandbox == sandboxRequired && !report.Full():
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
	if err != nil && s.Sandbox == sandboxRequired {
		return nil, fmt.Errorf("--sandbox=required: ffmpeg cannot run as user %d: %w", c.User, err)
	}
	if err != nil {
		log.Warn("ffmpeg runs as root: it cannot run as another user", "user", c.User, "error", err)
		c.User = 0
	}
	return tools.Confine(c), nil
}

func checkConfinement(ctx context.Context, out *findings, s *settings) {
	const what = "confinement"
	if s.Sandbox == sandboxOff {
		out.lacks(what, "off (--sandbox)")
		return
	}
	report, err := sandbox.Check(ctx)
	switch {
	case err != nil:
		out.lacks(what, "%v", err)
		return
	case report.Full():
		out.ok(what, "%s", report)
	case s.Sandbox == sandboxRequired:
		out.bad(what, "%s", report)
	default:
		out.lacks(what, "%s", report)
	}
	checkUser(ctx, out, s, report)
}

// checkUser says as whom ffmpeg runs, where the server is root.
func checkUser(ctx context.Context, out *findings, s *settings, report sandbox.Report) {
	const what = "ffmpeg's user"
	tools, err := ffmpeg.Find(ctx, s.FFmpeg, s.FFprobe)
	if os.Geteuid() != 0 || err != nil {
		return
	}
	if s.FFmpegUser == 0 {
		out.lacks(what, "root, as the server (--ffmpeg-user)")
		return
	}
	err = tools.Confine(ffmpeg.Confinement{Landlock: report.Files, Memory: s.FFmpegMemory, User: s.FFmpegUser}).TryUser(ctx, os.TempDir())
	switch {
	case err == nil:
		out.ok(what, "%d, with the rights of nobody, while the server is root", s.FFmpegUser)
	case s.Sandbox == sandboxRequired:
		out.bad(what, "it cannot run as user %d: %v", s.FFmpegUser, err)
	default:
		out.lacks(what, "root, as the server: it cannot run as user %d: %v", s.FFmpegUser, err)
	}
}
