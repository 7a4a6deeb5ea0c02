package s3

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// Source finds the object key and returns it for reading. A missing or forbidden
// object is a *job.Error.
func (b *Bucket) Source(ctx context.Context, key string) (storage.Source, error) {
	src := &source{b: b, key: key}
	// Ask for the first byte instead of HEAD: an error of HEAD has no body, and
	// so no code.
	out, err := b.get(ctx, key, "bytes=0-0", nil)
	if code, status := codeOf(err); code == "InvalidRange" || status == http.StatusRequestedRangeNotSatisfiable {
		return src, nil // empty
	}
	if err != nil {
		return nil, b.explain(err)
	}
	defer out.Body.Close()
	src.etag = aws.ToString(out.ETag)
	src.size = aws.ToInt64(out.ContentLength)
	if _, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/"); ok {
		if src.size, err = strconv.ParseInt(total, 10, 64); err != nil {
			return nil, job.Errorf(job.StorageRefused, "The storage of bucket '%s' does not tell the size of the file.", b.name)
		}
	}
	return src, nil
}

func (b *Bucket) get(ctx context.Context, key, byteRange string, etag *string) (*s3.GetObjectOutput, error) {
	var out *s3.GetObjectOutput
	err := b.do(ctx, func(ctx context.Context, c *connection) (err error) {
		out, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key, Range: optional(byteRange), IfMatch: etag})
		return err
	})
	return out, err
}

type source struct {
	b    *Bucket
	key  string
	size int64
	etag string
}

func (s *source) Size() int64  { return s.size }
func (s *source) Ranges() bool { return true }

// Version implements storage.Versioned.
func (s *source) Version() string { return s.etag }

// Open reads from offset. If the object was replaced since it was found, its
// ETag makes the service refuse.
func (s *source) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	if offset >= s.size {
		return io.NopCloser(strings.NewReader("")), nil
	}
	if offset == 0 {
		return s.read(ctx, 0, "")
	}
	return s.read(ctx, offset, fmt.Sprintf("bytes=%d-", offset))
}

// OpenRange implements storage.RangeOpener.
func (s *source) OpenRange(ctx context.Context, from, to int64) (io.ReadCloser, int64, error) {
	body, err := s.read(ctx, from, fmt.Sprintf("bytes=%d-%d", from, to-1))
	return body, from, err
}

// read reads a byte range, which begins at offset; "": all.
func (s *source) read(ctx context.Context, offset int64, byteRange string) (io.ReadCloser, error) {
	out, err := s.b.get(ctx, s.key, byteRange, optional(s.etag))
	if err != nil {
		return nil, s.b.explain(err)
	}
	if byteRange != "" && !strings.HasPrefix(aws.ToString(out.ContentRange), fmt.Sprintf("bytes %d-", offset)) {
		out.Body.Close()
		return nil, job.Errorf(job.StorageRefused, "The storage of bucket '%s' does not serve ranges.", s.b.name)
	}
	return out.Body, nil
}
