package ffmpeg

import (
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/internal/sandbox"
)

// Confinement is how the tools are held while they read what came from
// outside.
type Confinement struct {
	Landlock bool  // hold files and ports to what a run needs
	User     int   // to run as, when we are root; 0: as we do
	Memory   int64 // bytes of data of one process; 0: not bounded
}

// Confine returns tools that run ffmpeg and ffprobe confined: they read the
// system's programs, libraries and fonts, their own folder and the probed file,
// write in the folder of the run, and connect to nothing but the loopback reader
// that is probed. The program must have called sandbox.Intercept.
func (t *Toolchain) Confine(c Confinement) *Toolchain {
	confined := *t
	confined.confinement = &c
	return &confined
}

// rules completes what a run needs by what all need; nil: not confined.
func (t *Toolchain) rules(r sandbox.Rules) *sandbox.Rules {
	if t.confinement == nil {
		return nil
	}
	r.Landlock, r.Memory, r.User = t.confinement.Landlock, t.confinement.Memory, t.confinement.User
	// A build may have its libraries beside it.
	for _, program := range []string{t.ffmpeg, t.ffprobe} {
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
				paths[i] = abs // the process starts in the folder of the run
			}
		}
	}
	return &r
}

// runRules are those of ffmpeg in dir. No file can become larger than what is
// free there.
func (t *Toolchain) runRules(dir string) *sandbox.Rules {
	var r sandbox.Rules
	if dir != "" {
		r.Write = []string{dir}
		var fs unix.Statfs_t
		if err := unix.Statfs(dir, &fs); err == nil {
			r.FileSize = max(int64(fs.Bavail)*fs.Bsize, 1<<20)
		}
	}
	return t.rules(r)
}

// probeRules are those of ffprobe. It writes nothing.
func (t *Toolchain) probeRules(in probed) *sandbox.Rules {
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
