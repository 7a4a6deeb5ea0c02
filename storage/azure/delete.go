package azure

import (
	"context"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// Exists reports whether there is a blob under key.
func (b *Bucket) Exists(ctx context.Context, key string) (bool, error) {
	c, err := b.blob(key)
	if err != nil {
		return false, err
	}
	found := false
	err = b.do(ctx, func(ctx context.Context) error {
		_, err := c.GetProperties(ctx, nil)
		found = err == nil
		return unlessMissing(err)
	})
	return found && err == nil, err
}

// Delete deletes the blob under key. The service refuses to delete a blob that
// has snapshots. That is an error, since the snapshots are not ours.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	c, err := b.blob(key)
	if err != nil {
		return err
	}
	return b.do(ctx, func(ctx context.Context) error {
		_, err := c.Delete(ctx, nil)
		return unlessMissing(err)
	})
}

// unlessMissing returns err, or nil if err says that there is no such blob.
func unlessMissing(err error) error {
	if resp, ok := errors.AsType[*azcore.ResponseError](err); ok && resp.ErrorCode == "BlobNotFound" {
		return nil
	}
	return err
}
