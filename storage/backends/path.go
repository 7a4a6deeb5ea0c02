package backends

import (
	"context"
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// prefixed is a bucket that puts storage.path before the paths of outputs.
type prefixed struct {
	storage.Bucket
	prefix string
}

func (p prefixed) Put(ctx context.Context, path string, body storage.Body, opts storage.PutOptions) error {
	key, err := p.key(path)
	if err != nil {
		return err
	}
	return p.Bucket.Put(ctx, key, body, opts)
}

// key returns the key for path, or an error if it is not a valid key.
func (p prefixed) key(path string) (string, error) {
	key := Key(p.prefix, path)
	return key, checkKey(key)
}

// Close closes the connections of the bucket.
func (p prefixed) Close() error { return storage.Close(p.Bucket) }

// Callers look for these interfaces at run time, so the compiler would not
// notice a method of another name.
var (
	_ storage.Deleter     = prefixedDeleter{}
	_ storage.BatchPutter = prefixedBatchPutter{}
)

// prefixedDeleter is a prefixed storage.Deleter.
type prefixedDeleter struct {
	prefixed
	inner storage.Deleter
}

func (p prefixedDeleter) Exists(ctx context.Context, path string) (bool, error) {
	key, err := p.key(path)
	if err != nil {
		return false, err
	}
	return p.inner.Exists(ctx, key)
}

func (p prefixedDeleter) Delete(ctx context.Context, path string) error {
	key, err := p.key(path)
	if err != nil {
		return err
	}
	return p.inner.Delete(ctx, key)
}

// prefixedBatchPutter is a prefixed storage.BatchPutter.
type prefixedBatchPutter struct {
	prefixed
	inner storage.BatchPutter
}

func (p prefixedBatchPutter) PutBatch(ctx context.Context, items []storage.Item) error {
	items = slices.Clone(items)
	for i := range items {
		var err error
		if items[i].Key, err = p.key(items[i].Key); err != nil {
			return err
		}
	}
	return p.inner.PutBatch(ctx, items)
}

// withPrefix returns b with prefix before its keys.
func withPrefix(b storage.Bucket, prefix string) storage.Bucket {
	switch inner := b.(type) {
	case storage.BatchPutter:
		return prefixedBatchPutter{prefixed{b, prefix}, inner}
	case storage.Deleter:
		return prefixedDeleter{prefixed{b, prefix}, inner}
	}
	return prefixed{b, prefix}
}

func (p prefixed) URL(path string) string { return p.Bucket.URL(Key(p.prefix, path)) }

// Key joins storage.path and the path of an output as Coconut does. It leaves
// both as they are, so "/_coconut/" and "/a.mp4" give "_coconut//a.mp4", but
// drops leading slashes. It adds a slash between them only if neither has one.
func Key(prefix, path string) string {
	if prefix != "" && !strings.HasSuffix(prefix, "/") && !strings.HasPrefix(path, "/") {
		prefix += "/"
	}
	return strings.TrimLeft(prefix+path, "/")
}

// checkKey refuses keys that lead out of the folder that the customer chose, and
// keys that services could not store.
func checkKey(key string) error {
	if key == "" || strings.HasSuffix(key, "/") {
		return job.Errorf(job.OutputPathNotValid, "The path %q has no file name.", key)
	}
	for _, part := range strings.Split(key, "/") {
		if part == "." || part == ".." {
			return job.Errorf(job.OutputPathNotValid, "The path %q is not allowed: it holds %q as a folder.", key, part)
		}
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return job.Errorf(job.OutputPathNotValid, "The path %q is not allowed: it holds control characters.", key)
	}
	if len(key) > 1024 {
		return job.Errorf(job.OutputPathNotValid, "The path is longer than 1024 bytes.")
	}
	return nil
}
