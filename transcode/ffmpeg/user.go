package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// giveToUser gives dir, and what is at name in it and below, to the user that the tools run
// as. Root goes on reading and writing it, and the folders above stay closed to
// that user: a tool starts in its folder, and names what is there relative to it.
//
// What is handed over may hold what a tool has made, which must not lead
// elsewhere: links are left alone, and none is followed.
func (t *Toolchain) giveToUser(dir, name string) error {
	if t.sandbox == nil || t.sandbox.User == 0 {
		return nil
	}
	user := t.sandbox.User
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("hand files to ffmpeg's user: %w", err)
	}
	defer root.Close()
	if err := root.Lchown(".", user, user); err != nil {
		return fmt.Errorf("hand files to ffmpeg's user: %w", err)
	}
	err = fs.WalkDir(root.FS(), name, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // files come and go
		}
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == user {
			return nil
		}
		if err := root.Lchown(path, user, user); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("hand files to ffmpeg's user: %w", err)
	}
	return nil
}

// CheckUser finds out whether the tools can run as the user of their confinement
// in a folder below dir, which is made when it is not there.
func (t *Toolchain) CheckUser(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	// The watchdog looks at what a process reads, and a process must end when
	// it is to.
	for _, c := range []int{unix.CAP_SYS_PTRACE, unix.CAP_KILL, unix.CAP_DAC_OVERRIDE} {
		if has, err := hasCapability(c); err != nil || !has {
			return errors.Join(fmt.Errorf("root lacks capability %d here", c), err)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	own, err := os.MkdirTemp(dir, "user-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(own)
	sound := wav(800)
	if err := os.WriteFile(filepath.Join(own, "in.wav"), sound, 0o600); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if _, err := t.Probe(ctx, filepath.Join(own, "in.wav")); err != nil {
		return err
	}
	if err := t.Run(ctx, Command{Dir: own, Args: []string{"-i", "in.wav", "-codec:a", "copy", "-bitexact", "out.wav"}}); err != nil {
		return err
	}
	made, err := os.ReadFile(filepath.Join(own, "out.wav"))
	if err != nil {
		return fmt.Errorf("read what ffmpeg made: %w", err)
	}
	if !bytes.Contains(made, sound[44:]) {
		return errors.New("ffmpeg made another file")
	}
	return nil
}

// wav is silence of so many samples.
func wav(samples uint32) []byte {
	le := func(v uint32) string { return string([]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}) }
	head := "RIFF" + le(36+samples) + "WAVEfmt " + le(16) + "\x01\x00\x01\x00" + le(8000) + le(8000) + "\x01\x00\x08\x00data" + le(samples)
	return append([]byte(head), bytes.Repeat([]byte{128}, int(samples))...)
}

// hasCapability reports whether this process has a capability.
func hasCapability(c int) (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, err
	}
	return data[c/32].Effective&(1<<(c%32)) != 0, nil
}
