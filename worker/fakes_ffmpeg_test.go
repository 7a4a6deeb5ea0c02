package worker

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// segments are two short segments of a stream, as FFmpeg cuts them, in testdata.
//
//go:embed testdata/segment-*.ts
var segments embed.FS

// fakeMedia is an ffmpeg that makes the files which its arguments name.
type fakeMedia struct {
	j          *journal
	film, mark job.Media
	quick      bool // steps take no time
}

func (fakeMedia) Version() string { return "fake" }

// ServesInputs reports false: a time bubble knows no network.
func (fakeMedia) ServesInputs() bool { return false }

func (fakeMedia) Capabilities() transcode.Capabilities { return transcode.Capabilities{} }

func (m fakeMedia) Probe(_ context.Context, file string) (job.Media, error) {
	if strings.HasPrefix(filepath.Base(file), transcode.SourceName) {
		return m.film, m.j.do("probe", nothing)
	}
	return m.mark, m.j.do("probe:logo", nothing)
}

func (fakeMedia) DecodePhoto(context.Context, string, string) error { return nil }

// Timeline is what is measured of the film: it lasts as long as it says.
func (m fakeMedia) Timeline(context.Context, string, string, job.Media, time.Duration) (job.Timeline, error) {
	t := job.Timeline{Streams: map[int]job.StreamTimeline{}}
	for _, v := range m.film.Video {
		t.Streams[v.Index] = job.StreamTimeline{Packets: 1, End: m.film.Duration, Rate: v.FPS}
	}
	for _, a := range m.film.Audio {
		t.Streams[a.Index] = job.StreamTimeline{Packets: 1, End: m.film.Duration}
	}
	return t, m.j.do("measure", nothing)
}

// Weights says that all parts of the film are equally hard to encode.
func (fakeMedia) Weights(context.Context, string, string, int, time.Duration) (transcode.Weights, error) {
	return nil, nil
}

// emptyMedia measures that the input's streams hold nothing.
type emptyMedia struct{ fakeMedia }

func (m emptyMedia) Timeline(_ context.Context, _, _ string, of job.Media, _ time.Duration) (job.Timeline, error) {
	t := job.Timeline{Streams: map[int]job.StreamTimeline{}}
	for _, v := range of.Video {
		t.Streams[v.Index] = job.StreamTimeline{}
	}
	return t, m.j.do("measure", nothing)
}

func (m fakeMedia) Verify(context.Context, string, transcode.Expect) (job.Media, error) {
	return m.film, m.j.do("verify:film", nothing)
}

func (m fakeMedia) ProbePlaylist(context.Context, string) (job.Media, error) {
	return m.film, m.j.do("verify:hls", nothing)
}

// Run makes the files of a step. An encode takes five seconds and a copy takes one. A
// segment step cuts its segments at once, reads its input to the end, and takes three
// seconds more. A step breaks at its end. One whose input breaks ends a moment later.
func (m fakeMedia) Run(ctx context.Context, c ffmpeg.Command) error {
	last := c.Args[len(c.Args)-1]
	pattern := slices.Index(c.Args, "-hls_segment_filename") + 1
	switch {
	case pattern > 0:
		err := cut(c.Dir, c.Args[pattern])
		if err == nil {
			err = readAll(ctx, c.Input)
		}
		if err == nil {
			err = m.pass(ctx, 3100*time.Millisecond)
		} else {
			err = errors.Join(err, pass(context.WithoutCancel(ctx), 400*time.Millisecond))
		}
		return m.j.do("segment", func() error { return err })
	case slices.Contains(c.Args, "libx264"):
		err := errors.Join(write(c.Dir, last), m.pass(ctx, 5300*time.Millisecond))
		return m.j.do("encode", func() error { return err })
	default:
		err := errors.Join(write(c.Dir, last), m.pass(ctx, 1200*time.Millisecond))
		return m.j.do("mux", func() error { return err })
	}
}

func (m fakeMedia) pass(ctx context.Context, d time.Duration) error {
	if m.quick {
		d = 0
	}
	return pass(ctx, d)
}

// cut writes the segments.
func cut(dir, pattern string) error {
	for n := range 2 {
		data, err := segments.ReadFile(fmt.Sprintf("testdata/segment-%05d.ts", n+1))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf(pattern, n+1)), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func readAll(ctx context.Context, in ffmpeg.Input) error {
	for buf := make([]byte, 100); ; {
		if _, err := in.Read(ctx, buf); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func write(dir, name string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600)
}

// pass waits for d or for the end of ctx.
func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
