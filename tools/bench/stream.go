package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

// stream measures a job whose result is a stream of some minutes, with a near bucket and
// with one behind a slow line: how long it takes, how much of that comes after the
// encode, and what it takes of the work directory at most. With -against another build
// does the same in turn.
func (b *bench) stream(ctx context.Context) error {
	clip, err := b.longSource(ctx)
	if err != nil {
		return err
	}
	dir, err := b.Sub("stream")
	if err != nil {
		return err
	}
	endpoint, stop, err := b.S3(ctx, dir)
	if err != nil {
		return err
	}
	defer stop()
	line := newLine(endpoint)
	defer line.Close()
	programs := []measure.Lab{b.Lab}
	if b.against != "" {
		other := b.Lab
		if other.Bin, err = filepath.Abs(b.against); err != nil {
			return err
		}
		programs = append(programs, other)
	}
	for _, rate := range []int64{0, b.line * 1e6 / 8} {
		line.rate.Store(rate)
		where := "near bucket"
		if rate > 0 {
			where = fmt.Sprintf("bucket behind %d Mbit/s", b.line)
		}
		times, rests, peaks := make([][]float64, len(programs)), make([][]float64, len(programs)), make([][]float64, len(programs))
		for round := range b.rounds {
			for i := range programs {
				took, rest, peak, err := streamJob(ctx, &programs[i], fmt.Sprintf("stream-%d-%d-%d", rate, round, i), clip, line.URL)
				if err != nil {
					return err
				}
				times[i], rests[i] = append(times[i], took.Seconds()), append(rests[i], rest.Seconds())
				peaks[i] = append(peaks[i], float64(peak)/(1<<20))
			}
		}
		b.report.Note("stream: "+where, fmt.Sprintf("%.1f s, %.1f s of them after the encode, %.0f MiB of the work directory",
			measure.Median(times[0]), measure.Median(rests[0]), measure.Median(peaks[0])))
		if b.against != "" {
			t, a, p := ratios(times[0], times[1]), ratios(rests[0], rests[1]), ratios(peaks[0], peaks[1])
			b.report.Note("stream: "+where+", time against "+filepath.Base(b.against)+list(t), fmt.Sprintf("%.2f x of %.1f s", measure.Median(t), measure.Median(times[1])))
			b.report.Note("stream: "+where+", after the encode against "+filepath.Base(b.against)+list(a), fmt.Sprintf("%.2f x of %.1f s", measure.Median(a), measure.Median(rests[1])))
			b.report.Note("stream: "+where+", work directory against "+filepath.Base(b.against)+list(p), fmt.Sprintf("%.2f x of %.0f MiB", measure.Median(p), measure.Median(peaks[1])))
		}
	}
	return nil
}

// longSource repeats the clip until it is b.minutes long.
func (b *bench) longSource(ctx context.Context) (string, error) {
	clip, err := b.source(ctx)
	if err != nil {
		return "", err
	}
	text, err := measure.Probe(ctx, clip, "format=duration")
	if err != nil {
		return "", err
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return "", fmt.Errorf("read duration of %s: %w", clip, err)
	}
	long := filepath.Join(b.Dir, "long.mp4")
	_, err = measure.FFmpeg(ctx, b.Dir, "-stream_loop", strconv.Itoa(int(b.minutes*60/seconds)), "-i", clip, "-map", "0:v:0", "-map", "0:a:0",
		"-c", "copy", "-t", strconv.FormatFloat(b.minutes*60, 'f', -1, 64), long)
	return long, err
}

// streamJob runs one job with a server of its own. rest is the time after the encode,
// and peak the most bytes of the work directory.
func streamJob(ctx context.Context, lab *measure.Lab, name, clip, endpoint string) (took, rest time.Duration, peak int64, err error) {
	workDir, err := lab.Sub(name, "work")
	if err != nil {
		return 0, 0, 0, err
	}
	srv, err := lab.Standalone(ctx, name, "--preset", "libx264="+preset, "--work-dir", workDir, "--log-level", "debug")
	if err != nil {
		return 0, 0, 0, err
	}
	defer srv.Stop()
	input, err := srv.API.UploadFile(ctx, clip)
	if err != nil {
		return 0, 0, 0, err
	}
	var variants []string
	for _, r := range rungs {
		if r.h <= 720 {
			variants = append(variants, fmt.Sprintf("mp4:%s_%dk", r.name, r.maxrateK))
		}
	}
	outputs := client.Outputs{"httpstream": client.HTTPStream{
		HLS: &client.HLS{Path: "/" + name + "/hls"}, DASH: &client.DASH{Path: "/" + name + "/dash", HLSFMP4: true}, Variants: variants,
	}}
	stop := watchFolder(workDir, &peak)
	_, sent, ended, err := srv.Job(ctx, srv.Request(input, outputs, measure.S3Storage(endpoint)))
	stop()
	if err != nil {
		return 0, 0, 0, err
	}
	encoded, err := encodeEnd(srv.Log)
	return ended.Sub(sent), ended.Sub(encoded), peak, err
}

// encodeEnd returns when the encode ended, from the log.
func encodeEnd(log string) (time.Time, error) {
	data, err := os.ReadFile(log)
	if err != nil {
		return time.Time{}, err
	}
	for line := range strings.Lines(string(data)) {
		if text, ok := strings.CutPrefix(line, "time="); ok && strings.Contains(line, "step=encode-1") {
			text, _, _ = strings.Cut(text, " ")
			return time.Parse(time.RFC3339, text)
		}
	}
	return time.Time{}, fmt.Errorf("the log %s does not tell when the encode had ended", log)
}

// watchFolder sets peak to the most bytes of disk that the files below dir take, until
// stop is called.
func watchFolder(dir string, peak *int64) (stop func()) {
	stopped := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			*peak = max(*peak, diskUsage(dir))
			select {
			case <-stopped:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	return func() { close(stopped); wg.Wait() }
}

// diskUsage returns the disk space of the files below dir. A file with several links
// counts once.
func diskUsage(dir string) (bytes int64) {
	seen := map[uint64]bool{}
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // files come and go
		}
		if info, err := d.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok && !seen[st.Ino] {
				seen[st.Ino] = true
				bytes += st.Blocks * 512
			}
		}
		return nil
	})
	return bytes
}

// line is a proxy that reads the bodies of all requests together at no more than rate
// bytes a second; 0: without a limit.
type line struct {
	*httptest.Server
	rate atomic.Int64

	mu   sync.Mutex
	free time.Time // when the next byte may pass
}

func newLine(target string) *line {
	l := &line{}
	u, err := url.Parse(target)
	if err != nil {
		panic(err) // it is the address of a server that this program has started
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(u)
		r.Out.Host = r.In.Host // the signature covers it
	}}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = throttledBody{r.Body, l}
		proxy.ServeHTTP(w, r)
	}))
	return l
}

// throttledBody is the body of a request that passes a line.
type throttledBody struct {
	io.ReadCloser
	*line
}

func (s throttledBody) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p[:min(len(p), 16<<10)])
	if rate := s.rate.Load(); rate > 0 && n > 0 {
		s.mu.Lock()
		if now := time.Now(); s.free.Before(now) {
			s.free = now
		}
		s.free = s.free.Add(time.Duration(n) * time.Second / time.Duration(rate))
		wait := time.Until(s.free)
		s.mu.Unlock()
		<-time.After(wait)
	}
	return n, err
}
