package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrStalled says that ffmpeg made no progress for Command.StallTimeout and was ended.
var ErrStalled = errors.New("ffmpeg made no progress")

// RunError says that ffmpeg failed.
type RunError struct {
	Args     []string       // as run, the runner's own included
	ExitCode int            // -1 when a signal ended it
	Signal   syscall.Signal // 0: none
	Tail     string         // the last lines of its messages
	Cause    error          // ErrStalled, why it could not start, ...; nil: it ended by itself
}

// Error is one short line; the log takes Tail beside it.
func (e *RunError) Error() string {
	what := "exit status " + strconv.Itoa(e.ExitCode)
	switch {
	case e.Cause != nil:
		what = e.Cause.Error()
	case e.Signal != 0:
		what = "signal: " + e.Signal.String()
	}
	if line := lastError(e.Tail); line != "" {
		what += ": " + line
	}
	return "run ffmpeg: " + what
}

// Unwrap returns the cause.
func (e *RunError) Unwrap() error { return e.Cause }

// lastError is the last line that ffmpeg marks as an error, else the last
// line, without the address that it puts before it.
func lastError(tail string) string {
	lines := strings.Split(strings.TrimSpace(tail), "\n")
	pick := lines[len(lines)-1]
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.Contains(lines[i], "[error]") || strings.Contains(lines[i], "[fatal]") {
			pick = lines[i]
			break
		}
	}
	if r := []rune(pick); len(r) > 200 {
		pick = string(r[:200]) + "..."
	}
	return strings.TrimSpace(pick)
}

// globalArgs come before those of every command. -nostdin: it must not wait
// for a key. -y: names are the planner's, so what is there is from a try that
// failed.
var globalArgs = []string{
	"-hide_banner", "-nostdin", "-nostats", "-y", "-loglevel", "level+warning",
	"-progress", "pipe:1", "-stats_period", "0.5",
}

// niceness is the niceness of ffmpeg: it takes all cores for as long as it runs, and
// the server beside it has to answer within milliseconds.
const niceness = 5

// Run runs c to its end. It returns context.Cause(ctx) when ctx ended, and a
// *RunError for every other trouble. When ctx ends ffmpeg is gone within two
// seconds, and before Run returns.
func (t *Toolchain) Run(ctx context.Context, c Command) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if c.Dir != "" {
		if err := t.giveToUser(c.Dir, "."); err != nil {
			return err
		}
	}
	inner, end := context.WithCancelCause(ctx)
	defer end(nil)

	stall := c.StallTimeout
	if stall <= 0 {
		stall = DefaultStallTimeout
	}
	w := newWatchdog(stall, func() { end(ErrStalled) })
	defer w.stop()

	messages := &stderrTail{line: func(line string) {
		if mustEnd(line) {
			end(errEnded)
		}
	}}
	var box *latestValue
	if c.Progress != nil {
		box = newLatestValue(c.Progress)
		defer box.close()
	}
	parser := &progress{block: func(p Progress) {
		w.observe(p)
		if box != nil {
			box.put(p)
		}
	}}
	args := append(append([]string(nil), globalArgs...), allowlistInputs(c.Args)...)
	ffmpeg := child{
		path: t.ffmpeg, args: args, dir: c.Dir, stdout: parser, stderr: messages, killDelay: t.killDelay, started: w.setProcess,
		rules: t.runRules(c.Dir), nice: niceness,
	}
	if c.Input != nil {
		var err error
		if ffmpeg.stdin, err = newStdinPump(c.Input, w.setIdle, end); err != nil {
			return err
		}
	}
	err := ffmpeg.run(inner)

	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	cause := context.Cause(inner)
	if err == nil && cause == nil {
		return nil
	}
	return runError(args, messages.String(), err, cause)
}

func runError(args []string, tail string, err, cause error) *RunError {
	e := &RunError{Args: args, ExitCode: -1, Tail: tail, Cause: cause}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		e.ExitCode = exit.ExitCode()
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() && cause == nil {
			e.Signal = s.Signal()
		}
	} else if cause == nil {
		e.Cause = err // it did not start, or its pipes stayed open
	}
	return e
}

// watchdog calls stalled when a run has shown no advance for a while.
type watchdog struct {
	limit   time.Duration
	stalled func()

	mu        sync.Mutex
	last      Progress
	bytesRead uint64
	pid       int
	timer     *time.Timer // nil: ended
	idle      bool        // it waits for input, and the clock stands
}

func newWatchdog(limit time.Duration, stalled func()) *watchdog {
	w := &watchdog{limit: limit, stalled: stalled}
	w.mu.Lock() // it may fire before this returns
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(limit, w.fire)
	return w
}

func (w *watchdog) setProcess(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pid, w.bytesRead = pid, bytesRead(pid)
}

// observe restarts the clock when p is further than all before.
func (w *watchdog) observe(p Progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.OutTime > w.last.OutTime || p.Frame > w.last.Frame || p.Size > w.last.Size {
		w.last = Progress{OutTime: max(p.OutTime, w.last.OutTime), Frame: max(p.Frame, w.last.Frame), Size: max(p.Size, w.last.Size)}
		w.bytesRead = bytesRead(w.pid)
		if w.timer != nil && !w.idle {
			w.timer.Reset(w.limit)
		}
	}
}

// setIdle stops the clock while there is nothing to read for the run, and starts
// it anew when there is: then what was there before has been taken.
func (w *watchdog) setIdle(idle bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return
	}
	w.idle = idle
	if idle {
		w.timer.Stop()
	} else {
		w.timer.Reset(w.limit)
	}
}

// fire has the last look: moving the index of a large MP4 to its front, or
// decoding up to a far offset, shows no progress, but it reads.
func (w *watchdog) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil || w.idle {
		return
	}
	if n := bytesRead(w.pid); n > w.bytesRead {
		w.bytesRead = n
		w.timer.Reset(w.limit)
		return
	}
	w.stalled()
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.timer = nil
}

// bytesRead is what a process has read from files so far; 0 when unknown.
func bytesRead(pid int) uint64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil || pid == 0 {
		return 0
	}
	for line := range bytes.Lines(b) {
		if v, ok := bytes.CutPrefix(line, []byte("rchar: ")); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(string(v)), 10, 64)
			return n
		}
	}
	return 0
}
