package main

import (
	"context"
	"path/filepath"

	"github.com/copra-video/copra/tools/measure"
)

// source returns the clip to transcode. If there is no real one, ffmpeg makes one.
func (b *bench) source(ctx context.Context) (string, error) {
	if b.clip != "" {
		return filepath.Abs(b.clip)
	}
	if film := measure.Film(); film != "" {
		return film, nil
	}
	file := filepath.Join(b.Dir, "clip.mp4")
	_, err := measure.FFmpeg(ctx, b.Dir, "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30,noise=alls=12:allf=t",
		"-f", "lavfi", "-i", "sine=frequency=440:beep_factor=4", "-t", "30", "-c:v", "libx264", "-preset", "veryfast",
		"-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "192k", "-movflags", "+faststart", file)
	return file, err
}
