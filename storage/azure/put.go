package azure

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/storage"
)

const (
	maxBlocks = 50_000 // of a blob
	parallel  = 4      // blocks at once
)

// Put stores body under key, in blocks if it is large. The blob appears when all
// of it has arrived.
func (b *Bucket) Put(ctx context.Context, key string, body storage.Body, opts storage.PutOptions) error {
	c, err := b.blob(key)
	if err != nil {
		return err
	}
	headers := &blob.HTTPHeaders{BlobContentType: optional(opts.ContentType), BlobCacheControl: optional(b.cache)}
	if body.Size() > 2*b.o.BlockSize {
		return b.putBlocks(ctx, c, body, headers)
	}
	return b.do(ctx, func(ctx context.Context) error {
		_, err := c.Upload(ctx, section(body, 0, body.Size()), &blockblob.UploadOptions{HTTPHeaders: headers})
		return err
	})
}

func (b *Bucket) putBlocks(ctx context.Context, c *blockblob.Client, body storage.Body, headers *blob.HTTPHeaders) error {
	size := blockSize(body.Size(), b.o.BlockSize)
	ids := make([]string, (body.Size()+size-1)/size)
	upload := rand.Text()[:16] // all ids of a blob must have the same length, even those of an earlier upload that failed
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i := range ids {
		ids[i] = base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s-%06d", upload, i))
		group.Go(func() error {
			offset := int64(i) * size
			return b.do(gctx, func(ctx context.Context) error {
				_, err := c.StageBlock(ctx, ids[i], section(body, offset, min(size, body.Size()-offset)), nil)
				return err
			})
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return b.do(ctx, func(ctx context.Context) error {
		_, err := c.CommitBlockList(ctx, ids, &blockblob.CommitBlockListOptions{HTTPHeaders: headers})
		return err
	})
}

// blockSize is the size of blocks for a file of total bytes: smallest, or, in
// whole MiB, as much more as is needed to stay within maxBlocks.
func blockSize(total, smallest int64) int64 {
	const mib = 1 << 20
	if total <= smallest*maxBlocks {
		return smallest
	}
	return ((total+maxBlocks-1)/maxBlocks + mib - 1) / mib * mib
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// section is a part of body as the SDK wants it.
func section(body storage.Body, offset, length int64) io.ReadSeekCloser {
	return nopCloser{storage.Section(body, offset, length)}
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }
