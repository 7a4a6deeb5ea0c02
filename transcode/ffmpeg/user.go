package ffmpeg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// giveToUser makes the user of the sandbox the owner of dir, of name in it, and of
// all that is below name. Root can still read and write it. The folders above stay
// closed to that user: a tool starts in its folder, and gets paths relative to it.
//
// A tool may have written what is there. So symbolic links keep their owner, and
// none is followed.
func (t *Toolchain) giveToUser(dir, name string) error {
	if t.sandbox == nil || t.sandbox.User == 0 {
		return nil
	}
	user := t.sandbox.User
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("give files to ffmpeg's user: %w", err)
	}
	defer root.Close()
	if err := root.Lchown(".", user, user); err != nil {
		return fmt.Errorf("give files to ffmpeg's user: %w", err)
	}
	err = fs.WalkDir(root.FS(), name, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the tools make and remove files
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
		return fmt.Errorf("give files to ffmpeg's user: %w", err)
	}
	return nil
}
