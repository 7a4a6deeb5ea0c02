package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"

	"github.com/copra-video/copra/storage"
)

// Exists reports whether there is a file under key.
func (b *bucket) Exists(ctx context.Context, key string) (bool, error) {
	_, found, err := b.find(ctx, key)
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", key, friendly(err))
	}
	return found, nil
}

// Delete deletes the file under key, and the folders above it that are empty
// then.
func (b *bucket) Delete(ctx context.Context, key string) error {
	name, found, err := b.find(ctx, key)
	if err == nil && found {
		err = b.s.root.Remove(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err, found = nil, false
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", key, friendly(err))
	}
	// Remove refuses a folder that is not empty. The folder of the job is left
	// to the sweep.
	for dir := path.Dir(name); found && dir != b.dir; dir = path.Dir(dir) {
		found = b.s.root.Remove(dir) == nil
	}
	return nil
}

// find looks for the file under key. A folder does not count.
func (b *bucket) find(ctx context.Context, key string) (name string, found bool, err error) {
	if ctx.Err() != nil {
		return "", false, context.Cause(ctx)
	}
	if name, err = b.name(key); err != nil {
		return "", false, err
	}
	info, err := b.s.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return name, false, nil
	}
	return name, err == nil && info.Mode().IsRegular(), err
}

var _ storage.Deleter = (*bucket)(nil)
