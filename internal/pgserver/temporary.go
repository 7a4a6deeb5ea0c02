package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Temporary starts a server for tests in a folder of its own. It and its folder
// disappear when this process ends, in any way: the kernel ends the server, and a
// small shell that holds only a pipe to us then removes the folder.
func Temporary(ctx context.Context, o Options) (*Server, error) {
	dir, err := os.MkdirTemp("", "copra-pgtest-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // as root, the server runs as another user
		return nil, err
	}
	if err := removeAfterUs(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	o.Dir, o.Unsafe = dir, true
	return Start(ctx, o)
}

// removeAfterUs starts a shell that removes dir when this process has ended. The
// shell's standard input then ends, since only we hold the other end. The shell
// has its own session, so that Ctrl-C does not reach it, and none of our output
// files, since `go test` waits until all of them are closed. It removes twice
// because the server may still be writing when it ends.
func removeAfterUs(dir string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command( //nolint:noctx // it outlives us
		"/bin/sh", "-c", `trap '' INT TERM HUP
		read x
		n=0
		while [ -e "$1/data/postmaster.pid" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done
		rm -rf "$1" || { sleep 1; rm -rf "$1"; }`, "sh", dir)
	cmd.Dir = "/"
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the shell that cleans up: %w", err)
	}
	keepOpen = append(keepOpen, w)
	return cmd.Process.Release()
}

// keepOpen keeps the garbage collector from closing our end of the pipe.
var keepOpen []*os.File
