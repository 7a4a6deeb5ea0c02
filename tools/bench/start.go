package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

// start measures how soon after POST ffmpeg begins. In place of ffmpeg and ffprobe the
// server gets this very program, which records when it was started and runs the real
// one.
func (b *bench) start(ctx context.Context) error {
	dir, err := b.Sub("start", "bin")
	if err != nil {
		return err
	}
	if err := standIns(dir); err != nil {
		return err
	}
	clip := filepath.Join(b.Dir, "start", "tiny.mp4")
	if _, err := measure.FFmpeg(ctx, b.Dir, "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25:duration=1", "-c:v", "libx264",
		"-preset", "ultrafast", "-pix_fmt", "yuv420p", "-movflags", "+faststart", clip); err != nil {
		return err
	}
	// Without the sandbox, because the stand-in writes beside itself, where ffmpeg may not.
	srv, err := b.Standalone(ctx, "start", "--sandbox", "off", "--ffmpeg", filepath.Join(dir, "ffmpeg"), "--ffprobe", filepath.Join(dir, "ffprobe"))
	if err != nil {
		return err
	}
	defer srv.Stop()
	input, err := srv.API.UploadFile(ctx, clip)
	if err != nil {
		return err
	}
	request := srv.Request(input, client.Outputs{"mp4:0x90": "/out.mp4"}, nil)
	var toProbe, probes, toFFmpeg, beyond, whole []time.Duration
	for range b.jobs + 1 {
		_, sent, ended, err := srv.Job(ctx, request)
		if err != nil {
			return err
		}
		r, err := readRuns(dir, sent)
		if err != nil {
			return err
		}
		toProbe = append(toProbe, r.probe.Sub(sent))
		probes = append(probes, r.probed.Sub(r.probe))
		toFFmpeg = append(toFFmpeg, r.ffmpeg.Sub(r.probed))
		beyond = append(beyond, r.ffmpeg.Sub(sent)-r.probed.Sub(r.probe))
		whole = append(whole, ended.Sub(sent))
	}
	// The first job does not count: it opens connections and reads programs from the disk.
	const what = "start: "
	b.report.Note(what+"POST to ffprobe, p50", measure.MS(measure.Quantile(toProbe[1:], 0.5)))
	b.report.Note(what+"ffprobe itself, p50", measure.MS(measure.Quantile(probes[1:], 0.5)))
	b.report.Note(what+"ffprobe's end to ffmpeg, p50", measure.MS(measure.Quantile(toFFmpeg[1:], 0.5)))
	p50 := measure.Quantile(beyond[1:], 0.5)
	b.report.Expect(what+"POST to ffmpeg without ffprobe, p50", measure.MS(p50), "<= 100 ms", p50 <= 100*time.Millisecond)
	b.report.Note(what+"the same, slowest of "+strconv.Itoa(b.jobs), measure.MS(measure.Quantile(beyond[1:], 1)))
	b.report.Note(what+"whole job of 1 s of video, p50", measure.MS(measure.Quantile(whole[1:], 0.5)))
	return nil
}

// standIns makes links to this program that are called ffmpeg and ffprobe, and
// beside them links to the real ones.
func standIns(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		program, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			return err
		}
		if err := os.Symlink(program, filepath.Join(dir, "real-"+name)); err != nil {
			return err
		}
	}
	return nil
}

// recordStart returns false unless this process was started as ffmpeg or ffprobe. Then it
// records the time and runs the real program: it becomes ffmpeg, and waits for ffprobe to
// record its end too.
func recordStart() bool {
	begin := time.Now()
	dir, name := filepath.Split(os.Args[0])
	if name != "ffmpeg" && name != "ffprobe" {
		return false
	}
	write := func(event string, at time.Time) {
		f, err := os.OpenFile(filepath.Join(dir, "runs"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return
		}
		defer f.Close()
		fmt.Fprintf(f, "%s %d\n", event, at.UnixNano())
	}
	write(name, begin)
	args := append([]string{name}, os.Args[1:]...)
	program := filepath.Join(dir, "real-"+name)
	if name == "ffmpeg" {
		fmt.Fprintln(os.Stderr, syscall.Exec(program, args, os.Environ()))
		os.Exit(127)
	}
	cmd := exec.Command(program, args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	write("probed", time.Now())
	if err != nil {
		os.Exit(max(1, cmd.ProcessState.ExitCode()))
	}
	return true
}

// runs are times of one job: the start and the end of its probe, and the first start of
// ffmpeg.
type runs struct{ probe, probed, ffmpeg time.Time }

// readRuns finds the first time of each kind after since.
func readRuns(dir string, since time.Time) (r runs, err error) {
	for line := range strings.Lines(measure.FileText(filepath.Join(dir, "runs")) + "\n") {
		event, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		nanos, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			continue
		}
		at := time.Unix(0, nanos)
		switch {
		case at.Before(since):
		case event == "ffprobe" && r.probe.IsZero():
			r.probe = at
		case event == "probed" && r.probed.IsZero():
			r.probed = at
		case event == "ffmpeg" && r.ffmpeg.IsZero():
			r.ffmpeg = at
		}
	}
	if r.probe.IsZero() || r.probed.IsZero() || r.ffmpeg.IsZero() {
		return r, fmt.Errorf("the server started no ffprobe and ffmpeg of %s", dir)
	}
	return r, nil
}
