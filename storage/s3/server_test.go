package s3

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/internal/s3server"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// testOptions are options with hardly any wait between retries.
func testOptions() Options {
	return Options{
		Client: netguard.New(loopback).HTTPClient(netguard.Options{MaxRedirects: netguard.NoRedirects}),
		Retry:  retry.Policy{Waits: []time.Duration{time.Millisecond}},
	}
}

func s3other(endpoint, bucket, access, secret string) *job.Storage {
	return &job.Storage{
		Service: "s3other", Bucket: bucket, Endpoint: endpoint,
		Credentials: map[string]job.Secret{"access_key_id": job.NewSecret(access), "secret_access_key": job.NewSecret(secret)},
	}
}

func mustOpen(t *testing.T, st *job.Storage, o Options) *Bucket {
	t.Helper()
	b, err := Open(st, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Client.CloseIdleConnections)
	return b
}

func TestConformance(t *testing.T) {
	srv := s3server.Start(t)
	n := 0
	storagetest.Run(t, func(t *testing.T) storagetest.Target {
		n++
		bucket := fmt.Sprintf("bucket-%d", n)
		srv.CreateBucket(t, bucket)
		cutter := storagetest.NewCutter(t, strings.TrimPrefix(srv.Endpoint, "http://"))
		b := mustOpen(t, s3other("http://"+cutter.Addr, bucket, srv.AccessKey, srv.SecretKey), testOptions())
		return storagetest.Target{
			Bucket: b,
			Read:   func(key string) ([]byte, http.Header, error) { return srv.Object(bucket, key) },
			Break:  cutter.Arm,
		}
	})
}

func TestMultipart(t *testing.T) {
	srv := s3server.Start(t)
	srv.CreateBucket(t, "parts")
	o := testOptions()
	o.PartSize = 5 << 20
	st := s3other(srv.Endpoint, "parts", srv.AccessKey, srv.SecretKey)
	st.CacheControl, st.Expires = "max-age=60", "Thu, 31 Dec 2037 16:00:00 GMT"
	b := mustOpen(t, st, o)
	content := storagetest.Random(12 << 20)
	err := b.Put(t.Context(), "large.mp4", storagetest.Body(content), storage.PutOptions{ContentType: "video/mp4"})
	if err != nil {
		t.Fatal(err)
	}
	got, header, err := srv.Object("parts", "large.mp4")
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("read %d bytes, %v", len(got), err)
	}
	if !strings.HasSuffix(header.Get("ETag"), `-3"`) {
		t.Errorf("ETag %s is not that of three parts", header.Get("ETag"))
	}
	for name, want := range map[string]string{
		"Content-Type": "video/mp4", "Cache-Control": st.CacheControl, "Expires": st.Expires,
	} {
		if header.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, header.Get(name), want)
		}
	}

	broken := &brokenBody{Reader: bytes.NewReader(content), from: 9 << 20}
	err = b.Put(t.Context(), "broken.mp4", broken, storage.PutOptions{})
	if err == nil || !strings.Contains(err.Error(), "bad sector") {
		t.Errorf("Put of a broken file: %v", err)
	}
	if n := srv.Uploads(t, "parts"); n != 0 {
		t.Errorf("%d uploads were left open", n)
	}
	if keys := srv.Keys(t, "parts"); len(keys) != 1 {
		t.Errorf("keys %v", keys)
	}
}

type brokenBody struct {
	*bytes.Reader
	from int64
}

func (f *brokenBody) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from {
		return 0, errors.New("bad sector")
	}
	return f.Reader.ReadAt(p, off)
}

func TestRefusals(t *testing.T) {
	srv := s3server.Start(t)
	srv.CreateBucket(t, "mine")
	tests := []struct {
		name                   string
		bucket, access, secret string
		want                   string
	}{
		{"no bucket", "nobody", srv.AccessKey, srv.SecretKey, "The bucket 'nobody' does not exist (NoSuchBucket)."},
		{"wrong key", "mine", "wrong", srv.SecretKey, "The storage of bucket 'mine' does not know the access_key_id (XAdminUserNotFound)."},
		{"wrong secret", "mine", srv.AccessKey, "wrong-secret", "The secret_access_key for bucket 'mine' is wrong (SignatureDoesNotMatch)."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := mustOpen(t, s3other(srv.Endpoint, tt.bucket, tt.access, tt.secret), testOptions())
			_, sourceErr := b.Source(t.Context(), "key")
			for what, err := range map[string]error{
				"Check": b.Check(t.Context()), "Source": sourceErr,
				"Put": b.Put(t.Context(), "key", storagetest.Body([]byte("x")), storage.PutOptions{}),
			} {
				e, ok := errors.AsType[*job.Error](err)
				if !ok || e.Message != tt.want {
					t.Errorf("%s = %v, want %q", what, err, tt.want)
				}
				if err != nil && (strings.Contains(err.Error(), tt.secret) || strings.Contains(err.Error(), "Signature=")) {
					t.Errorf("%s tells a secret: %v", what, err)
				}
			}
		})
	}
}

func TestSource(t *testing.T) {
	srv := s3server.Start(t)
	srv.CreateBucket(t, "inputs")
	b := mustOpen(t, s3other(srv.Endpoint, "inputs", srv.AccessKey, srv.SecretKey), testOptions())
	content := storagetest.Random(100_000)
	put := func(key string, content []byte) {
		t.Helper()
		if err := b.Put(t.Context(), key, storagetest.Body(content), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put("in put+1.mp4", content)
	put("empty.mp4", nil)
	for key, content := range map[string][]byte{"in put+1.mp4": content, "empty.mp4": nil} {
		src, err := b.Source(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if src.Size() != int64(len(content)) || !src.Ranges() {
			t.Errorf("%s: size %d, ranges %v", key, src.Size(), src.Ranges())
		}
		for _, offset := range []int64{0, 1, 99_999, 100_000} {
			r, err := src.Open(t.Context(), offset)
			if err != nil {
				t.Fatalf("%s: Open(%d): %v", key, offset, err)
			}
			got, err := io.ReadAll(r)
			r.Close()
			if err != nil || !bytes.Equal(got, content[min(int(offset), len(content)):]) {
				t.Errorf("%s: %d bytes from %d, %v", key, len(got), offset, err)
			}
		}
	}
	if _, err := b.Source(t.Context(), "gone.mp4"); job.Message(err, "") != "The file does not exist in bucket 'inputs' (NoSuchKey)." {
		t.Errorf("missing key: %v", err)
	}
	src, err := b.Source(t.Context(), "in put+1.mp4")
	if err != nil {
		t.Fatal(err)
	}
	body, at, err := storage.OpenRange(t.Context(), src, 100, 2100)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	body.Close()
	if err != nil || at != 100 || !bytes.Equal(got, content[100:2100]) {
		t.Errorf("a range: %d bytes from %d, %v", len(got), at, err)
	}
	version := storage.VersionOf(src)
	put("in put+1.mp4", storagetest.Random(100_001)[1:])
	_, err = src.Open(t.Context(), 5)
	if job.Message(err, "") != "The file in bucket 'inputs' changed while it was being read (PreconditionFailed)." {
		t.Errorf("changed file: %v", err)
	}
	if _, _, err = storage.OpenRange(t.Context(), src, 5, 10); job.Message(err, "") != "The file in bucket 'inputs' changed while it was being read (PreconditionFailed)." {
		t.Errorf("a range of a changed file: %v", err)
	}
	if src, err = b.Source(t.Context(), "in put+1.mp4"); err != nil || version == "" || storage.VersionOf(src) == version {
		t.Errorf("versions %q and %q, %v", version, storage.VersionOf(src), err)
	}
}

func TestOperatorEndpoint(t *testing.T) {
	srv := s3server.Start(t)
	srv.CreateBucket(t, "dotted.bucket")
	st := s3other("", "dotted.bucket", srv.AccessKey, srv.SecretKey)
	st.Service, st.Region = "s3", "us-east-1"
	o := testOptions()
	o.Client = netguard.TrustedClient(netguard.Options{})
	o.Endpoint, o.PublicEndpoint = srv.Endpoint, "https://files.example.com/s3/"
	b := mustOpen(t, st, o)
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := b.Put(t.Context(), "a b.mp4", storagetest.Body([]byte("x")), storage.PutOptions{}); err != nil {
		t.Error(err)
	}
	if got, want := b.URL("a b.mp4"), "https://files.example.com/s3/dotted.bucket/a%20b.mp4"; got != want {
		t.Errorf("URL = %q, want %q", got, want)
	}
}

func TestGuardHolds(t *testing.T) {
	srv := s3server.Start(t)
	o := testOptions()
	o.Client = netguard.New(nil).HTTPClient(netguard.Options{MaxRedirects: netguard.NoRedirects})
	b := mustOpen(t, s3other(srv.Endpoint, "mine", "a", "b"), o)
	err := b.Check(t.Context())
	if e, ok := errors.AsType[*job.Error](err); !ok || !strings.Contains(e.Message, "127.0.0.1 is refused because it is a loopback address") {
		t.Errorf("Check = %v", err)
	}
}
