package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/storage"
)

// takeFrom is from which size a file is taken instead of copied.
const takeFrom = 1 << 20

// take stores a body under a name without copying it, if it is a file on the disk of the
// store that may be moved. Otherwise taken is false, and the body can be copied.
func (s *Store) take(ctx context.Context, name string, body storage.Body) (taken bool, err error) {
	movable, ok := body.(storage.Movable)
	if !ok || body.Size() < takeFrom {
		return false, nil
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	tmp := s.tempName()
	taken, err = movable.Move(func(f *os.File) (bool, error) { return s.link(f, tmp, body.Size()) })
	if err != nil || !taken {
		_ = s.root.Remove(tmp)
		return false, err
	}
	if err := s.rename(tmp, name); err != nil {
		_ = s.root.Remove(tmp)
		return false, err
	}
	return true, nil
}

// link gives an open file of size bytes one more name, and the owner and the mode of
// files of the store. It reports false where that is not possible: the file is on another
// disk, has several names, or may not be linked.
func (s *Store) link(f *os.File, tmp string, size int64) (bool, error) {
	dir, err := s.root.Open(path.Dir(tmp))
	if err != nil {
		return false, err
	}
	defer dir.Close()
	var there, st unix.Stat_t
	if err := errors.Join(unix.Fstat(int(dir.Fd()), &there), unix.Fstat(int(f.Fd()), &st)); err != nil {
		return false, err
	}
	// Another name may be anybody's: ffmpeg's, to write to it later.
	if st.Dev != there.Dev || st.Nlink != 1 || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != size {
		return false, nil
	}
	if uid, gid := os.Geteuid(), os.Getegid(); int(st.Uid) != uid || int(st.Gid) != gid {
		if f.Chown(uid, gid) != nil {
			return false, nil
		}
	}
	mode, err := s.fileMode()
	if err != nil {
		return false, err
	}
	if f.Chmod(mode) != nil {
		return false, nil
	}
	// By its descriptor, since its name may lead elsewhere by now.
	err = unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(int(f.Fd())), int(dir.Fd()), path.Base(tmp), unix.AT_SYMLINK_FOLLOW)
	switch {
	case err == nil:
		now := time.Now() // by which a sweep goes
		return true, s.root.Chtimes(tmp, now, now)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, fs.ErrExist):
		return false, err
	default: // another mount of the same disk, a system without /proc, a file system without links
		return false, nil
	}
}

// fileMode is the mode that files of the store get when they are made, which the umask of
// this process decides.
func (s *Store) fileMode() (fs.FileMode, error) {
	tmp := s.tempName()
	f, err := s.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, newFileMode)
	if err != nil {
		return 0, err
	}
	st, err := f.Stat()
	if err := errors.Join(err, f.Close(), s.root.Remove(tmp)); err != nil {
		return 0, err
	}
	return st.Mode().Perm(), nil
}
