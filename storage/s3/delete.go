package s3

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Exists reports whether there is an object under key. If credentials may not
// list the bucket, S3 answers 403 instead of 404 for a missing object. That is
// an error, since the object may exist.
func (b *Bucket) Exists(ctx context.Context, key string) (bool, error) {
	err := b.do(ctx, func(ctx context.Context, c *connection) error {
		_, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
		return err
	})
	if Missing(err) {
		return false, nil
	}
	return err == nil, b.explain(err)
}

// Delete deletes the object under key. If the bucket keeps versions, the older
// ones stay.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	err := b.do(ctx, func(ctx context.Context, c *connection) error {
		_, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
		return err
	})
	if Missing(err) {
		return nil
	}
	return b.explain(err)
}

// Missing reports whether an error of this package says that the object does not
// exist.
func Missing(err error) bool {
	code, status := codeOf(err)
	return code == "NoSuchKey" || status == http.StatusNotFound && code != "NoSuchBucket"
}
