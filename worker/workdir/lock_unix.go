//go:build unix

package workdir

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile opens path and locks it. The kernel frees the lock when the process
// ends, however it ends (flock(2)).
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("take lock %s: %w", path, err)
	}
	return f, nil
}
