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

// preset of libx264 for all that is compared.
const preset = "veryfast"

// sharing compares one job with what a person would run by hand. The three run in turn,
// and each round begins with another, so that other work of the machine slows them
// alike.
func (b *bench) sharing(ctx context.Context) error {
	clip, err := b.source(ctx)
	if err != nil {
		return err
	}
	hand, err := newByHand(ctx, clip)
	if err != nil {
		return err
	}
	srv, err := b.Standalone(ctx, "sharing", "--preset", "libx264="+preset)
	if err != nil {
		return err
	}
	defer srv.Stop()
	input, err := srv.API.UploadFile(ctx, clip)
	if err != nil {
		return err
	}
	var dirs [3]string
	for i, name := range []string{"server", "apart", "shared"} {
		if dirs[i], err = b.Sub("sharing", name); err != nil {
			return err
		}
	}
	var last *client.Job
	ways := []func() (measure.Cost, error){
		func() (measure.Cost, error) {
			before, err := measure.CPUTime(srv.Cmd.Process.Pid)
			if err != nil {
				return measure.Cost{}, err
			}
			j, sent, ended, err := srv.Job(ctx, srv.Request(input, sharingOutputs(), nil))
			if err != nil {
				return measure.Cost{}, err
			}
			last = j
			after, err := measure.CPUTime(srv.Cmd.Process.Pid)
			return measure.Cost{Wall: ended.Sub(sent), CPU: after - before}, err
		},
		func() (measure.Cost, error) { return hand.apart(ctx, dirs[1]) },
		func() (measure.Cost, error) { return hand.shared(ctx, dirs[2]) },
	}
	times, cpu := make([][]float64, len(ways)), make([][]float64, len(ways))
	for round := range max(1, b.rounds/2) {
		for k := range ways {
			i := (round + k) % len(ways)
			took, err := ways[i]()
			if err != nil {
				return err
			}
			times[i], cpu[i] = append(times[i], took.Wall.Seconds()), append(cpu[i], took.CPU.Seconds())
		}
		fmt.Fprintf(os.Stderr, "round %d: server %.2f s (%.2f s of CPU), one ffmpeg per output %.2f s (%.2f s), shared by hand %.2f s (%.2f s)\n",
			round+1, times[0][round], cpu[0][round], times[1][round], cpu[1][round], times[2][round], cpu[2][round])
	}
	if err := fetchResults(ctx, srv, last, dirs[0]); err != nil {
		return err
	}
	if err := compare(ctx, dirs); err != nil {
		return err
	}

	for i, name := range []string{"server's job", "(a) one ffmpeg per output", "(b) shared command line"} {
		b.report.Note("sharing: "+name, fmt.Sprintf("%.2f s (CPU %.2f s)", measure.Median(times[i]), measure.Median(cpu[i])))
	}
	apart, shared := ratios(times[1], times[0]), ratios(times[0], times[2])
	b.report.Expect("sharing: faster than (a)"+list(apart), fmt.Sprintf("%.2f x", measure.Median(apart)), ">= 2.20 x", measure.Median(apart) >= 2.2)
	b.report.Expect("sharing: time against (b)"+list(shared), fmt.Sprintf("%.2f x", measure.Median(shared)), "<= 1.10 x", measure.Median(shared) <= 1.10)
	b.report.Note("sharing: less CPU than (a)", fmt.Sprintf("%.2f x", measure.Median(ratios(cpu[1], cpu[0]))))
	b.report.Note("sharing: CPU against (b)", fmt.Sprintf("%.2f x", measure.Median(ratios(cpu[0], cpu[2]))))
	return nil
}

// ratios divides the figures of each round.
func ratios(over, under []float64) []float64 {
	r := make([]float64, len(over))
	for i := range r {
		r[i] = over[i] / under[i]
	}
	return r
}

// list shows the ratio of each round.
func list(ratios []float64) string {
	text := make([]string, len(ratios))
	for i, r := range ratios {
		text[i] = fmt.Sprintf("%.2f", r)
	}
	return " (rounds: " + strings.Join(text, ", ") + ")"
}

// sharingOutputs asks for three files, a stream of five variants and pictures.
// The files have the quality and maxrate of the variants, so each size is encoded once.
func sharingOutputs() client.Outputs {
	outputs := client.Outputs{"jpg:300x": client.Image{Path: "/thumb_%02d.jpg", Number: pictures}}
	var variants []string
	for _, r := range rungs {
		format := fmt.Sprintf("mp4:%s::quality=4,maxrate=%dk", r.name, r.maxrateK)
		variants = append(variants, format)
		if r.file {
			outputs[format] = client.Video{Path: "/" + r.name + ".mp4"}
		}
	}
	outputs["httpstream"] = client.HTTPStream{HLS: &client.HLS{Path: "/hls"}, Variants: variants}
	return outputs
}

// fetchResults downloads the results of a job into dir, under the names of those made by
// hand.
func fetchResults(ctx context.Context, s *measure.Server, j *client.Job, dir string) error {
	for _, o := range j.Outputs {
		for _, f := range o.Files() {
			u := f.URL
			name := filepath.Base(u)
			if !strings.HasSuffix(name, ".m3u8") {
				if _, err := fetch(ctx, s, u, filepath.Join(dir, name)); err != nil {
					return err
				}
				continue
			}
			if err := fetchPlaylist(ctx, s, u, filepath.Join(dir, "hls")); err != nil {
				return err
			}
		}
	}
	return nil
}
