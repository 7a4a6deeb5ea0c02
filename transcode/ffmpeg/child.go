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

// defaultKillDelay is the time between SIGTERM and SIGKILL. A cancelled job must
// have stopped within two seconds.
const defaultKillDelay = 1500 * time.Millisecond

// outputTimeout bounds reading the last output of a child that has ended.
const outputTimeout = 20 * time.Second

// childEnv is the whole environment of a child. Our own holds secrets, and a proxy
// or a locale must not change what ffmpeg does.
var childEnv = []string{
	"LANG=C", "LC_ALL=C", "PATH=/usr/local/bin:/usr/bin:/bin", "AV_LOG_FORCE_NOCOLOR=1",
}

// child is a process that runs to its end.
type child struct {
	path           string
	args           []string
	dir            string
	stdin          *stdinPump // nil: empty input
	stdout, stderr io.Writer
	killDelay      time.Duration
	started        func(pid int)           // called when it runs; nil: none
	rules          *sandbox.Rules          // nil: no sandbox
	nice           int                     // added to the niceness of this process
	used           func(cpu time.Duration) // called when it has ended; nil: none
}

// run starts the child and waits for it. When ctx ends, its process group gets
// SIGTERM, and SIGKILL after killDelay. The error is that of exec.Cmd.
func (c child) run(ctx context.Context) error {
	// Pdeathsig is sent when the thread that forked the child ends, not the
	// process. The Go runtime ends threads, so this goroutine keeps its thread for
	// the life of the child.
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
	// A process group of its own: Ctrl-C in the terminal must reach this process
	// alone, and what the child starts must end with the child.
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
	// A grandchild may keep the pipes open. The bound is long, because on a busy
	// machine the pipes are read slowly, and a good encode must not fail for that.
	cmd.WaitDelay = c.killDelay + outputTimeout

	if err := cmd.Start(); err != nil {
		return err
	}
	if c.nice > 0 {
		// The group has all threads of ffmpeg, also after exec. Where the system does
		// not allow this, ffmpeg runs with our niceness.
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
	if c.used != nil && cmd.ProcessState != nil {
		c.used(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime())
	}
	mu.Lock()
	defer mu.Unlock()
	ended = true
	if kill != nil {
		kill.Stop()
		// Processes that the child has left in its group, in most cases none.
		_ = group(syscall.SIGKILL)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && c.rules != nil && exit.ExitCode() == sandbox.ExitNotStarted {
		return errNotStarted // the message is in stderr
	}
	return err
}

var errNotStarted = errors.New("the program could not be started in its sandbox")

// processNiceness is the niceness of this process, from -20 to 19.
func processNiceness() (int, error) {
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	return 20 - raw, err // the system call returns 20 - niceness, see getpriority(2)
}
