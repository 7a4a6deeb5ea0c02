package ffmpeg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/internal/testtime"
	"github.com/copra-video/copra/job"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "in.mp4", testmedia.Standard)
	var seen []Progress
	err := tools(t).Run(t.Context(), Command{
		Dir:      dir,
		Args:     []string{"-i", "in.mp4", "-vf", "scale=64:36", "-c:v", "libx264", "-preset", "ultrafast", "out.mp4"},
		Progress: func(p Progress) { seen = append(seen, p) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) == 0 {
		t.Fatal("no progress was told")
	}
	if last := seen[len(seen)-1]; last.OutTime < 3900*time.Millisecond || last.OutTime > 4100*time.Millisecond || last.Frame != 100 || last.Size == 0 {
		t.Errorf("last progress %+v", last)
	}
	if _, err := os.Stat(filepath.Join(dir, "out.mp4")); err != nil {
		t.Error(err)
	}
}

// ffmpeg is nicer than the server, with and without a sandbox.
func TestRunIsNice(t *testing.T) {
	own, err := processNiceness()
	if err != nil {
		t.Fatal(err)
	}
	// nice(1) prints the niceness, which is set after the script has started.
	open := script(t, fmt.Sprintf(`until [ "$(nice)" = %d ]; do :; done; `, min(19, own+niceness))+writeProgress)
	sandboxed := open.Sandboxed(Sandbox{Landlock: true})
	for name, f := range map[string]*Toolchain{"open": open, "sandboxed": sandboxed} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := f.Run(ctx, Command{Dir: t.TempDir()}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

func TestRunFails(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "in.mp4", testmedia.Truncated)
	err := tools(t).Run(t.Context(), Command{Dir: dir, Args: []string{"-i", "in.mp4", "out.mp4"}})
	e, ok := errors.AsType[*RunError](err)
	if !ok || e.ExitCode <= 0 || e.Signal != 0 || !strings.Contains(e.Tail, "moov atom not found") {
		t.Fatalf("%#v", err)
	}
	if msg := e.Error(); len(msg) > 300 || strings.Contains(msg, "\n") || !strings.HasPrefix(msg, "run ffmpeg: exit status ") {
		t.Errorf("message %q", msg)
	}
	if got := Reason(err); got != job.InputDamaged {
		t.Errorf("reason %s", got)
	}
}

func TestRunDoesNotStart(t *testing.T) {
	err := (&Toolchain{ffmpeg: "/nowhere/ffmpeg"}).Run(t.Context(), Command{})
	if e, ok := errors.AsType[*RunError](err); !ok || !errors.Is(err, os.ErrNotExist) || e.ExitCode != -1 || !Reason(err).Requeue() {
		t.Errorf("%#v", err)
	}
}

func TestRunTellsOfSignals(t *testing.T) {
	for signal, want := range map[string]job.Reason{"KILL": job.ServerOutOfMemory, "SEGV": job.EncodingCrashed} {
		err := script(t, "kill -"+signal+" $$").Run(t.Context(), Command{})
		if e, ok := errors.AsType[*RunError](err); !ok || e.Signal == 0 || Reason(err) != want {
			t.Errorf("%s: %v", signal, err)
		}
	}
	observed.Row(t, "errors.md encoding_crashed")
	observed.Row(t, "errors.md server_out_of_memory")
}

// x264 only warns of a level that is too low for the frame size.
func TestRunRefusesTooLowALevel(t *testing.T) {
	err := tools(t).Run(t.Context(), Command{Dir: t.TempDir(), Args: []string{
		"-f", "lavfi", "-i", "testsrc2=s=1280x720:d=60", "-c:v", "libx264", "-preset", "ultrafast", "-level", "10", "out.mp4",
	}})
	if !errors.Is(err, errEnded) || Reason(err) != job.OutputLevelTooLow {
		t.Errorf("%v", err)
	}
	observed.Row(t, "errors.md output_level_too_low")
}

func TestRunEndsWithItsContext(t *testing.T) {
	why := errors.New("a reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	var from time.Time
	err := tools(t).Run(ctx, Command{
		Dir:  t.TempDir(),
		Args: []string{"-readrate", "1", "-f", "lavfi", "-i", "testsrc2=s=320x180:d=1000", "-c:v", "libx264", "out.mp4"},
		Progress: func(Progress) {
			if from.IsZero() {
				from = time.Now()
			}
			cancel(why)
		},
	})
	if !errors.Is(err, why) {
		t.Errorf("error %v, want the cause", err)
	}
	testtime.Within(t, "the end after the context's", from, 2*time.Second)
	if err := tools(t).Run(ctx, Command{}); !errors.Is(err, why) {
		t.Errorf("with an ended context: %v", err)
	}
}

// A process that ignores SIGTERM is killed with all that it has started, even when
// these keep the pipes open.
func TestRunKillsTheGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	pids := filepath.Join(t.TempDir(), "pids")
	f := script(t, "trap '' TERM; sleep 1000 & echo $$ $! > "+pids+"; "+writeProgress+"; while :; do wait; done")
	from := time.Now()
	if err := f.Run(ctx, Command{Progress: func(Progress) { cancel() }}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	testtime.Within(t, "the end", from, 2*time.Second)
	b, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for s := range strings.FieldsSeq(string(b)) {
		gone(t, s)
	}
}

// gone fails the test unless the process ends soon.
func gone(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(n, 0)
	if errors.Is(err, unix.ESRCH) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 3000); n != 1 {
		t.Errorf("process %s is still there: %v", pid, err)
	}
}

// A killed server leaves no ffmpeg behind.
func TestRunDiesWithItsParent(t *testing.T) {
	for name, user := range map[string]int{"as ourselves": 0, "as another user": testUser} {
		t.Run(name, func(t *testing.T) {
			if user != 0 && os.Getuid() != 0 {
				testmedia.Missing(t, "only root can run ffmpeg as another user")
			}
			diesWithItsParent(t, user)
		})
	}
}

func diesWithItsParent(t *testing.T, user int) {
	f := &Toolchain{ffmpeg: filepath.Join(openDir(t), "ffmpeg")}
	testmedia.Program(t, f.ffmpeg, "#!/bin/sh\necho $$ > pid; "+writeProgress+"; exec sleep 1000\n")
	pid := filepath.Join(filepath.Dir(f.ffmpeg), "pid") // where a sandboxed one may write
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), orphanEnv+"="+f.ffmpeg, orphanUserEnv+"="+strconv.Itoa(user))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "7\n" {
		t.Errorf("the process said %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process ended by itself")
	}
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	gone(t, strings.TrimSpace(string(b)))
}

func TestRunStalls(t *testing.T) {
	for name, body := range map[string]string{
		"silent":          "exec sleep 1000",
		"no advance":      "exec yes progress=continue",
		"ignores signals": "trap '' TERM; exec sleep 1000",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := script(t, body).Run(t.Context(), Command{StallTimeout: 60 * time.Millisecond})
			if !errors.Is(err, ErrStalled) || Reason(err) != job.EncodingStalled {
				t.Errorf("error %v", err)
			}
		})
	}
	observed.Row(t, "errors.md encoding_stalled")
}

func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalled := 0
		w := newWatchdog(time.Minute, func() { stalled++ })
		defer w.stop()
		for i, p := range []Progress{{Frame: 1}, {Frame: 1, OutTime: 1}, {Frame: 1, OutTime: 1, Size: 1}, {Frame: 2}} {
			<-time.After(50 * time.Second)
			w.observe(p)
			if stalled != 0 {
				t.Fatalf("stalled at step %d", i)
			}
		}
		<-time.After(50 * time.Second)
		w.observe(Progress{Frame: 2, OutTime: 1, Size: 1}) // no advance
		<-time.After(11 * time.Second)
		synctest.Wait()
		if stalled != 1 {
			t.Errorf("stalled %d times", stalled)
		}
	})
}

func TestWatchdogTakesReadingForProgress(t *testing.T) {
	stalled := 0
	w := newWatchdog(time.Hour, func() { stalled++ })
	defer w.stop()
	w.setProcess(os.Getpid())
	if bytesRead(os.Getpid()) == 0 {
		testmedia.Missing(t, "the kernel does not count what a process reads")
	}
	for range 3 {
		if _, err := os.ReadFile("/proc/self/stat"); err != nil {
			t.Fatal(err)
		}
		w.fire()
	}
	if stalled != 0 {
		t.Error("stalled though it read")
	}
	w.bytesRead = 1 << 62
	w.fire()
	if stalled != 1 {
		t.Errorf("stalled %d times", stalled)
	}
}

// Neither much output nor a slow listener blocks ffmpeg.
func TestRunTakesAllOutput(t *testing.T) {
	through := filepath.Join(t.TempDir(), "through")
	if err := unix.Mkfifo(through, 0o600); err != nil {
		t.Fatal(err)
	}
	f := script(t, `head -c 2000000 /dev/zero; head -c 2000000 /dev/zero | tr '\000' x >&2; i=0
while [ $i -lt 3000 ]; do i=$((i+1)); echo "frame=$i"; echo "progress=continue"; echo "[warning] line $i" >&2; done
echo through >`+through+`; exit 3`)
	release := make(chan struct{})
	go func() { // releases the listener when the script has ended
		defer close(release)
		if _, err := os.ReadFile(through); err != nil {
			t.Error(err)
		}
	}()
	var last Progress
	err := f.Run(t.Context(), Command{Progress: func(p Progress) {
		last = p
		select {
		case <-release:
		case <-time.After(20 * time.Second):
			t.Error("the script waits for the listener")
		}
	}})
	e, ok := errors.AsType[*RunError](err)
	if !ok || e.ExitCode != 3 {
		t.Fatalf("error %v", err)
	}
	if len(e.Tail) > stderrTailBytes || !strings.HasSuffix(e.Tail, "[warning] line 3000\n") {
		t.Errorf("tail of %d bytes ends %q", len(e.Tail), e.Tail[max(0, len(e.Tail)-40):])
	}
	if last.Frame != 3000 {
		t.Errorf("last progress %+v", last)
	}
}

func TestChildSeesNoEnvironment(t *testing.T) {
	t.Setenv("COPRA_DATABASE_URL", "postgres://secret")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("http_proxy", "http://secret")
	err := script(t, "env >&2; exit 1").Run(t.Context(), Command{})
	e, ok := errors.AsType[*RunError](err)
	if !ok {
		t.Fatal(err)
	}
	if strings.Contains(e.Tail, "secret") || !strings.Contains(e.Tail, "LANG=C\n") {
		t.Errorf("environment:\n%s", e.Tail)
	}
}

// TestReason: each text of the table gives its reason, and no other text does.
func TestReason(t *testing.T) {
	for tail, want := range map[string]job.Reason{
		"av_interleaved_write_frame(): No space left on device\n[error] Conversion failed!": job.ServerDiskFull,
		"[error] Disk quota exceeded":                                             job.ServerDiskFull,
		"[error] File too large":                                                  job.ServerDiskFull,
		"[error] Cannot allocate memory":                                          job.ServerOutOfMemory,
		"x264 [error]: malloc of size 99 failed":                                  job.ServerOutOfMemory,
		"[mov] [error] moov atom not found":                                       job.InputDamaged,
		"[error] in.avi: Invalid data found when processing input":                job.InputDamaged,
		"[hls @ 0x1] [error] Format not on whitelist":                             job.InputNotSelfContained,
		"[error] Unknown encoder 'libfdk_aac'":                                    job.EncoderMissing,
		"[error] Stream map '0:a' matches no streams.":                            job.InputStreamMissing,
		"[warning] DPB size (4 frames, 99 mbs) > level limit (1 frames)":          job.EncodingFailed, // ffmpeg only warns
		"[error] v1.mp4: No such file or directory":                               job.InputDamaged,
		"[h264 @ 0x1] [error] error while decoding MB 3 4\n[error] something new": job.InputDamaged,
		"[warning] logo: No such file or directory\n[error] something new":        job.EncodingFailed,
		"[error] something new":                                                   job.EncodingFailed,
		"":                                                                        job.EncodingFailed,
	} {
		err := fmt.Errorf("step encode: %w", &RunError{ExitCode: 1, Tail: tail})
		if got := Reason(err); got != want {
			t.Errorf("%q: %s", tail, got)
		}
		if e := Failure(err); e.Reason != want || e.Message != want.Message() || !want.HasMessage() || !errors.Is(e, err) {
			t.Errorf("%q: told as %v", tail, e)
		}
	}
	for name, tt := range map[string]struct {
		err  error
		want job.Reason
	}{
		"of another package": {errors.New("other"), job.EncodingFailed},
		"no folder":          {fmt.Errorf("make folder: %w", &os.PathError{Op: "mkdir", Err: syscall.ENOSPC}), job.ServerDiskFull},
		"already explained":  {fmt.Errorf("read: %w", job.Errorf(job.InputNotReadable, "It broke off.")), job.InputNotReadable},
		"stalled":            {&RunError{Cause: ErrStalled}, job.EncodingStalled},
		"no input":           {&RunError{Cause: errors.New("the file before it failed")}, job.InternalError},
	} {
		if got, e := Reason(tt.err), Failure(tt.err); got != tt.want || e.Reason != tt.want || e.Message == "" {
			t.Errorf("%s: %s, told as %v", name, got, e)
		}
	}
	observed.Row(t, "errors.md input_not_self_contained")
	observed.Row(t, "errors.md input_stream_missing")
	observed.Row(t, "errors.md encoder_missing")
	observed.Row(t, "errors.md encoding_failed")
}

func TestProgressParsing(t *testing.T) {
	var got []Progress
	p := &progress{block: func(p Progress) { got = append(got, p) }}
	in := "frame=10\nfps=25.5\ntotal_size=1000\nout_time_us=400000\nspeed=1.5x\nprogress=continue\n" +
		"frame=11\nfps=N/A\ntotal_size=N/A\nout_time_us=N/A\nspeed=N/A\nprogress=continue\n" +
		"frame=12\nout_time_us=-9223372036854775808\nspeed=   2x\nprogress=end\nframe=13\n"
	for i := range in { // one byte at a time
		if _, err := p.Write([]byte(in[i : i+1])); err != nil {
			t.Fatal(err)
		}
	}
	first := Progress{OutTime: 400 * time.Millisecond, Frame: 10, FPS: 25.5, Speed: 1.5, Size: 1000}
	second, third := first, first
	second.Frame, third.Frame, third.Speed = 11, 12, 2
	for i, want := range []Progress{first, second, third} {
		if i >= len(got) || got[i] != want {
			t.Fatalf("block %d of %+v, want %+v", i, got, want)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d blocks", len(got))
	}
}
