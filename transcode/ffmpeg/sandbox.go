package ffmpeg

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/transcode"
)

// Sandbox says how ffmpeg and ffprobe are restricted while they read files of
// strangers.
type Sandbox struct {
	Landlock bool   // allow only the files and ports that a run needs
	TCP      bool   // the kernel holds that for ports
	User     int    // the user to run as, where this process is root; 0: as this process
	Memory   int64  // data of one process in bytes; 0: no limit
	Fonts    string // a folder that filters may read; "": none
}

// Sandboxed returns a copy of the toolchain that runs ffmpeg and ffprobe in a
// sandbox. They can read the system's programs, libraries and fonts, their own
// folder and the probed file. They can write in the folder of the run only, and
// connect to nothing but the range server that they read. The program must have
// called sandbox.Main.
func (t *Toolchain) Sandboxed(s Sandbox) *Toolchain {
	sandboxed := *t
	sandboxed.sandbox = &s
	return &sandboxed
}

// rules adds what every run needs to the rules of one run; nil: no sandbox.
func (t *Toolchain) rules(r sandbox.Rules) *sandbox.Rules {
	if t.sandbox == nil {
		return nil
	}
	r.Landlock, r.User = t.sandbox.Landlock, t.sandbox.User
	if len(r.Devices) == 0 {
		// Drivers map the memory of a device, which is far more than they use.
		r.Memory = t.sandbox.Memory
	}
	if f := t.sandbox.Fonts; f != "" && isDir(f) {
		r.Read = append(r.Read, f)
	}
	// A build outside the system's folders may have its libraries beside it.
	for _, program := range []string{t.ffmpeg, t.ffprobe, t.heif} {
		if program == "" {
			continue
		}
		if real, err := filepath.EvalSymlinks(program); err == nil && filepath.Dir(real) != "/" {
			r.Programs = append(r.Programs, filepath.Dir(real))
			if lib := filepath.Join(filepath.Dir(real), "..", "lib"); filepath.Base(filepath.Dir(real)) == "bin" && isDir(lib) {
				r.Programs = append(r.Programs, lib)
			}
		}
	}
	for _, paths := range [][]string{r.Read, r.Write} {
		for i, p := range paths {
			if abs, err := filepath.Abs(p); err == nil {
				paths[i] = abs // the process starts in the folder of the run, not in ours
			}
		}
	}
	return &r
}

// runRules are the rules of ffmpeg in dir, with the devices that it encodes on. No
// file can become larger than the free space there.
func (t *Toolchain) runRules(dir string, devices []transcode.DeviceUse) *sandbox.Rules {
	r := t.deviceRules(devices)
	if dir != "" {
		r.Write = []string{dir}
		var fs unix.Statfs_t
		if err := unix.Statfs(dir, &fs); err == nil {
			r.FileSize = max(int64(fs.Bavail)*fs.Bsize, 1<<20)
		}
	}
	return t.rules(r)
}

// ServesInputs reports whether Command.Served may be used. Where ffmpeg could connect
// to other servers than the range server it must not: the sandbox of a kernel before Linux
// 6.7 denies all connections or none.
func (t *Toolchain) ServesInputs() bool { return t.sandbox == nil || t.sandbox.TCP }

var errNotServed = errors.New("the sandbox allows no connection to the range server")

// commandRules are the rules of one command.
func (t *Toolchain) commandRules(c Command) (*sandbox.Rules, error) {
	rules := t.runRules(c.Dir, c.Devices)
	if c.Served == nil {
		return rules, nil
	}
	if !t.ServesInputs() {
		return nil, errNotServed
	}
	in, err := openLoopbackSource(c.Served.URL)
	if err != nil {
		return nil, err
	}
	if rules != nil {
		rules.Ports = []uint16{in.port}
	}
	return rules, nil
}

// probeRules are the rules of ffprobe. It writes nothing.
func (t *Toolchain) probeRules(in probeSource) *sandbox.Rules {
	var r sandbox.Rules
	if in.file != "" {
		r.Read = []string{in.file}
	}
	if in.port != 0 {
		r.Ports = []uint16{in.port}
	}
	return t.rules(r)
}

func isDir(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}
