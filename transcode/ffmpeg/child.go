package ffmpeg

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/copra-video/copra/internal/sandbox"
)

// defaultKillDelay is how long a child may take to end after SIGTERM. A cancelled
// job must have stopped within two seconds, the kill included.
const defaultKillDelay = 1500 * time.Millisecond

// outputTimeout is how long what a child has written last may take to be read.
const outputTimeout = 20 * time.Second

// childEnv is all that a child gets to see of the environment: our own holds
// secrets, and a proxy or a locale must not change what ffmpeg does.
var childEnv = []string{
	"LANG=C", "LC_ALL=C", "PATH=/usr/local/bin:/usr/bin:/bin", "AV_LOG_FORCE_NOCOLOR=1",
}

// child is one process to run to its end.
type child struct {
	path           string
	args           []string
	dir            string
	stdin          *stdinPump // nil: nothing
	stdout, stderr io.Writer
	killDelay      time.Duration
	started        func(pid int)  // nil: not
	rules          *sandbox.Rules // nil: no sandbox
	nice           int            // how far it steps behind others for the processor
}

// run starts the child and waits for it. When ctx ends, its process group gets
// SIGTERM, and SIGKILL after the grace time. The error is that of exec.Cmd.
func (c child) run(ctx context.Context) error {
	// Pdeathsig is sent when the thread that forked ends, not the process. The
	// runtime may end a thread on which another goroutine had been locked, so
	// this one keeps its thread for the life of the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	path, args := c.path, c.args
	if c.rules != nil {
		path, args = sandbox.Command(*c.rules, path, args)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env = c.dir, childEnv
	cmd.Stdout, cmd.Stderr = c.stdout, c.stderr
	if c.stdin != nil {
		cmd.Stdin = c.stdin.r
		defer c.stdin.stop()
	}
	// A group of its own: a Ctrl-C in the terminal must reach us alone, and
	// whatever the child starts must end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}

	var mu sync.Mutex
	var kill *time.Timer
	ended := false
	group := func(s syscall.Signal) error { return syscall.Kill(-cmd.Process.Pid, s) }
	cmd.Cancel = func() error {
		mu.Lock()
		defer mu.Unlock()
		kill = time.AfterFunc(c.killDelay, func() {
			mu.Lock()
			defer mu.Unlock()
			if !ended {
				_ = group(syscall.SIGKILL) // it may have ended by itself
			}
		})
		return group(syscall.SIGTERM)
	}
	// The bound on waiting for pipes that a grandchild keeps open, or that a busy
	// machine is slow to read: what was encoded must not be lost for that.
	cmd.WaitDelay = c.killDelay + outputTimeout

	if err := cmd.Start(); err != nil {
		return err
	}
	if c.nice > 0 {
		// Of the group, which has all threads of whatever becomes ffmpeg. Where the
		// system does not let us, it runs as we do.
		if own, err := processNiceness(); err == nil {
			_ = syscall.Setpriority(syscall.PRIO_PGRP, cmd.Process.Pid, own+c.nice)
		}
	}
	if c.stdin != nil {
		c.stdin.start(ctx)
	}
	if c.started != nil {
		c.started(cmd.Process.Pid)
	}
	err := cmd.Wait()
	mu.Lock()
	defer mu.Unlock()
	ended = true
	if kill != nil {
		kill.Stop()
		// What the child left behind in its group; most often nothing.
		_ = group(syscall.SIGKILL)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && c.rules != nil && exit.ExitCode() == sandbox.ExitNotStarted {
		return errNotStarted // the server's trouble; the message is in stderr
	}
	return err
}

var errNotStarted = errors.New("the program could not be started in its sandbox")

// processNiceness is that of this process, from -20 to 19.
func processNiceness() (int, error) {
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	return 20 - raw, err // getpriority(2): the system call counts from the other end
}
