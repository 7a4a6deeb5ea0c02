package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

// sizing runs a job for each kind of result that people ask for, and reports what it
// takes for a minute of film: CPU time of ffmpeg, which hardly depends on what else the
// machine does.
func (b *bench) sizing(ctx context.Context) error {
	clip, err := b.source(ctx)
	if err != nil {
		return err
	}
	text, err := measure.Probe(ctx, clip, "format=duration")
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("duration of %s: %w", clip, err)
	}
	srv, err := b.Standalone(ctx, "sizing", "--chunks", "off")
	if err != nil {
		return err
	}
	defer srv.Stop()
	input, err := srv.API.UploadFile(ctx, clip)
	if err != nil {
		return err
	}
	hls := func(p client.HTTPStream) client.Outputs {
		p.HLS = &client.HLS{Path: "/hls"}
		return client.Outputs{"httpstream": p}
	}
	for _, c := range []struct {
		what    string
		outputs client.Outputs
	}{
		{"mp4:360p", client.Outputs{"mp4:360p": "/a.mp4"}},
		{"mp4:720p", client.Outputs{"mp4:720p": "/a.mp4"}},
		{"mp4:1080p", client.Outputs{"mp4:1080p": "/a.mp4"}},
		{"httpstream, the default ladder up to 1080p", hls(client.HTTPStream{})},
		{"httpstream with 360p, 720p and 1080p in HEVC", hls(client.HTTPStream{Variants: []string{"mp4:hevc_360p", "mp4:hevc_720p", "mp4:hevc_1080p"}})},
		{"mp4:720p in AV1", client.Outputs{"mp4:av1_720p": "/a.mp4"}},
		{"webm:720p (VP9)", client.Outputs{"webm:vp9_720p": "/a.webm"}},
		{"mp3", client.Outputs{"mp3": "/a.mp3"}},
		{"ten pictures", client.Outputs{"jpg:300x": client.Image{Path: "/%02d.jpg", Number: 10}}},
	} {
		if err := b.sizeOf(ctx, srv, input, c.what, c.outputs, 60/seconds); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
	return nil
}

// sizeOf runs a job and notes what a minute of it takes, which is so many times the clip.
func (b *bench) sizeOf(ctx context.Context, srv *measure.Server, input, what string, outputs client.Outputs, times float64) error {
	j, _, _, err := srv.Job(ctx, srv.Request(input, outputs, nil))
	if err != nil {
		return err
	}
	runs, err := srv.API.Logs(ctx, j.ID)
	if err != nil {
		return err
	}
	var cpu float64
	for _, r := range runs {
		cpu += r.CPUSeconds
	}
	b.report.Note("sizing: "+what, fmt.Sprintf("%.0f s of CPU time for a minute of film", cpu*times))
	return nil
}
