package testmedia

import (
	"os"
	"syscall"
	"testing"
)

// Program writes a script that tests run. A process that is forked while the
// file is open for writing has it open too until it execs, and the kernel runs no
// file that is being written ("text file busy"): so nobody forks meanwhile.
func Program(t testing.TB, path, script string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
}
