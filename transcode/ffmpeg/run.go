package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrStalled is the cause of a run that was ended after Command.StallTimeout.
var ErrStalled = errors.New("ffmpeg made no progress")

// RunError is a run of ffmpeg that has failed.
type RunError struct {
	Args     []string       // of the process, with those that Run adds
	ExitCode int            // -1 when a signal ended it
	Signal   syscall.Signal // 0: none
	Tail     string         // the end of its messages
	Cause    error          // ErrStalled, or why it did not start; nil: it ended by itself
}

// Error is one short line. A log entry has Tail beside it.
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

// lastError is the last line that ffmpeg marks as an error, else the last line,
// cut to 200 characters.
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

// globalArgs are the first arguments of every command. With -nostdin ffmpeg does
// not wait for keys. With -y it overwrites files: only an earlier try can have
// written them.
var globalArgs = []string{
	"-hide_banner", "-nostdin", "-nostats", "-y", "-loglevel", "level+warning",
	"-progress", "pipe:1", "-stats_period", "0.5",
}

// niceness is added for ffmpeg, which uses all cores for as long as it runs. The
// server beside it has to answer within milliseconds.
const niceness = 5

// Run runs c to its end. The error is context.Cause(ctx) when ctx has ended, else a
// *RunError. When ctx ends, ffmpeg ends within two seconds, and before Run returns.
func (t *Toolchain) Run(ctx context.Context, c Command) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if c.Dir != "" {
		if err := t.giveToUser(c.Dir, "."); err != nil {
			return err
		}
	}
	release, err := t.acquireDevices(ctx, c.Devices)
	if err != nil {
		return err
	}
	defer release()
	inner, end := context.WithCancelCause(ctx)
	defer end(nil)

	stall := c.StallTimeout
	if stall <= 0 {
		stall = DefaultStallTimeout
	}
	w := newWatchdog(stall, func() { end(ErrStalled) })
	defer w.stop()
	if c.Served != nil {
		w.setServed(c.Served.Activity)
	}

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
	args := append(append([]string(nil), globalArgs...), allowlistInputs(c.Args, c.Served)...)
	rules, err := t.commandRules(c)
	if err != nil {
		return err
	}
	var used time.Duration
	ffmpeg := child{
		path: t.ffmpeg, args: args, dir: c.Dir, stdout: parser, stderr: messages, killDelay: t.killDelay, started: w.setProcess,
		rules: rules, nice: niceness, used: func(cpu time.Duration) { used = cpu },
	}
	if c.Input != nil {
		if ffmpeg.stdin, err = newStdinPump(c.Input, w.setIdle, end); err != nil {
			return err
		}
	}
	start := time.Now()
	err = ffmpeg.run(inner)
	args, said := c.shown(args, messages.String())
	err = outcome(ctx, inner, args, said, err)
	if c.Ended != nil {
		c.Ended(Report{Args: args, Said: said, Start: start, Took: time.Since(start), CPU: used, Err: err})
	}
	return err
}

// shown returns arguments and messages with the name of a served input in place of its
// address, which is a secret of this process, and tells nobody anything.
func (c Command) shown(args []string, said string) ([]string, string) {
	if c.Served == nil {
		return args, said
	}
	args = slices.Clone(args)
	for i, a := range args {
		if a == c.Served.URL {
			args[i] = c.Served.Name
		}
	}
	return args, strings.ReplaceAll(said, c.Served.URL, c.Served.Name)
}

// outcome is what Run returns for the error of a child.
func outcome(ctx, inner context.Context, args []string, said string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	cause := context.Cause(inner)
	if err == nil && cause == nil {
		return nil
	}
	return runError(args, said, err, cause)
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

// watchdog calls stalled when a run has made no progress for limit.
type watchdog struct {
	limit   time.Duration
	stalled func()

	mu        sync.Mutex
	last      Progress
	bytesRead uint64
	pid       int
	timer     *time.Timer // nil: ended
	idle      bool        // it waits for input; the clock is stopped

	served      func() (bytes int64, waiting bool) // see Served; nil: nothing is served
	bytesServed int64
}

func newWatchdog(limit time.Duration, stalled func()) *watchdog {
	w := &watchdog{limit: limit, stalled: stalled}
	w.mu.Lock() // the timer may fire before this returns
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(limit, w.fire)
	return w
}

func (w *watchdog) setProcess(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pid, w.bytesRead = pid, bytesRead(pid)
}

// observe restarts the clock when p is ahead of all progress before.
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

func (w *watchdog) setServed(activity func() (int64, bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.served = activity
}

// reads reports whether the process has read something since it was last asked, or waits
// for what it reads.
func (w *watchdog) reads() bool {
	n := bytesRead(w.pid)
	reads := n > w.bytesRead
	w.bytesRead = max(n, w.bytesRead)
	if w.served != nil {
		served, waiting := w.served()
		reads = reads || waiting || served > w.bytesServed
		w.bytesServed = served
	}
	return reads
}

// setIdle stops the clock while the run has no input to read, and restarts it when
// there is some: the run has then taken all input before.
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

// fire calls stalled unless the process has read something meanwhile. Moving the
// index of a large MP4 to its front, or decoding up to a far offset, reads files
// without any progress.
func (w *watchdog) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil || w.idle {
		return
	}
	if w.reads() {
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

// bytesRead is how many bytes a process has read so far (rchar of proc(5)); 0: unknown.
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
