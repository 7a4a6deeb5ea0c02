package ffmpeg

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// identity is everything that decides what ffmpeg and ffprobe can do. Two equal
// identities give the same answers.
type identity struct {
	// Programs are the resolved paths of ffmpeg and ffprobe, by the paths that
	// they are started by.
	Programs map[string]string
	// Files are the states of the programs, of all libraries that they load, and
	// of our own program, which parses their answers: by path, see fileState.
	Files map[string]string
	// Banners are the answers to -version of the programs that Files do not
	// describe, such as a shell script that starts another program.
	Banners map[string]string
	// Devices are the cards, with what tells one from another, and the versions
	// of their drivers.
	Devices []string
	// Sandbox is where they run: without the right to read its libraries a program
	// can do nothing.
	Sandbox *Sandbox
}

// linkerFiles decide which libraries a program loads. ldconfig(8) writes the
// first one whenever a library is installed.
var linkerFiles = []string{"/etc/ld.so.cache", "/etc/ld.so.preload"}

// identify describes the programs of t. It starts the dynamic linker once for
// each of them, to list the libraries, which takes some 10 ms.
func (t *Toolchain) identify(ctx context.Context) (identity, error) {
	id := identity{Programs: map[string]string{}, Files: map[string]string{}, Banners: map[string]string{}, Devices: t.deviceStates(), Sandbox: t.sandbox}
	own, err := os.Executable()
	if err != nil {
		return identity{}, fmt.Errorf("find our own program: %w", err)
	}
	files := append([]string{own}, linkerFiles...)
	for _, program := range t.programs() {
		resolved, err := filepath.EvalSymlinks(program)
		if err != nil {
			return identity{}, fmt.Errorf("resolve %s: %w", program, err)
		}
		id.Programs[program] = resolved
		libraries, err := listLibraries(ctx, resolved)
		if err != nil {
			return identity{}, err
		}
		files = append(append(files, resolved), libraries...)
		if libraries == nil {
			if id.Banners[program], err = t.banner(ctx, program); err != nil {
				return identity{}, err
			}
		}
	}
	for _, f := range files {
		if id.Files[f], _, err = fileState(f); err != nil {
			return identity{}, err
		}
	}
	return id, nil
}

// differs says what has changed since id was made; nil when nothing has. It
// starts no program but those of Banners.
func (id identity) differs(ctx context.Context, t *Toolchain) error {
	if len(id.Programs) != len(t.programs()) || !equalSandbox(id.Sandbox, t.sandbox) {
		return errors.New("other programs, or another sandbox")
	}
	if !slices.Equal(id.Devices, t.deviceStates()) {
		return errors.New("other devices, or other drivers")
	}
	for _, program := range t.programs() {
		resolved, err := filepath.EvalSymlinks(program)
		if err != nil {
			return fmt.Errorf("resolve %s: %w", program, err)
		}
		if id.Programs[program] != resolved || id.Files[resolved] == "" {
			return fmt.Errorf("%s is another program", program)
		}
	}
	own, err := os.Executable()
	if err != nil || id.Files[own] == "" {
		return errors.Join(errors.New("detected by another program"), err)
	}
	for path, was := range id.Files {
		if is, _, err := fileState(path); err != nil || is != was {
			return errors.Join(fmt.Errorf("%s has changed", path), err)
		}
	}
	for program, was := range id.Banners {
		if is, err := t.banner(ctx, program); err != nil || is != was {
			return errors.Join(fmt.Errorf("%s has another version", program), err)
		}
	}
	return nil
}

// programs are the paths that the tools are started by; the one of both when
// they are the same program.
func (t *Toolchain) programs() []string {
	if t.ffmpeg == t.ffprobe {
		return []string{t.ffmpeg}
	}
	return []string{t.ffmpeg, t.ffprobe}
}

func equalSandbox(a, b *Sandbox) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func (t *Toolchain) banner(ctx context.Context, program string) (string, error) {
	answer, _, err := t.query(ctx, nil, program, "-version")
	return answer, err
}

// fileState is the state of a file as text, and when it changed last; "absent"
// when there is none. The inode and the time of the last change are part of it,
// since a copy may keep size and modification time; mode and owner decide whether
// another user can run it.
func fileState(path string) (state string, changed time.Time, err error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); errors.Is(err, syscall.ENOENT) {
		return "absent", time.Time{}, nil
	} else if err != nil {
		return "", time.Time{}, fmt.Errorf("look at %s: %w", path, err)
	}
	state = fmt.Sprintf("size %d mtime %d.%09d ctime %d.%09d inode %d mode %o owner %d:%d",
		st.Size, st.Mtim.Sec, st.Mtim.Nsec, st.Ctim.Sec, st.Ctim.Nsec, st.Ino, st.Mode, st.Uid, st.Gid)
	return state, time.Unix(st.Ctim.Unix()), nil
}

// listLibraries returns the paths of the shared libraries that a program loads:
// an empty list when it is linked statically, nil when they cannot be known.
//
// The program's own dynamic linker lists them, as ldd(1) has it do; glibc and
// musl both know --list. Nothing of the program runs.
func listLibraries(ctx context.Context, program string) ([]string, error) {
	// A launcher by another name, such as snap's, starts what nothing here tells.
	if name := filepath.Base(program); !strings.Contains(name, "ffmpeg") && !strings.Contains(name, "ffprobe") {
		return nil, nil
	}
	f, err := elf.Open(program)
	if _, isFormat := errors.AsType[*elf.FormatError](err); isFormat || errors.Is(err, io.EOF) {
		return nil, nil // a script
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", program, err)
	}
	defer f.Close()
	linker, err := interpreter(f)
	if err != nil || linker == "" {
		return []string{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, linker, "--list", program)
	cmd.Env = childEnv
	out, err := cmd.Output()
	if err != nil {
		return nil, contextCause(ctx, nil) // another kind of linker
	}
	return parseLibraries(out), nil
}

// interpreter is the dynamic linker that a program names; "" when it has none.
func interpreter(f *elf.File) (string, error) {
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		path, err := io.ReadAll(io.LimitReader(p.Open(), 4096))
		if err != nil {
			return "", fmt.Errorf("read the name of the dynamic linker: %w", err)
		}
		return string(bytes.TrimRight(path, "\x00")), nil
	}
	return "", nil
}

// parseLibraries reads "	libavutil.so.57 => /lib/libavutil.so.57 (0x7f1c)" and
// "	/lib64/ld-linux-x86-64.so.2 (0x7f1d)".
func parseLibraries(list []byte) []string {
	paths := []string{}
	for line := range strings.Lines(string(list)) {
		line = strings.TrimSpace(line)
		if _, path, found := strings.Cut(line, " => "); found {
			line = path
		}
		path, _, _ := strings.Cut(line, " (0x")
		if filepath.IsAbs(path) {
			paths = append(paths, path)
		}
	}
	return paths
}
