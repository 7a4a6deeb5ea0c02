package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// largeResults publishes a file that is as large as its input, to the built-in
// storage and in parts to an S3 server.
func (b *bench) largeResults(ctx context.Context, dir string) error {
	seconds := b.large / (48000 * 2 * 2)
	wave := filepath.Join(dir, "silence.wav")
	if _, err := ffmpeg(ctx, dir, "-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo", "-t", strconv.FormatInt(seconds, 10), "-rf64", "auto", wave); err != nil {
		return err
	}
	outputs := map[string]any{"wav": map[string]any{"path": "/out.wav"}}
	if err := b.peak(ctx, "a result in the built-in storage", wave, "", outputs, nil); err != nil {
		return err
	}
	endpoint, stop, err := b.s3(ctx, dir)
	if errors.Is(err, exec.ErrNotFound) {
		fmt.Fprintln(os.Stderr, "no versitygw here (make test builds it), so no result goes to S3")
		return nil
	}
	if err != nil {
		return err
	}
	defer stop()
	return b.peak(ctx, "a result in S3", wave, "", outputs, map[string]any{
		"service": "s3other", "endpoint": endpoint, "region": "us-east-1", "bucket": "bench", "force_path_style": true,
		"credentials": map[string]any{"access_key_id": "bench", "secret_access_key": "bench-secret"},
	})
}

// s3 starts an S3 server with a bucket.
func (b *bench) s3(ctx context.Context, dir string) (endpoint string, stop func(), err error) {
	program := os.Getenv("COPRA_TEST_VERSITYGW")
	if program == "" {
		program = ".cache/tools/bin/versitygw"
	}
	if program, err = exec.LookPath(program); err != nil {
		return "", nil, exec.ErrNotFound
	}
	if program, err = filepath.Abs(program); err != nil {
		return "", nil, err
	}
	data, sidecar := filepath.Join(dir, "s3"), filepath.Join(dir, "sidecar")
	for _, d := range []string{filepath.Join(data, "bench"), sidecar} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return "", nil, err
		}
	}
	address, err := freePort()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, program, "--port", address, "--access", "bench", "--secret", "bench-secret", "--health", "/health", "--quiet",
		"posix", "--sidecar", sidecar, data)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	endpoint = "http://" + address
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		if resp, err := http.Get(endpoint + "/health"); err == nil {
			resp.Body.Close()
			return endpoint, stop, nil
		}
		if ctx.Err() != nil {
			stop()
			return "", nil, fmt.Errorf("wait for %s: %w\n%s", program, ctx.Err(), output.String())
		}
	}
}
