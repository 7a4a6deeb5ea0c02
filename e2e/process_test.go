package e2e

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testtime"
)

// output keeps what a process writes, and can be read meanwhile.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// process is a running copy of the program.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr output
	done           chan struct{}
	err            error // of Wait, after done
}

// launch is how a process is started.
type launch struct {
	program string // "": the one under test
	args    []string
	env     []string // beside PATH, HOME, TMPDIR and quickly
	uid     uint32   // 0: as ourselves
	in      io.Reader
}

// quickly are presets that encode quickly. No test here looks at how well.
const quickly = "COPRA_PRESETS=libx264=superfast,libx265=superfast,libvpx=5,libvpx-vp9=5"

func start(l launch) (*process, error) {
	p := &process{done: make(chan struct{})}
	p.cmd = exec.Command(cmp.Or(l.program, binary), l.args...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir(), "GOTRACEBACK=all", quickly}, l.env...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = l.in, &p.stdout, &p.stderr
	// No child of the program may keep our pipes open after its end.
	p.cmd.WaitDelay = 3 * time.Second
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if l.uid != 0 {
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: l.uid, Gid: l.uid}
	}
	started := make(chan error)
	go func() {
		// The kernel sends Pdeathsig when the thread that forked ends, not the
		// process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %q: %w", l.args, err)
	}
	return p, nil
}

// launchFor starts a process that ends with the test at the latest. If the test
// fails, it prints what the process wrote.
func launchFor(t testing.TB, l launch) *process {
	t.Helper()
	p, err := start(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%q wrote:\n%s%s", l.args, p.stdout.String(), tellingLines(p.stderr.String()))
		}
	})
	return p
}

// finish runs the program until it ends.
func finish(t testing.TB, limit time.Duration, l launch) (code int, stdout, stderr string) {
	t.Helper()
	p := launchFor(t, l)
	p.await(t, limit)
	return p.cmd.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String()
}

// await waits for the end of the process and fails the test after limit.
func (p *process) await(t testing.TB, limit time.Duration) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(testtime.Allow(limit)):
		p.cmd.Process.Signal(syscall.SIGQUIT) // shows where it hangs
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
		}
		t.Fatalf("%q has not ended after %s:\n%s%s", p.cmd.Args, limit, p.stdout.String(), p.stderr.String())
	}
	if errors.Is(p.err, exec.ErrWaitDelay) {
		t.Errorf("%q has ended, but a child of it holds its output open", p.cmd.Args)
	}
}

// says waits until the process has written what re matches, and returns its
// first group.
func (p *process) says(limit time.Duration, re string) (string, error) {
	pattern := regexp.MustCompile(re)
	deadline := time.NewTimer(testtime.Allow(limit))
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		all := p.stdout.String() + p.stderr.String()
		if m := pattern.FindStringSubmatch(all); m != nil {
			return m[len(m)-1], nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return "", fmt.Errorf("%q ended (%s) before it wrote %q:\n%s", p.cmd.Args, p.cmd.ProcessState, re, all)
		case <-deadline.C:
			return "", fmt.Errorf("%q has not written %q after %s:\n%s", p.cmd.Args, re, limit, all)
		}
	}
}

// terminate ends the process as an operator does. It fails the test if that
// takes more than five seconds or the process reports an error.
func (p *process) terminate(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	asked := time.Now()
	p.await(t, 5*time.Second)
	t.Logf("%s ended %s after SIGTERM", p.cmd.Args[1], time.Since(asked).Round(time.Millisecond))
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%q ended with exit code %d after SIGTERM:\n%s", p.cmd.Args, code, p.stderr.String())
	}
}

func (p *process) kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.done
}
