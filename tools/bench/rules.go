package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/copra-video/copra/check"
	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

// ruleReport says which rules of docs/spec/streams.md a stream keeps.
type ruleReport struct {
	name   string
	report check.Report
}

// rules makes streams of one source by the server and by plain ffmpeg, and prints rule
// by rule which of them keep it.
func (b *bench) rules(ctx context.Context) error {
	clip, err := b.source(ctx)
	if err != nil {
		return err
	}
	ours, err := b.ourStreams(ctx, clip)
	if err != nil {
		return err
	}
	plain, err := b.plainStreams(ctx, clip)
	if err != nil {
		return err
	}
	hls := append(ours[:2:2], plain...)
	printRules(hls)
	printRules(ours[2:])
	for _, r := range ours {
		b.report.Expect("rules: broken in "+r.name, fmt.Sprintf("%d (%d held)", r.report.Failed, r.report.Passed), "0", r.report.OK() && r.report.Passed > 0)
	}
	for _, r := range plain {
		b.report.Note("rules: broken in "+r.name, fmt.Sprintf("%d (%d held)", r.report.Failed, r.report.Passed))
	}
	return nil
}

// ourStreams checks what the server makes, at the addresses that it gives.
func (b *bench) ourStreams(ctx context.Context, clip string) ([]ruleReport, error) {
	srv, err := b.Standalone(ctx, "rules-server", "--preset", "libx264="+preset)
	if err != nil {
		return nil, err
	}
	defer srv.Stop()
	input, err := srv.API.UploadFile(ctx, clip)
	if err != nil {
		return nil, err
	}
	variants := []string{"mp4:x:64k"}
	for _, r := range rungs[:3] {
		variants = append(variants, fmt.Sprintf("mp4:%s::quality=4,maxrate=%dk", r.name, r.maxrateK))
	}
	j, _, _, err := srv.Job(ctx, srv.Request(input, client.Outputs{"httpstream": client.HTTPStream{
		Variants: variants, HLS: &client.HLS{Path: "/hls"}, DASH: &client.DASH{Path: "/dash", HLSFMP4: true},
	}}, nil))
	if err != nil {
		return nil, err
	}
	byName := map[string]check.Report{}
	for _, f := range j.Outputs[0].URLs {
		u := f.URL
		reports, err := check.Stream(ctx, u, check.Options{})
		if err != nil {
			return nil, err
		}
		name := "Copra TS"
		if strings.HasSuffix(u, ".mpd") {
			name = "Copra DASH"
		} else if strings.Contains(u, "/dash/") {
			name = "Copra fMP4"
		}
		byName[name] = reports[0]
	}
	var list []ruleReport
	for _, name := range []string{"Copra TS", "Copra fMP4", "Copra DASH"} {
		r, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("the job has no %s: %v", name, j.Outputs[0].URLs)
		}
		list = append(list, ruleReport{name, r})
	}
	return list, nil
}

// plainStreams checks what ffmpeg's HLS muxer makes at the same sizes, with the arguments
// that its documentation shows for several variants.
func (b *bench) plainStreams(ctx context.Context, clip string) ([]ruleReport, error) {
	fmp4 := []string{"-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init-%v.mp4", "-hls_segment_filename", "%v-%03d.m4s"}
	var list []ruleReport
	for _, way := range []struct {
		name string
		args []string
	}{
		{"ffmpeg TS", []string{"-hls_segment_filename", "%v-%03d.ts"}},
		{"ffmpeg TS -g 60", []string{"-g", "60", "-hls_segment_filename", "%v-%03d.ts"}},
		{"ffmpeg fMP4", fmp4},
	} {
		dir, err := b.Sub("rules", strings.NewReplacer(" ", "-").Replace(way.name))
		if err != nil {
			return nil, err
		}
		var maps, sizes, names []string
		for i, r := range rungs[:3] {
			maps = append(maps, "-map", "0:v:0", "-map", "0:a:0")
			sizes = append(sizes, fmt.Sprintf("-s:v:%d", i), fmt.Sprintf("%dx%d", r.w, r.h), fmt.Sprintf("-b:v:%d", i), fmt.Sprintf("%dk", r.maxrateK))
			names = append(names, fmt.Sprintf("v:%d,a:%d", i, i))
		}
		args := concat([]string{"-i", clip}, maps, []string{"-c:v", "libx264", "-preset", preset}, sizes, []string{"-c:a", "aac", "-b:a", "128k",
			"-f", "hls", "-hls_time", "6", "-hls_playlist_type", "vod", "-master_pl_name", "master.m3u8", "-var_stream_map", strings.Join(names, " ")}, way.args, []string{"%v.m3u8"})
		if _, err := measure.FFmpeg(ctx, dir, args...); err != nil {
			return nil, err
		}
		reports, err := check.Stream(ctx, dir, check.Options{})
		if err != nil {
			return nil, err
		}
		list = append(list, ruleReport{way.name, reports[0]})
	}
	return list, nil
}

// printRules prints a table with a row for each rule and a column for each stream.
func printRules(list []ruleReport) {
	marks := map[check.Status]string{check.Pass: "held", check.Fail: "BROKEN", check.NotApplicable: "-"}
	tw := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	head := []string{"RULE"}
	for _, r := range list {
		head = append(head, r.name)
	}
	fmt.Fprintln(tw, strings.Join(append(head, "WHAT MUST HOLD"), "\t"))
	for i, res := range list[0].report.Results {
		row := []string{res.Rule}
		for _, r := range list {
			row = append(row, marks[r.report.Results[i].Status])
		}
		fmt.Fprintln(tw, strings.Join(append(row, res.Text), "\t"))
	}
	for _, sum := range []struct {
		name string
		of   func(check.Report) int
	}{
		{"held", func(r check.Report) int { return r.Passed }},
		{"broken", func(r check.Report) int { return r.Failed }},
		{"not applicable", func(r check.Report) int { return len(r.Results) - r.Passed - r.Failed }},
	} {
		row := []string{"sum"}
		for _, r := range list {
			row = append(row, fmt.Sprint(sum.of(r.report)))
		}
		fmt.Fprintln(tw, strings.Join(append(row, sum.name), "\t"))
	}
	fmt.Fprintln(tw)
	_ = tw.Flush() // standard output
}
