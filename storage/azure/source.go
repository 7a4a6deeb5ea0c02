package azure

import (
	"context"
	"io"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/copra-video/copra/storage"
)

// Source finds the blob key and returns it for reading.
func (b *Bucket) Source(ctx context.Context, key string) (storage.Source, error) {
	c, err := b.blob(key)
	if err != nil {
		return nil, err
	}
	s := &source{b: b, c: c}
	err = b.do(ctx, func(ctx context.Context) error {
		p, err := c.GetProperties(ctx, nil)
		if err != nil {
			return err
		}
		s.etag = p.ETag
		if p.ContentLength != nil {
			s.size = *p.ContentLength
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

type source struct {
	b    *Bucket
	c    *blockblob.Client
	size int64
	etag *azcore.ETag
}

func (s *source) Size() int64  { return s.size }
func (s *source) Ranges() bool { return true }

// Version implements storage.Versioned.
func (s *source) Version() string {
	if s.etag == nil {
		return ""
	}
	return string(*s.etag)
}

// Open reads from offset. If the blob was replaced since it was found, its ETag
// makes the service refuse.
func (s *source) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	if offset >= s.size {
		return io.NopCloser(strings.NewReader("")), nil
	}
	return s.read(ctx, blob.HTTPRange{Offset: offset})
}

// OpenRange implements storage.RangeOpener.
func (s *source) OpenRange(ctx context.Context, from, to int64) (io.ReadCloser, int64, error) {
	body, err := s.read(ctx, blob.HTTPRange{Offset: from, Count: to - from})
	return body, from, err
}

func (s *source) read(ctx context.Context, part blob.HTTPRange) (io.ReadCloser, error) {
	resp, err := s.c.DownloadStream(ctx, &blob.DownloadStreamOptions{
		Range:            part,
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: s.etag}},
	})
	if err != nil {
		return nil, s.b.explain(err)
	}
	return resp.Body, nil
}
