package gcs

import (
	"context"
	"net/http"
	"net/url"

	"github.com/copra-video/copra/storage/remote"
)

// Exists reports whether there is an object under key.
func (b *Bucket) Exists(ctx context.Context, key string) (bool, error) {
	_, _, err := b.do(ctx, http.MethodGet, b.object(key)+"?fields=kind", nil, nil)
	if remote.IsStatus(err, http.StatusNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Delete deletes the object under key. A bucket with versions or soft deletion
// keeps it as one of those.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	_, _, err := b.do(ctx, http.MethodDelete, b.object(key), nil, nil)
	if remote.IsStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// object is the path of key in the API.
func (b *Bucket) object(key string) string {
	return "/storage/v1/b/" + url.PathEscape(b.name) + "/o/" + url.PathEscape(key)
}
