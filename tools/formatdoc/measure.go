package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/transcode/format"
)

// pair is a container and a codec of one of its tracks.
type pair struct {
	container, codec string
	track            codec.Track
	format           format.Format
}

// allPairs returns the pairs of the tables of transcode/codec that this server makes.
func allPairs() []pair {
	var pairs []pair
	for _, c := range codec.Containers() {
		for _, track := range []codec.Track{codec.Video, codec.Audio} {
			for _, name := range c.Codecs(track) {
				text := c.Name + ":" + name + ":x"
				switch {
				case c.Kind == codec.KindAudio:
					text = c.Name + ":" + name
				case track == codec.Audio:
					text = c.Name + ":x:" + name
				}
				f, err := format.Parse(text)
				if err == nil && format.Supported(f) == nil {
					pairs = append(pairs, pair{c.Name, name, track, f})
				}
			}
		}
	}
	return pairs
}

// column has the results of one ffmpeg: "" for a pair that works, else why it does not.
type column struct {
	version string
	results map[pair]string
}

// measure makes every pair with the ffmpeg at path.
func measure(ctx context.Context, path string, pairs []pair, log io.Writer) (column, error) {
	tools, err := ffmpeg.Find(ctx, path, "")
	if err != nil {
		return column{}, err
	}
	dir, err := os.MkdirTemp("", "formatdoc-")
	if err != nil {
		return column{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	m := maker{tools: tools, dir: dir}
	if err := m.clip(ctx); err != nil {
		return column{}, fmt.Errorf("make a clip: %w", err)
	}
	c := column{version: tools.Version(), results: map[pair]string{}}
	// All pairs in one plan take few runs of ffmpeg. A step that fails takes other pairs
	// with it, so pairs that failed are tried once more, each planned alone.
	todo := pairs
	for _, isolate := range []bool{false, true} {
		failed, err := m.make(ctx, todo, isolate)
		if err != nil {
			return column{}, err
		}
		for _, p := range todo {
			c.results[p] = failed[p]
		}
		todo = slices.DeleteFunc(slices.Clone(todo), func(p pair) bool { return failed[p] == "" })
	}
	for _, p := range todo {
		_, _ = fmt.Fprintf(log, "%s: %s: %s\n", c.version, p.format, c.results[p])
	}
	return c, nil
}

type maker struct {
	tools *ffmpeg.Toolchain
	dir   string
	media job.Media
}

// clip makes the source: a moving picture and a tone.
func (m *maker) clip(ctx context.Context) error {
	err := m.tools.Run(ctx, ffmpeg.Command{Dir: m.dir, Args: []string{
		"-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1", "-f", "lavfi", "-i", "sine=r=48000:d=1",
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "mp4", transcode.SourceName,
	}})
	if err != nil {
		return err
	}
	m.media, err = m.tools.Probe(ctx, filepath.Join(m.dir, transcode.SourceName))
	return err
}

// make plans, runs and verifies pairs, and returns why pairs failed.
func (m *maker) make(ctx context.Context, pairs []pair, isolate bool) (map[pair]string, error) {
	var outputs []*job.Output
	for i, p := range pairs {
		outputs = append(outputs, &job.Output{
			Key: p.format.String(), Type: job.TypeVideo, Format: p.format, Path: fmt.Sprintf("/%d", i), Video: &job.VideoParams{},
		})
	}
	plan := transcode.Build(outputs, m.media, transcode.Options{Capabilities: m.tools.Capabilities(), Isolate: isolate})
	failed := map[pair]string{}
	for _, s := range plan.Steps {
		err := m.tools.Run(ctx, ffmpeg.Command{Args: s.Op.FFmpeg.Args, Dir: m.dir})
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		for _, i := range s.Outputs {
			if err != nil && failed[pairs[i]] == "" {
				failed[pairs[i]] = err.Error()
			}
		}
	}
	for i, r := range plan.Results {
		p := pairs[i]
		switch {
		case r.Err != nil:
			failed[p] = r.Err.Message
		case failed[p] == "":
			failed[p] = m.verify(ctx, p, r.Files[0])
		}
	}
	return failed, nil
}

// verify checks a file as the server does, and its codec. It returns what is wrong, or "".
func (m *maker) verify(ctx context.Context, p pair, f transcode.File) string {
	got, err := m.tools.Verify(ctx, filepath.Join(m.dir, f.Name), f.Expect)
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e.Message
	}
	if err != nil {
		return err.Error()
	}
	var codec string
	if len(got.Video) > 0 {
		codec = got.Video[0].Codec
	} else if len(got.Audio) > 0 {
		codec = got.Audio[0].Codec
	}
	if !slices.Contains(probeNames(p), codec) {
		return "it holds " + codec
	}
	return ""
}

// probeNames returns the names that ffprobe may have for the codec of a pair.
func probeNames(p pair) []string {
	switch p.codec {
	case "xvid":
		return []string{"mpeg4"}
	case "flv":
		return []string{"flv1"}
	case "prores-ks":
		return []string{"prores"}
	case "mp2":
		return []string{"mp2", "mp3"} // MP4 has one number for both
	}
	return []string{strings.ReplaceAll(p.codec, "-", "_")}
}
