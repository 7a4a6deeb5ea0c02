package s3

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/storage"
)

// maxParts is how many parts an upload may have at Amazon.
const maxParts = 10_000

// Check lists one key of the bucket. A refused list, unlike a refused HEAD, has
// an error code. Credentials that may only put are refused the list. That is no
// error.
func (b *Bucket) Check(ctx context.Context) error {
	err := b.do(ctx, func(ctx context.Context, c *connection) error {
		_, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, MaxKeys: aws.Int32(1)})
		return err
	})
	switch code, status := codeOf(err); {
	case code == "AccessDenied", code == "NotImplemented", code == "MethodNotAllowed",
		code == fmt.Sprintf("HTTP status code: %d", http.StatusForbidden), status == http.StatusNotImplemented:
		return nil
	}
	return b.explain(err)
}

// Put stores body under key, in parts if it is large. The object appears when
// all of it has arrived.
func (b *Bucket) Put(ctx context.Context, key string, body storage.Body, opts storage.PutOptions) error {
	put := b.putWhole
	if body.Size() > 2*b.o.PartSize {
		put = b.putParts
	}
	try := func(acl string) error {
		return b.do(ctx, func(ctx context.Context, c *connection) error { return put(ctx, c, key, body, opts, acl) })
	}
	if b.acl == "" || b.noACL.Load() {
		return b.explain(try(""))
	}
	err := try(b.acl)
	if code, _ := codeOf(err); code == "AccessControlListNotSupported" || code == "NotImplemented" {
		// The bucket is of the kind "bucket owner enforced", or the server has
		// no ACLs. Then its owner has decided who may read, and the upload need
		// not fail.
		if err = try(""); err == nil {
			b.noACL.Store(true)
		}
	}
	return b.explain(err)
}

func (b *Bucket) putWhole(ctx context.Context, c *connection, key string, body storage.Body, opts storage.PutOptions, acl string) error {
	_, err := c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.name, Key: &key,
		Body:          storage.Section(body, 0, body.Size()),
		ContentLength: aws.Int64(body.Size()),
		ContentType:   optional(opts.ContentType),
		CacheControl:  optional(b.account.CacheControl),
		StorageClass:  types.StorageClass(b.account.StorageClass),
		ACL:           types.ObjectCannedACL(acl),
	}, b.expires)
	return err
}

func (b *Bucket) putParts(ctx context.Context, c *connection, key string, body storage.Body, opts storage.PutOptions, acl string) error {
	in := &s3.CreateMultipartUploadInput{
		Bucket: &b.name, Key: &key,
		ContentType:  optional(opts.ContentType),
		CacheControl: optional(b.account.CacheControl),
		StorageClass: types.StorageClass(b.account.StorageClass),
		ACL:          types.ObjectCannedACL(acl),
	}
	if b.amazon() {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
	}
	created, err := c.CreateMultipartUpload(ctx, in, b.expires)
	if err != nil {
		return err
	}
	parts, err := b.sendParts(ctx, c, key, created.UploadId, body)
	if err == nil {
		_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &b.name, Key: &key, UploadId: created.UploadId,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
	}
	if err != nil {
		// Parts of an upload that was not completed cost its owner money.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, _ = c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: &key, UploadId: created.UploadId})
	}
	return err
}

// sendParts reads each part directly from the body, so that the use of memory
// does not depend on the size of files and parts.
func (b *Bucket) sendParts(ctx context.Context, c *connection, key string, upload *string, body storage.Body) ([]types.CompletedPart, error) {
	size := partSize(body.Size(), b.o.PartSize)
	parts := make([]types.CompletedPart, (body.Size()+size-1)/size)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(b.o.Parallel)
	for i := range parts {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			number, offset := int32(i+1), int64(i)*size
			length := min(size, body.Size()-offset)
			out, err := c.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: &b.name, Key: &key, UploadId: upload, PartNumber: &number,
				Body: storage.Section(body, offset, length), ContentLength: &length,
			})
			if err != nil {
				return err
			}
			parts[i] = types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32}
			return nil
		})
	}
	return parts, group.Wait()
}

// partSize is the size of parts for a file of total bytes: smallest, or, in
// whole MiB, as much more as is needed to stay within maxParts.
func partSize(total, smallest int64) int64 {
	const mib = 1 << 20
	if total <= smallest*maxParts {
		return smallest
	}
	need := (total + maxParts - 1) / maxParts
	return (need + mib - 1) / mib * mib
}

// expires sets the header as the customer wrote it. The SDK's own field takes
// only a time.
func (b *Bucket) expires(o *s3.Options) {
	if b.account.Expires != "" {
		o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("Expires", b.account.Expires))
	}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
