// Package s3server runs a real S3 server (versitygw) for tests, on a free port
// of the loopback interface and with its data in a temporary directory.
package s3server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/copra-video/copra/internal/testmedia"
)

// Server is a running S3 server.
type Server struct {
	Endpoint  string // "http://127.0.0.1:40123", to be used path-style
	AccessKey string
	SecretKey string
	Region    string
	client    *s3.Client
}

// Region is the region of a server of Start.
const Region = "us-east-1"

const startTimeout = 20 * time.Second

// Start starts a server that ends with the test. It looks for the program in
// COPRA_TEST_VERSITYGW, in .cache/tools/bin of the repository and in PATH.
// Without it the test is skipped, or fails if CI is true.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartIn(t, Region)
}

// StartIn starts a server in one region. It refuses requests that are signed for
// another.
func StartIn(t testing.TB, region string) *Server {
	t.Helper()
	testmedia.Long(t)
	binary, err := find()
	if err != nil {
		testmedia.Missing(t, err.Error())
	}
	// Another process may take the port before we use it.
	for range 5 {
		s, err := start(t, binary, region)
		if err == nil {
			return s
		}
		t.Log(err)
	}
	t.Fatal("versitygw did not start")
	return nil
}

// CreateBucket creates a bucket.
func (s *Server) CreateBucket(t testing.TB, name string) {
	t.Helper()
	if _, err := s.client.CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatalf("create bucket: %v", err)
	}
}

// Object returns an object with its headers, and nil without an error if there
// is none.
func (s *Server) Object(bucket, key string) ([]byte, http.Header, error) {
	out, err := s.client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		if _, none := errors.AsType[*types.NoSuchKey](err); none {
			return nil, nil, nil
		}
		return nil, nil, err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	header := http.Header{}
	for name, value := range map[string]*string{
		"Content-Type": out.ContentType, "Cache-Control": out.CacheControl, "Expires": out.ExpiresString, "ETag": out.ETag,
	} {
		if value != nil {
			header.Set(name, *value)
		}
	}
	return body, header, err
}

// Keys lists the keys of a bucket.
func (s *Server) Keys(t testing.TB, bucket string) []string {
	t.Helper()
	out, err := s.client.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

// Uploads returns how many multipart uploads of a bucket are not complete.
func (s *Server) Uploads(t testing.TB, bucket string) int {
	t.Helper()
	out, err := s.client.ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Uploads)
}

func find() (string, error) {
	if path := os.Getenv("COPRA_TEST_VERSITYGW"); path != "" {
		return path, nil
	}
	dir, err := os.Getwd()
	for err == nil {
		candidate := filepath.Join(dir, ".cache", "tools", "bin", "versitygw")
		if _, err := os.Stat(candidate); err == nil {
			return candidate, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	if path, err := exec.LookPath("versitygw"); err == nil {
		return path, nil
	}
	return "", errors.New("no versitygw: scripts/setup.sh test builds it; COPRA_TEST_VERSITYGW may name it")
}

func start(t testing.TB, binary, region string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()

	// The second directory replaces extended attributes, which a tmpfs may not
	// support.
	data, sidecar := t.TempDir(), t.TempDir()
	s := &Server{Endpoint: "http://" + address, AccessKey: "test-access-key", SecretKey: "test-secret-key", Region: region}
	var output strings.Builder
	cmd := exec.Command(binary, "--port", address, "--region", region, "--quiet", "posix", "--sidecar", sidecar, data)
	cmd.Env = []string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey, "PATH=" + os.Getenv("PATH"), "HOME=" + data}
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start versitygw: %w", err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	stop := func() { cmd.Process.Kill(); <-ended }

	s.client = s3.New(s3.Options{
		Region: region, BaseEndpoint: &s.Endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
	})
	if err := s.wait(ended); err != nil {
		stop()
		return nil, fmt.Errorf("%w: %s", err, output.String())
	}
	t.Cleanup(stop)
	return s, nil
}

// wait returns when the server accepts connections.
func (s *Server) wait(ended <-chan struct{}) error {
	timeout := time.After(startTimeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.Endpoint, "http://"))
		if err == nil {
			return c.Close()
		}
		select {
		case <-tick.C:
		case <-ended:
			return errors.New("versitygw ended at once")
		case <-timeout:
			return fmt.Errorf("wait for versitygw: %w", err)
		}
	}
}
