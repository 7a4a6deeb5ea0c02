package testmedia

import (
	"os"
	"syscall"
	"testing"
)

// Program writes a script that tests run. No process is forked meanwhile: it would
// inherit the file, open for writing, until it execs, and the kernel does not run such a
// file ("text file busy").
func Program(t testing.TB, path, script string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
}
