package s3

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// List calls each for every object whose key begins with prefix, in the order of
// keys, with the time at which it was stored. An error of each ends it.
func (b *Bucket) List(ctx context.Context, prefix string, each func(key string, stored time.Time) error) error {
	var after *string
	for {
		var page *s3.ListObjectsV2Output
		err := b.do(ctx, func(ctx context.Context, c *connection) (err error) {
			page, err = c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix, ContinuationToken: after})
			return err
		})
		if err != nil {
			return b.explain(err)
		}
		for _, o := range page.Contents {
			if err := each(aws.ToString(o.Key), aws.ToTime(o.LastModified)); err != nil {
				return err
			}
		}
		if after = page.NextContinuationToken; after == nil || !aws.ToBool(page.IsTruncated) {
			return nil
		}
	}
}

// Abort aborts the multipart uploads below prefix that were begun before a time.
// A process that was killed leaves such uploads, and their parts cost money
// until then.
func (b *Bucket) Abort(ctx context.Context, prefix string, before time.Time) error {
	var found []types.MultipartUpload
	in := &s3.ListMultipartUploadsInput{Bucket: &b.name, Prefix: &prefix}
	for {
		var page *s3.ListMultipartUploadsOutput
		err := b.do(ctx, func(ctx context.Context, c *connection) (err error) {
			page, err = c.ListMultipartUploads(ctx, in)
			return err
		})
		if err != nil {
			return b.explain(err)
		}
		found = append(found, page.Uploads...)
		if !aws.ToBool(page.IsTruncated) {
			break
		}
		in.KeyMarker, in.UploadIdMarker = page.NextKeyMarker, page.NextUploadIdMarker
	}
	for _, u := range found {
		if !aws.ToTime(u.Initiated).Before(before) {
			continue
		}
		err := b.do(ctx, func(ctx context.Context, c *connection) error {
			_, err := c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: u.Key, UploadId: u.UploadId})
			return err
		})
		if code, _ := codeOf(err); err != nil && code != "NoSuchUpload" {
			return b.explain(err)
		}
	}
	return nil
}
