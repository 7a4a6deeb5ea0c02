package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// Bucket returns the bucket for results of a job that was created at the given
// time. hash is 32 hex digits, see Store.Hash.
func (s *Store) Bucket(created time.Time, hash string) (storage.Bucket, error) {
	if !isHash(hash) {
		return nil, fmt.Errorf("open built-in storage: %q is not 32 hex digits", hash)
	}
	u := created.UTC()
	return &bucket{s: s, dir: fmt.Sprintf("%02d/%02d/%s", u.Day(), u.Hour(), hash)}, nil
}

func isHash(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

type bucket struct {
	s   *Store
	dir string
}

// Check reports whether files can be created at all.
func (b *bucket) Check(context.Context) error {
	if _, err := b.s.root.Stat(tmpDir); err != nil {
		return fmt.Errorf("check built-in storage: %w", err)
	}
	return nil
}

// Put stores body under key; see storage.Bucket.
func (b *bucket) Put(ctx context.Context, key string, body storage.Body, _ storage.PutOptions) error {
	name, err := b.name(key)
	if err != nil {
		return err
	}
	taken, err := b.s.take(ctx, name, body)
	if err == nil && !taken {
		err = b.s.publish(name, func(f *os.File) error {
			n, err := io.CopyBuffer(onlyWriter{f}, &contextReader{ctx, io.NewSectionReader(body, 0, body.Size())}, make([]byte, 256<<10))
			if err == nil && n != body.Size() {
				err = io.ErrUnexpectedEOF
			}
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", key, friendly(err))
	}
	return nil
}

// name is the file of key below the store's directory.
func (b *bucket) name(key string) (string, error) {
	rel := strings.TrimPrefix(path.Clean("/"+key), "/")
	if rel == "" || strings.HasSuffix(key, "/") {
		return "", job.Errorf(job.OutputPathNotValid, "The path %q has no file name.", key)
	}
	if !safePath(key) {
		return "", job.Errorf(job.OutputPathNotValid, "The path %q is not allowed: it holds '..' or control characters.", key)
	}
	return path.Join(b.dir, rel), nil
}

// URL is the public address of key. It leaves double slashes in key as they are,
// since they lead to the same file.
func (b *bucket) URL(key string) string {
	return b.s.url(b.dir + "/" + strings.TrimPrefix(key, "/"))
}

// newFileMode is the mode of new files, before the umask.
const newFileMode = 0o640

// publish creates a file, writes it by fill, and gives it its name when it is
// whole.
func (s *Store) publish(name string, fill func(*os.File) error) (err error) {
	tmp := s.tempName()
	f, err := s.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, newFileMode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = s.root.Remove(tmp)
		}
	}()
	if err := errors.Join(fill(f), f.Close()); err != nil {
		return err
	}
	return s.rename(tmp, name)
}

// rename gives a whole file its name.
func (s *Store) rename(tmp, name string) (err error) {
	// A sweep may remove an empty folder between the two steps. Then try again.
	for range 3 {
		if err = s.root.MkdirAll(path.Dir(name), 0o750); err != nil {
			continue
		}
		if err = s.root.Rename(tmp, name); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return err
}

// friendly returns a message for the customer for the error of a system call.
func friendly(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return job.Errorf(job.ServerDiskFull, "The server has no disk space left for the results.").WithCause(err)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return job.Errorf(job.OutputPathNotValid, "The path is too long for the built-in storage: each folder and file name may have 255 bytes.").WithCause(err)
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return job.Errorf(job.OutputPathNotValid, "The path is both a file and a folder in the outputs of this job.").WithCause(err)
	}
	return err
}

// onlyWriter hides the methods by which io.CopyBuffer would choose a buffer of its own.
type onlyWriter struct{ io.Writer }

type contextReader struct {
	ctx context.Context //nolint:containedctx // lives for one copy
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
