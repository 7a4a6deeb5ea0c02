package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

// inputLine is the rate of the line to the origin, in bytes a second.
const inputLine = 25e6

// input measures what is read of a long file over a line of inputLine, and how long that
// takes, beside a careful command by hand; and how soon an encode begins.
func (b *bench) input(ctx context.Context) error {
	dir, err := b.Sub("input")
	if err != nil {
		return err
	}
	film, err := b.longFilm(ctx, dir)
	if err != nil {
		return err
	}
	o := &origin{file: film}
	web := httptest.NewServer(o)
	defer web.Close()
	srv, err := b.Standalone(ctx, "input/server")
	if err != nil {
		return err
	}
	defer srv.Stop()
	hand, err := newByHand(ctx, film)
	if err != nil {
		return err
	}
	address := web.URL + "/film.mp4"
	if err := b.inputParts(ctx, srv, o, hand, address); err != nil {
		return err
	}
	if err := b.firstFrame(ctx, srv, o, address); err != nil {
		return err
	}
	return b.wholeJobs(ctx, srv, o, address)
}

// longFilm makes a film of b.minutes with a keyframe each 10 s and its index at the end:
// 30 s of it are encoded, and repeated.
func (b *bench) longFilm(ctx context.Context, dir string) (string, error) {
	unit, film := filepath.Join(dir, "unit.mp4"), filepath.Join(dir, "film.mp4")
	if _, err := measure.FFmpeg(ctx, dir, "-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=24:d=30,noise=alls=12:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "6000k", "-maxrate", "6500k", "-bufsize", "12M", "-g", "240", "-keyint_min", "240",
		"-sc_threshold", "0", "-pix_fmt", "yuv420p", unit); err != nil {
		return "", err
	}
	// Sound that is repeated would leave gaps between the pictures.
	sine := fmt.Sprintf("sine=r=48000:d=%d", int(b.minutes*2)*30)
	_, err := measure.FFmpeg(ctx, dir, "-stream_loop", strconv.Itoa(int(b.minutes*2)-1), "-i", unit, "-f", "lavfi", "-i", sine, "-c:v", "copy", "-c:a", "aac", "-b:a", "128k", film)
	return film, err
}

// inputParts compares jobs that need parts of the film.
func (b *bench) inputParts(ctx context.Context, srv *measure.Server, o *origin, hand *byHand, address string) error {
	var pictures []string
	for _, t := range hand.times {
		pictures = append(pictures, "-ss", fmt.Sprintf("%.3f", t), "-i", address)
	}
	for k := range hand.times {
		pictures = append(pictures, "-map", fmt.Sprintf("%d:v", k), "-frames:v", "1", "-q:v", "2", "-update", "1", fmt.Sprintf("%d.jpg", k))
	}
	at := fmt.Sprintf("%d", int(b.minutes*30))
	for _, c := range []struct {
		what        string
		hand        []string
		outputs     client.Outputs
		time, bytes float64 // at most so often those by hand
	}{
		{"five pictures", pictures, client.Outputs{"jpg": map[string]any{"path": "/p_#num#.jpg", "number": 5}}, 1.2, 1.2},
		{"clip of 5 s", concat([]string{"-ss", at, "-t", "5", "-i", address, "-vf", "scale=-2:360"}, []string{"-c:v", "libx264", "-preset", preset}, encodeAudio, []string{"clip.mp4"}),
			client.Outputs{"mp4:360p": map[string]any{"path": "/clip.mp4", "offset": at, "duration": "5"}}, 1.3, 1.5},
	} {
		o.sent.Store(0)
		by, err := nice(ctx, b.Dir, c.hand...)
		if err != nil {
			return err
		}
		handBytes := o.sent.Swap(0)
		_, sent, ended, err := srv.Job(ctx, srv.Request(address, c.outputs, nil))
		if err != nil {
			return err
		}
		took, bytes := ended.Sub(sent), o.sent.Load()
		b.report.Expect("input: "+c.what+", time (by hand "+measure.MS(by.Wall)+")", measure.MS(took),
			fmt.Sprintf("<= %.1f x", c.time), took.Seconds() <= c.time*by.Wall.Seconds())
		b.report.Expect(fmt.Sprintf("input: %s, read (by hand %.1f MB)", c.what, float64(handBytes)/1e6), fmt.Sprintf("%.1f MB", float64(bytes)/1e6),
			fmt.Sprintf("<= %.1f x", c.bytes), float64(bytes) <= c.bytes*float64(handBytes))
	}
	return nil
}

// nice runs ffmpeg in dir, with the niceness that the server gives it: on a busy machine
// that decides how long it takes.
func nice(ctx context.Context, dir string, args ...string) (measure.Cost, error) {
	cmd := exec.CommandContext(ctx, "nice", append([]string{"-n", "5", "ffmpeg", "-nostdin", "-nostats", "-v", "error", "-y"}, args...)...)
	cmd.Dir = dir
	begin := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return measure.Cost{}, fmt.Errorf("ffmpeg: %w\n%s", err, out)
	}
	return measure.Cost{Wall: time.Since(begin), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// firstFrame measures the time from POST to the first bytes of an encode of the whole.
func (b *bench) firstFrame(ctx context.Context, srv *measure.Server, o *origin, address string) error {
	o.sent.Store(0)
	sent := time.Now()
	j, err := srv.API.CreateJob(ctx, srv.Request(address, client.Outputs{"mp4:360p": "/whole.mp4"}, nil))
	if err != nil {
		return err
	}
	for !encoded(b.Dir, sent) {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	took := time.Since(sent)
	b.report.Expect(fmt.Sprintf("input: POST to first frame, %.0f MB at %.0f MB/s", float64(o.size())/1e6, inputLine/1e6), measure.MS(took), "<= 3 s", took <= 3*time.Second)
	b.report.Note("input: read until then", fmt.Sprintf("%.1f MB", float64(o.sent.Load())/1e6))
	_, err = srv.API.Cancel(ctx, j.ID)
	return err
}

// encoded reports whether a run's folder has a file with something in it, beside the input,
// that is newer than since.
func encoded(dir string, since time.Time) (found bool) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "/run-") || d.Name() == "source" {
			return nil //nolint:nilerr // it is gone
		}
		info, err := d.Info()
		found = found || err == nil && info.Size() > 0 && info.ModTime().After(since)
		return nil
	})
	return found
}

// wholeJobs compares jobs that read the whole with the time that the line alone takes.
func (b *bench) wholeJobs(ctx context.Context, srv *measure.Server, o *origin, address string) error {
	for _, c := range []struct {
		what    string
		outputs client.Outputs
	}{
		{"mp4:copy:copy of all", client.Outputs{"mp4:copy:copy": "/copy.mp4"}},
		{"mp3 of all", client.Outputs{"mp3": "/sound.mp3"}},
	} {
		line, err := download(ctx, address)
		if err != nil {
			return err
		}
		o.sent.Store(0)
		_, sent, ended, err := srv.Job(ctx, srv.Request(address, c.outputs, nil))
		if err != nil {
			return err
		}
		took := ended.Sub(sent).Seconds()
		b.report.Expect(fmt.Sprintf("input: %s over that line (the line alone %.1f s)", c.what, line), fmt.Sprintf("%.1f s", took), "<= line + 5 %", took <= 1.05*line)
		b.report.Note("input: "+c.what+", read", fmt.Sprintf("%.1f MB", float64(o.sent.Load())/1e6))
	}
	return nil
}

// download returns how long the line alone takes for the film, in seconds.
func download(ctx context.Context, address string) (float64, error) {
	begin := time.Now()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return time.Since(begin).Seconds(), err
}

// origin is a web server of one file behind a slow line. It counts what it sends.
type origin struct {
	file string
	sent atomic.Int64

	mu   sync.Mutex
	next time.Time // when the line is free
}

func (o *origin) size() int64 {
	st, err := os.Stat(o.file)
	if err != nil {
		return 0
	}
	return st.Size()
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, err := os.Open(o.file)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "video/mp4")
	http.ServeContent(slowWriter{w, o}, r, "", st.ModTime(), f)
}

type slowWriter struct {
	http.ResponseWriter
	o *origin
}

func (s slowWriter) Write(p []byte) (int, error) {
	s.o.mu.Lock()
	now := time.Now()
	if oldest := now.Add(-100 * time.Millisecond); s.o.next.Before(oldest) {
		s.o.next = oldest // sleeps are late, and that is made up for
	}
	wait := s.o.next.Sub(now)
	s.o.next = s.o.next.Add(time.Duration(float64(len(p)) / inputLine * float64(time.Second)))
	s.o.mu.Unlock()
	<-time.After(wait)
	n, err := s.ResponseWriter.Write(p)
	s.o.sent.Add(int64(n))
	return n, err
}
