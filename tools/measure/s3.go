package measure

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/copra-video/copra/client"
)

// The names and the secret of the S3 server.
const (
	s3Bucket = "bench"
	s3Key    = "bench"
	s3Secret = "bench-secret"
)

// S3Storage returns the storage of a request: the bucket of the S3 server at endpoint.
func S3Storage(endpoint string) *client.Storage {
	pathStyle := true
	return &client.Storage{
		Service: "s3other", Endpoint: endpoint, Region: "us-east-1", Bucket: s3Bucket, ForcePathStyle: &pathStyle,
		Credentials: client.Credentials{"access_key_id": s3Key, "secret_access_key": s3Secret},
	}
}

// S3 starts a versitygw with a bucket, which stores in dir. It fails with
// exec.ErrNotFound if that program is not installed.
func (l *Lab) S3(ctx context.Context, dir string) (endpoint string, stop func(), err error) {
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
	for _, d := range []string{filepath.Join(data, s3Bucket), sidecar} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return "", nil, err
		}
	}
	address, err := freePort()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, program, "--port", address, "--access", s3Key, "--secret", s3Secret, "--health", "/health", "--quiet",
		"posix", "--sidecar", sidecar, data)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	endpoint = "http://" + address
	ctx, cancel := context.WithTimeout(ctx, StartTime)
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

// freePort returns an address on which nobody listens now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
