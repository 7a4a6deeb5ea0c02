package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

// part is one job of a long input, and what a person would run by hand.
type part struct {
	name    string
	outputs client.Outputs
	hand    func(file string, seconds float64) []string // arguments of ffmpeg
	most    float64                                     // time of the job in times of that by hand; 0: reported alone
}

// parts of the table: jobs that need little of their input, or only copy it.
var parts = []part{
	{"sprite and VTT, a picture each 10 s", client.Outputs{"jpg:160x": client.Image{Path: "/sprite.jpg", Interval: 10, Sprite: &client.Sprite{Columns: 12}, VTT: &client.VTT{Filename: "a.vtt"}}}, spriteByHand, 1.5},
	{"five pictures", client.Outputs{"jpg:300x": client.Image{Path: "/p_%d.jpg", Number: pictures}}, picturesByHand, 1.2},
	{"clip of 5 s from the middle", client.Outputs{"mp4:360p": client.Video{Path: "/clip.mp4", Offset: 150, Duration: 5}}, func(file string, _ float64) []string {
		return concat([]string{"-ss", "150", "-t", "5", "-i", file, "-vf", "scale=-2:360", "-c:v", "libx264", "-preset", preset, "-crf", "23"}, encodeAudio, []string{"-movflags", "+faststart", "clip.mp4"})
	}, 1.3},
	{"mp4:copy:copy", client.Outputs{"mp4:copy:copy": client.Video{Path: "/copy.mp4"}}, func(file string, _ float64) []string {
		return []string{"-i", file, "-c", "copy", "-movflags", "+faststart", "copy.mp4"}
	}, 2},
	{"mp3", client.Outputs{"mp3": client.Video{Path: "/a.mp3"}}, func(file string, _ float64) []string {
		return []string{"-i", file, "-vn", "-c:a", "libmp3lame", "-b:a", "128k", "a.mp3"}
	}, 1.1},
}

// spriteByHand decodes keyframes alone, and takes one for each picture.
func spriteByHand(file string, seconds float64) []string {
	return []string{"-skip_frame", "nokey", "-i", file, "-an", "-vf", fmt.Sprintf("fps=1/10:round=up,scale=160:-2,tile=12x%d", int(seconds/120)+1),
		"-frames:v", "1", "-q:v", "2", "-update", "1", "sprite.jpg"}
}

// picturesByHand seeks to each picture, all in one run.
func picturesByHand(file string, seconds float64) []string {
	var in, out []string
	for k := range pictures {
		in = append(in, "-ss", fmt.Sprintf("%.3f", seconds*(float64(k)+0.5)/pictures), "-i", file)
		out = append(out, "-map", fmt.Sprintf("%d:v", k), "-frames:v", "1", "-vf", "scale=300:-2", "-q:v", "2", "-update", "1", fmt.Sprintf("p_%d.jpg", k+1))
	}
	return append(in, out...)
}

// pictures compares jobs that need little of a long input with one careful command by hand
// for each. The two run in turn. The input is in the server's own storage.
func (b *bench) pictures(ctx context.Context) error {
	dir, err := b.Sub("pictures", "hand")
	if err != nil {
		return err
	}
	file, seconds, err := b.gopSource(ctx, dir)
	if err != nil {
		return err
	}
	srv, err := b.Standalone(ctx, "pictures", "--preset", "libx264="+preset, "--log-level", "debug")
	if err != nil {
		return err
	}
	defer srv.Stop()
	input, err := srv.API.UploadFile(ctx, file)
	if err != nil {
		return err
	}
	for _, p := range parts {
		var job, hand measure.Cost
		var times, cpu []float64
		for range b.rounds {
			h, err := measure.FFmpeg(ctx, dir, p.hand(file, seconds)...)
			if err != nil {
				return err
			}
			before, err := measure.CPUTime(srv.Cmd.Process.Pid)
			if err != nil {
				return err
			}
			_, sent, ended, err := srv.Job(ctx, srv.Request(input, p.outputs, nil))
			if err != nil {
				return err
			}
			after, err := measure.CPUTime(srv.Cmd.Process.Pid)
			if err != nil {
				return err
			}
			j := measure.Cost{Wall: ended.Sub(sent), CPU: after - before}
			times, cpu = append(times, j.Wall.Seconds()/h.Wall.Seconds()), append(cpu, j.CPU.Seconds()/h.CPU.Seconds())
			job, hand = j, h
		}
		what := fmt.Sprintf("pictures: %s of %.0f s%s", p.name, seconds, list(times))
		b.report.Note("pictures: "+p.name+", the last round", fmt.Sprintf("%.2f s (CPU %.2f s), by hand %.2f s (%.2f s)", job.Wall.Seconds(), job.CPU.Seconds(), hand.Wall.Seconds(), hand.CPU.Seconds()))
		b.report.Expect(what, fmt.Sprintf("%.2f x by hand", measure.Median(times)), fmt.Sprintf("<= %.2f x", p.most), measure.Median(times) <= p.most)
		b.report.Note("pictures: CPU of "+p.name, fmt.Sprintf("%.2f x by hand", measure.Median(cpu)))
	}
	return nil
}

// gopSource makes a long video with GOPs of 10 s, by encoding half a minute and repeating
// it, and says how long it is.
func (b *bench) gopSource(ctx context.Context, dir string) (file string, seconds float64, err error) {
	clip, err := b.source(ctx)
	if err != nil {
		return "", 0, err
	}
	// 27 s, so that keyframes lie at other places of each repetition's pictures.
	_, err = measure.FFmpeg(ctx, dir, "-i", clip, "-t", "27", "-r", "24", "-c:v", "libx264", "-preset", "veryfast", "-b:v", "6M", "-maxrate", "8M", "-bufsize", "12M",
		"-g", "240", "-sc_threshold", "0", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "128k", "-ac", "2", "part.mp4")
	if err != nil {
		return "", 0, err
	}
	repeats := max(1, int(b.minutes*60/27+0.5))
	if err := os.WriteFile(filepath.Join(dir, "list"), []byte(strings.Repeat("file part.mp4\n", repeats)), 0o600); err != nil {
		return "", 0, err
	}
	if _, err = measure.FFmpeg(ctx, dir, "-f", "concat", "-i", "list", "-c", "copy", "long.mp4"); err != nil {
		return "", 0, err
	}
	text, err := measure.Probe(ctx, filepath.Join(dir, "long.mp4"), "format=duration")
	if err != nil {
		return "", 0, err
	}
	_, err = fmt.Sscan(text, &seconds)
	return filepath.Join(dir, "long.mp4"), seconds, err
}
