package pgserver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lockDir takes the lock that the owner of the server in dir holds. The kernel
// gives it back when the owner ends in whatever way.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the database folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock the database folder: another copra already uses %s. "+
				"Stop it, or choose another data folder with --data", dir)
		}
		return nil, fmt.Errorf("lock the database folder %s: %w", dir, err)
	}
	return f, nil
}

// unlock leaves the file in place: removing it would let two processes hold
// locks of two files of the same name.
func unlock(f *os.File) error {
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("unlock the database folder: %w", err)
	}
	return nil
}

// awaitOrphan waits for a server on data whose owner was killed: the kernel
// has told it to end, and it needs a moment. We hold the lock, so no live
// owner has it.
func awaitOrphan(ctx context.Context, data string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	pidfile := filepath.Join(data, "postmaster.pid")
	for {
		b, err := os.ReadFile(pidfile)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look for a running PostgreSQL: %w", err)
		}
		first, _, _ := strings.Cut(string(b), "\n")
		pid, err := strconv.Atoi(strings.TrimSpace(first))
		if err != nil || syscall.Kill(pid, 0) == syscall.ESRCH {
			return nil // left by a crash; postgres itself sees that and goes on
		}
		if !runsOn(pid, data) {
			// The number was given to another process since, as happens after
			// a reboot or in a new container. Postgres would refuse to start.
			if err := os.Remove(pidfile); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove the stale %s: %w", pidfile, err)
			}
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("start PostgreSQL: process %d already serves %s, and was not started by a copra that still runs. "+
				"Stop it with: kill -INT %d", pid, data, pid)
		}
	}
}

// runsOn reports whether pid is a PostgreSQL on the data folder. A process
// that is a zombie, or whose files we may not read, is none.
func runsOn(pid int, data string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	args := bytes.Split(line, []byte{0})
	if filepath.Base(string(args[0])) != "postgres" {
		return false
	}
	for _, a := range args[1:] {
		if string(a) == data {
			return true
		}
	}
	return false
}

// socketDir is the folder of the unix socket.
type socketDir struct {
	path      string
	temporary bool
}

// maxSocketPath is the longest path of a socket: sun_path holds 108 bytes with
// the closing NUL.
const maxSocketPath = 107

func socketPathFits(dir string) bool { return len(dir)+len("/.s.PGSQL."+port) <= maxSocketPath }

// createSocketDir makes dir/run, or where its path is too long a folder of a
// short name among the temporary files, always the same for the same dir so
// that a killed owner leaves one at most.
func createSocketDir(dir string, id identity) (socketDir, error) {
	s := socketDir{path: filepath.Join(dir, "run")}
	if !socketPathFits(s.path) {
		name := fmt.Sprintf("copra-pg-%x", sha256.Sum256([]byte(dir)))[:len("copra-pg-")+16]
		s = socketDir{path: filepath.Join(os.TempDir(), name), temporary: true}
		if !socketPathFits(s.path) {
			s.path = filepath.Join("/tmp", name)
		}
		// Among the temporary files anybody may have made that name.
		if !ownedBy(s.path, id.uid) {
			p, err := os.MkdirTemp(filepath.Dir(s.path), "copra-pg-")
			if err != nil {
				return socketDir{}, fmt.Errorf("make a folder for the socket: %w", err)
			}
			s.path = p
		}
	}
	if err := os.MkdirAll(s.path, 0o700); err != nil {
		return socketDir{}, fmt.Errorf("make the folder for the socket: %w", err)
	}
	if err := os.Chmod(s.path, 0o700); err != nil {
		return socketDir{}, fmt.Errorf("make the folder for the socket private: %w", err)
	}
	return s, id.chown(s.path)
}

// ownedBy reports whether path is a folder of uid, or nothing at all.
func ownedBy(path string, uid int) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	return info.IsDir() && int(info.Sys().(*syscall.Stat_t).Uid) == uid
}

func (s socketDir) remove() error {
	if !s.temporary {
		return nil
	}
	if err := os.RemoveAll(s.path); err != nil {
		return fmt.Errorf("remove the folder of the socket: %w", err)
	}
	return nil
}
