package artifacts

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/copra-video/copra/storage"
)

// Bucket is a bucket that holds a store, see s3bucket.
type Bucket interface {
	Put(ctx context.Context, key string, body storage.Body, opts storage.PutOptions) error
	// Source opens an object. If it is missing the error is ErrMissing.
	Source(ctx context.Context, key string) (storage.Source, error)
	// List calls each for every object whose key begins with the prefix.
	List(ctx context.Context, prefix string, each func(key string, stored time.Time) error) error
	Delete(ctx context.Context, key string) error
	// Abort deletes the rests of Puts that were begun before a time and interrupted.
	Abort(ctx context.Context, prefix string, before time.Time) error
}

// bucket is a prefix in a bucket.
type bucket struct {
	Bucket
	prefix string // ends with a slash
}

func openBucket(ctx context.Context, o Options, name, prefix string) (backend, error) {
	if o.OpenBucket == nil {
		return nil, errors.New("this program keeps artifacts in a folder only")
	}
	b, err := o.OpenBucket(ctx, o, name)
	if err != nil {
		return nil, err
	}
	return bucket{b, strings.TrimPrefix(prefix+"/"+place+"/", "/")}, nil
}

func (b bucket) put(ctx context.Context, name string, body storage.Body) error {
	return b.Put(ctx, b.prefix+name, body, storage.PutOptions{ContentType: "application/octet-stream"})
}

func (b bucket) open(ctx context.Context, name string) (storage.Source, error) {
	return b.Source(ctx, b.prefix+name)
}

func (b bucket) list(ctx context.Context, folder string, each func(name string, stored time.Time)) error {
	if folder != "" {
		folder += "/"
	}
	return b.List(ctx, b.prefix+folder, func(key string, stored time.Time) error {
		each(strings.TrimPrefix(key, b.prefix), stored)
		return nil
	})
}

func (b bucket) remove(ctx context.Context, folder string) error {
	var keys []string
	if err := b.list(ctx, folder, func(name string, _ time.Time) { keys = append(keys, b.prefix+name) }); err != nil {
		return err
	}
	for _, key := range keys {
		if err := b.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func (b bucket) tidy(ctx context.Context, before time.Time) error {
	return b.Abort(ctx, b.prefix, before)
}
