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

// lockDir takes the lock of the owner of the server in dir. The kernel releases it
// when the owner ends.
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

// unlock does not remove the file. Otherwise two processes could hold locks of two
// files of the same name.
func unlock(f *os.File) error {
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("unlock the database folder: %w", err)
	}
	return nil
}

// awaitOrphan waits for the end of a server on data whose owner was killed. The
// kernel has sent it a signal, and it takes a moment. Nobody else owns it, because
// this process holds the lock.
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
			return nil // left by a crash, which PostgreSQL itself notices
		}
		if !runsOn(pid, data) {
			// Another process has the id now, as after a reboot or in a new
			// container. PostgreSQL would refuse to start.
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

// runsOn reports whether pid is a PostgreSQL on the data folder. It is false for a
// zombie, and for a process whose files we may not read.
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

// maxSocketPath is the longest path of a socket: sun_path of unix(7) has 108 bytes
// with the final NUL.
const maxSocketPath = 107

func socketPathFits(dir string) bool { return len(dir)+len("/.s.PGSQL."+port) <= maxSocketPath }

// createSocketDir creates dir/run. When that path is too long, it creates a
// temporary folder with a short name instead. The name is always the same for a
// dir, so that killed owners leave one folder at most.
func createSocketDir(dir string, id identity) (socketDir, error) {
	s := socketDir{path: filepath.Join(dir, "run")}
	if !socketPathFits(s.path) {
		name := fmt.Sprintf("copra-pg-%x", sha256.Sum256([]byte(dir)))[:len("copra-pg-")+16]
		s = socketDir{path: filepath.Join(os.TempDir(), name), temporary: true}
		if !socketPathFits(s.path) {
			s.path = filepath.Join("/tmp", name)
		}
		// Another user may have created a temporary folder of that name.
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

// ownedBy reports whether path is a folder of uid, or does not exist.
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
