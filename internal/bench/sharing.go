package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// preset of libx264 for all that is compared.
const preset = "veryfast"

// sharing compares one job with what a person would run by hand. The three are
// run in turn, each round beginning with another, so that a busy machine slows
// all of them.
func (b *bench) sharing(ctx context.Context) error {
	clip, err := b.source(ctx)
	if err != nil {
		return err
	}
	hand, err := newByHand(ctx, clip)
	if err != nil {
		return err
	}
	srv, err := b.standalone(ctx, "sharing", "--preset", "libx264="+preset)
	if err != nil {
		return err
	}
	defer srv.stop()
	input, err := srv.upload(ctx, clip)
	if err != nil {
		return err
	}
	var dirs [3]string
	for i, name := range []string{"server", "apart", "shared"} {
		if dirs[i], err = b.sub("sharing", name); err != nil {
			return err
		}
	}
	var last jobState
	ways := []func() (cost, error){
		func() (cost, error) {
			before, err := cpuTime(srv.cmd.Process.Pid)
			if err != nil {
				return cost{}, err
			}
			j, sent, ended, err := srv.job(ctx, srv.request(input, sharingOutputs(), nil))
			if err != nil {
				return cost{}, err
			}
			last = j
			after, err := cpuTime(srv.cmd.Process.Pid)
			return cost{ended.Sub(sent), after - before}, err
		},
		func() (cost, error) { return hand.apart(ctx, dirs[1]) },
		func() (cost, error) { return hand.shared(ctx, dirs[2]) },
	}
	times, cpu := make([][]float64, len(ways)), make([][]float64, len(ways))
	for round := range b.rounds {
		for k := range ways {
			i := (round + k) % len(ways)
			took, err := ways[i]()
			if err != nil {
				return err
			}
			times[i], cpu[i] = append(times[i], took.wall.Seconds()), append(cpu[i], took.cpu.Seconds())
		}
		fmt.Fprintf(os.Stderr, "round %d: server %.2f s (%.2f s of CPU), one ffmpeg per output %.2f s (%.2f s), shared by hand %.2f s (%.2f s)\n",
			round+1, times[0][round], cpu[0][round], times[1][round], cpu[1][round], times[2][round], cpu[2][round])
	}
	if err := srv.fetchResults(ctx, last, dirs[0]); err != nil {
		return err
	}
	if err := compare(ctx, dirs); err != nil {
		return err
	}

	for i, name := range []string{"server's job", "(a) one ffmpeg per output", "(b) shared command line"} {
		b.report.note("sharing: "+name, fmt.Sprintf("%.2f s (CPU %.2f s)", median(times[i]), median(cpu[i])))
	}
	apart, shared := ratios(times[1], times[0]), ratios(times[0], times[2])
	b.report.expect("sharing: faster than (a)"+list(apart), fmt.Sprintf("%.2f x", median(apart)), ">= 2.20 x", median(apart) >= 2.2)
	b.report.expect("sharing: time against (b)"+list(shared), fmt.Sprintf("%.2f x", median(shared)), "<= 1.10 x", median(shared) <= 1.10)
	b.report.note("sharing: less CPU than (a)", fmt.Sprintf("%.2f x", median(ratios(cpu[1], cpu[0]))))
	b.report.note("sharing: CPU against (b)", fmt.Sprintf("%.2f x", median(ratios(cpu[0], cpu[2]))))
	return nil
}

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
// The files have the quality and the bound of the variants, so a size is one
// encode.
func sharingOutputs() map[string]any {
	outputs := map[string]any{"jpg:300x": map[string]any{"path": "/thumb_%02d.jpg", "number": pictures}}
	var variants []string
	for _, r := range rungs {
		format := fmt.Sprintf("mp4:%s::quality=4,maxrate=%dk", r.name, r.maxrateK)
		variants = append(variants, format)
		if r.file {
			outputs[format] = map[string]any{"path": "/" + r.name + ".mp4"}
		}
	}
	outputs["httpstream"] = map[string]any{"hls": map[string]any{"path": "/hls"}, "variants": variants}
	return outputs
}

// fetchResults brings the results of a job into dir under the names that those
// made by hand have.
func (s *server) fetchResults(ctx context.Context, j jobState, dir string) error {
	for _, o := range j.Outputs {
		for _, u := range o.addresses() {
			name := filepath.Base(u)
			if !strings.HasSuffix(name, ".m3u8") {
				if _, err := s.fetch(ctx, u, filepath.Join(dir, name)); err != nil {
					return err
				}
				continue
			}
			if err := s.fetchPlaylist(ctx, u, filepath.Join(dir, "hls")); err != nil {
				return err
			}
		}
	}
	return nil
}
