package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

// content is a clip of 640x360 pixels and 25 frames a second. Its kind says whether it
// is hard or easy to encode, or uneven: one after the other.
type content struct {
	name, kind string
	args       []string // of ffmpeg; FILM stands for the clip of bench.source, IN and IN2 for other contents
	in         []string // their names
}

// still is a still picture with colours and edges.
const still = "testsrc=s=640x360:r=25,loop=loop=-1:size=1,setpts=N/25/TB"

var contents = []content{
	{"film", "ordinary", []string{"-i", "FILM", "-vf", "scale=640:360,fps=25", "-t", "30"}, nil},
	{"slides", "easy", []string{"-i", "FILM", "-vf", "scale=640:360,fps=1/6,fps=25", "-t", "36"}, nil},
	{"head", "easy", []string{"-f", "lavfi", "-i", "smptehdbars=s=704x396:r=25,crop=640:360:x='32+6*sin(t*1.3)':y='18+3*sin(t*2.1)',noise=alls=3:allf=t", "-t", "36"}, nil},
	{"noise", "hard", []string{"-f", "lavfi", "-i", "testsrc2=s=640x360:r=25,noise=alls=60:allf=t", "-t", "36"}, nil},
	{"mandelbrot", "hard", []string{"-f", "lavfi", "-i", "mandelbrot=s=640x360:r=25", "-t", "36"}, nil},
	{"cuts", "hard", []string{"-stream_loop", "12", "-i", "IN", "-vf", "setpts=PTS/10,fps=25,hue=h=40*floor(t)", "-t", "36"}, []string{"film"}},
	{"still, burst", "uneven", []string{"-f", "lavfi", "-i", still + ",noise=alls=80:allf=t:enable='between(t,25,28)'", "-t", "48"}, nil},
	{"head, cuts", "uneven", []string{"-i", "IN", "-i", "IN2", "-filter_complex", "[0]split=3[a][b][c];[1]trim=0:6,setpts=PTS-STARTPTS[x];[a][x][b]concat=n=3[d];[d][c]concat=n=2", "-t", "90"}, []string{"head", "cuts"}},
	{"film, credits", "uneven", []string{"-i", "IN", "-f", "lavfi", "-i", "color=black:s=640x360:r=25:d=30,drawgrid=w=300:h=40:t=2:c=gray:y='-t*25'", "-filter_complex", "[0][1]concat=n=2"}, []string{"film"}},
	{"black, film", "uneven", []string{"-f", "lavfi", "-i", "color=black:s=640x360:r=25:d=12", "-i", "IN", "-filter_complex", "[1]fade=in:d=8[f];[0][f]concat=n=2"}, []string{"film"}},
}

// rateSetting is a variant with its rates in kbit/s.
type rateSetting struct {
	format   string
	target   int  // the bitrate; 0: it has a quality
	ceiling  int  // maxrate; 0: none
	everyone bool // for all contents, and not for ordinary ones alone
}

var rateSettings = []rateSetting{
	{format: "mp4:360p::quality=4,maxrate=1000k", ceiling: 1000, everyone: true},
	{format: "mp4:360p::quality=4", everyone: true},
	{format: "mp4:360p_800k", target: 800, everyone: true},
	{format: "mp4:360p_800k::2pass", target: 800, everyone: true},
	{format: "mp4:360p::quality=1"},
	{format: "mp4:360p::quality=2"},
	{format: "mp4:360p::quality=3"},
	{format: "mp4:360p::quality=5"},
	{format: "mp4:hevc_360p::quality=4,maxrate=700k", ceiling: 700, everyone: true},
	{format: "mp4:hevc_360p_500k", target: 500, everyone: true},
}

// rateResult is what was measured of a variant, with rates in kbit/s.
type rateResult struct {
	clip          content
	setting       rateSetting
	seconds       float64
	average, peak float64
	ssim          float64
}

// rates makes a stream of each content at all settings, and measures its segments as
// players fetch them.
func (b *bench) rates(ctx context.Context) error {
	film, err := b.source(ctx)
	if err != nil {
		return err
	}
	dir, err := b.Sub("rates")
	if err != nil {
		return err
	}
	srv, err := b.Standalone(ctx, "rates-server", "--preset", "libx265=superfast")
	if err != nil {
		return err
	}
	defer srv.Stop()
	files := map[string]string{}
	var all []rateResult
	for _, c := range contents {
		file := filepath.Join(dir, strings.NewReplacer(" ", "", ",", "-").Replace(c.name)+".mp4")
		names := []string{"FILM", film}
		for i, n := range c.in {
			names = append(names, "IN"+[]string{"", "2"}[i], files[n])
		}
		var args []string
		for _, a := range c.args {
			for i := 0; i < len(names); i += 2 {
				if a == names[i] {
					a = names[i+1]
				}
			}
			args = append(args, a)
		}
		args = append(args, "-an", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "8", file)
		if _, err := measure.FFmpeg(ctx, dir, args...); err != nil {
			return err
		}
		files[c.name] = file
		if b.only != "" && !slices.Contains(strings.Split(b.only, ";"), c.name) {
			continue
		}
		found, err := rateClip(ctx, srv, c, file)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		all = append(all, found...)
	}
	b.judgeRates(all)
	return nil
}

// rateClip makes a stream for each codec: TS is made with H.264 alone.
func rateClip(ctx context.Context, srv *measure.Server, c content, file string) ([]rateResult, error) {
	input, err := srv.API.UploadFile(ctx, file)
	if err != nil {
		return nil, err
	}
	variants := map[string][]rateSetting{}
	for _, s := range rateSettings {
		if s.everyone || c.kind == "ordinary" {
			codec := "h264"
			if strings.Contains(s.format, "hevc") {
				codec = "hevc"
			}
			variants[codec] = append(variants[codec], s)
		}
	}
	var streams []client.HTTPStream
	for codec, list := range variants {
		var formats []string
		for _, s := range list {
			formats = append(formats, s.format)
		}
		streams = append(streams, client.HTTPStream{Key: codec, Variants: formats, HLS: &client.HLS{Path: "/" + codec}})
	}
	j, _, _, err := srv.Job(ctx, srv.Request(input, client.Outputs{"httpstream": streams}, nil))
	if err != nil {
		return nil, err
	}
	var all []rateResult
	for _, o := range j.Outputs {
		master := o.URLs[0].URL
		for i, s := range variants[o.Key] {
			id := "360p"
			if i > 0 {
				id += "-" + strconv.Itoa(i+1)
			}
			playlist := strings.TrimSuffix(master, "master.m3u8") + id + "/stream.m3u8"
			if o.Key == "hevc" {
				playlist = strings.TrimSuffix(master, "master.m3u8") + "stream-" + id + ".m3u8"
			}
			r := rateResult{clip: c, setting: s}
			if r.seconds, r.average, r.peak, err = segmentRates(ctx, srv, playlist); err != nil {
				return nil, err
			}
			if r.ssim, err = measure.SSIM(ctx, playlist, file); err != nil {
				return nil, err
			}
			fmt.Fprintf(os.Stderr, "%-14s %-38s %5.0f kbit/s, peak %5.0f, SSIM %.4f\n", c.name, s.format, r.average, r.peak, r.ssim)
			all = append(all, r)
		}
	}
	return all, nil
}

// printRates prints a table of all results.
func printRates(all []rateResult) {
	tw := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "CONTENT\tKIND\tVARIANT\tAIM\tAVERAGE\tOF AIM\tPEAK\tOF AVERAGE\tSSIM")
	for _, r := range all {
		aim, of := "-", "-"
		if k := max(r.setting.target, r.setting.ceiling); k > 0 {
			aim, of = strconv.Itoa(k), fmt.Sprintf("%.0f %%", 100*r.average/float64(k))
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%.0f\t%s\t%.0f\t%.0f %%\t%.4f\n", r.clip.name, r.clip.kind, r.setting.format, aim, r.average, of, r.peak, 100*r.peak/r.average, r.ssim)
	}
	_ = tw.Flush() // standard output
}
