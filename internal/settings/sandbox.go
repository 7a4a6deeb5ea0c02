package settings

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	SandboxOn       = "on"
	SandboxOff      = "off"
	SandboxRequired = "required"
)

func (s *Settings) sandboxFlags(f *FlagSet) {
	s.Sandbox, s.FFmpegMemory, s.FFmpegUser = SandboxOn, machineMemory(), unprivilegedUID
	f.Setting("sandbox", "COPRA_SANDBOX", "how ffmpeg and ffprobe are held to their own files and ports: on, as far as the kernel can; required, not to start where it cannot; or off. Defaults to on.", func(v string) error {
		if v != SandboxOn && v != SandboxOff && v != SandboxRequired {
			return fmt.Errorf("%q is not on, off or required", v)
		}
		s.Sandbox = v
		return nil
	})
	f.Setting("ffmpeg-user", "COPRA_FFMPEG_USER", "user, by name or number, that ffmpeg and ffprobe run as when the server runs as root; root leaves them as they are. Defaults to 65533, which should own nothing.", func(v string) error {
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
	f.Number64(&s.FFmpegMemory, 1<<20, "ffmpeg-memory", "COPRA_FFMPEG_MEMORY", 256, 1<<30, "most memory of one ffmpeg in MiB, from 256. Defaults to that of the machine or container, at least 4096.")
}

// unprivilegedUID is a user to which systems give nothing. The user "nobody"
// would not do: other services run as it and own files.
const unprivilegedUID = 65533

// minMemoryLimit is the limit on small machines too. The stacks of a hundred
// threads count against it, although they are hardly used.
const minMemoryLimit = 4 << 30

// machineMemory is that of the machine, or of the container when that has less.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return minMemoryLimit
	}
	total := int64(info.Totalram) * int64(info.Unit)
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil { // or "max"
			total = min(total, n)
		}
	}
	return max(total, minMemoryLimit)
}
