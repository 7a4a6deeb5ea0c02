package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

// largeResults publishes a file as large as its input, to the built-in storage and by a
// multipart upload to an S3 server.
func (b *bench) largeResults(ctx context.Context, dir string) error {
	seconds := b.large / (48000 * 2 * 2)
	wave := filepath.Join(dir, "silence.wav")
	if _, err := measure.FFmpeg(ctx, dir, "-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo", "-t", strconv.FormatInt(seconds, 10), "-rf64", "auto", wave); err != nil {
		return err
	}
	outputs := client.Outputs{"wav": "/out.wav"}
	if err := b.peak(ctx, "a result in the built-in storage", wave, "", outputs, nil); err != nil {
		return err
	}
	endpoint, stop, err := b.S3(ctx, dir)
	if errors.Is(err, exec.ErrNotFound) {
		fmt.Fprintln(os.Stderr, "no versitygw here (make test builds it), so no result goes to S3")
		return nil
	}
	if err != nil {
		return err
	}
	defer stop()
	return b.peak(ctx, "a result in S3", wave, "", outputs, measure.S3Storage(endpoint))
}
