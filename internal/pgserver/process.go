package pgserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a child whose output is read.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed after err is set
	err  error

	mu    sync.Mutex
	lines []string // the last of its output
}

// startProcess starts cmd. The kernel sends Pdeathsig when the thread that forked
// the child ends. So one goroutine keeps its thread for the life of the child.
func startProcess(cmd *exec.Cmd, log *slog.Logger) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	// Wait returns even when a grandchild keeps the pipe open.
	cmd.WaitDelay = 2 * time.Second
	go p.read(r, log)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		w.Close()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) read(r io.Reader, log *slog.Logger) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		log.Debug("postgres", "line", in.Text())
		p.mu.Lock()
		if p.lines = append(p.lines, in.Text()); len(p.lines) > 20 {
			p.lines = slices.Delete(p.lines, 0, 1)
		}
		p.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, r) // too long a line ends the scan, but must not block the child
}

// lastOutput is the end of the output, for error messages.
func (p *process) lastOutput() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// stop ends the process and returns when it has ended. It sends SIGINT, a fast
// shutdown of PostgreSQL; when ctx ends SIGQUIT, an immediate one; then SIGKILL.
func (p *process) stop(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.signal(syscall.SIGINT); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL} {
		if err := p.signal(sig); err != nil {
			return err
		}
		late := time.NewTimer(3 * time.Second)
		defer late.Stop()
		select {
		case <-p.done:
			return fmt.Errorf("stop PostgreSQL: it did not end in time and was ended by %v: %w", sig, context.Cause(ctx))
		case <-late.C:
		}
	}
	return errors.New("stop PostgreSQL: it did not end after SIGKILL")
}

func (p *process) signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to PostgreSQL: %w", sig, err)
	}
	return nil
}
