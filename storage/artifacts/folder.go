package artifacts

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/storage"
)

// folder is a folder on a volume that all workers have mounted. Each call opens
// it anew, since a volume may come and go. Files are copied and never linked, so
// that a run that changes its own file does not change the stored one.
type folder struct{ dir string }

// make creates the folder. Its parent must exist, so that an unmounted volume or
// a typing error creates no tree.
func (f folder) make() error {
	err := os.Mkdir(f.dir, 0o700)
	if err == nil || errors.Is(err, fs.ErrExist) {
		st, serr := os.Stat(f.dir)
		if serr == nil && !st.IsDir() {
			return fmt.Errorf("%s is no folder", f.dir)
		}
		return serr
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the folder %s, for %s, is not there", filepath.Dir(f.dir), filepath.Base(f.dir))
	}
	return fmt.Errorf("make the folder %s: %w", f.dir, err)
}

func (f folder) put(ctx context.Context, name string, body storage.Body) error {
	if err := f.make(); err != nil {
		return err
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := f.checkSpace(body.Size()); err != nil {
		return err
	}
	dir := path.Dir(name)
	if err := root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	tmp := dir + "/" + rand.Text() + ".tmp"
	file, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(onlyWriter{file}, ending{ctx, storage.Section(body, 0, body.Size())}, make([]byte, 1<<20))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = root.Rename(tmp, name)
	}
	if err != nil {
		_ = root.Remove(tmp) // the first error is the one that matters
		return err
	}
	return syncDir(root, dir)
}

// syncDir makes a rename durable.
func syncDir(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err // other file systems have no such call
	}
	return nil
}

// checkSpace leaves the last twentieth of the volume alone: it may be that on which
// jobs have their work files, and those come first.
func (f folder) checkSpace(size int64) error {
	var v unix.Statfs_t
	if err := unix.Statfs(f.dir, &v); err != nil {
		return err
	}
	free, total := int64(v.Bavail)*v.Bsize, int64(v.Blocks)*v.Bsize
	if total > 0 && free-size < total/20 {
		return fmt.Errorf("%w: of %d MiB on the volume %d are free, and the part has %d", syscall.ENOSPC, total>>20, free>>20, size>>20)
	}
	return nil
}

func (f folder) open(_ context.Context, name string) (storage.Source, error) {
	st, err := os.Stat(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrMissing
	}
	if err != nil {
		return nil, err
	}
	return storedFile{f.path(name), st.Size()}, nil
}

// path is the path of a name that was checked before.
func (f folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

type storedFile struct {
	path string
	size int64
}

func (f storedFile) Size() int64  { return f.size }
func (f storedFile) Ranges() bool { return true }

func (f storedFile) Open(_ context.Context, offset int64) (io.ReadCloser, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (f folder) list(ctx context.Context, under string, each func(name string, stored time.Time)) error {
	folders := []string{under}
	if under == "" {
		entries, err := readDir(f.dir)
		if err != nil {
			return err
		}
		folders = nil
		for _, e := range entries {
			if e.IsDir() {
				folders = append(folders, e.Name())
			}
		}
	}
	for _, dir := range folders {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		entries, err := readDir(f.path(dir))
		if err != nil {
			return err
		}
		if st, err := os.Stat(f.path(dir)); err == nil && under == "" {
			each(dir+"/", st.ModTime()) // list an empty folder too
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil { // otherwise it was just deleted
				each(dir+"/"+e.Name(), info.ModTime())
			}
		}
	}
	return nil
}

// readDir lists a folder. A missing folder is empty.
func readDir(dir string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

func (f folder) remove(_ context.Context, dir string) error {
	root, err := os.OpenRoot(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	return root.RemoveAll(dir)
}

// tidy does nothing: what an interrupted Put leaves is in the folder of its job.
func (f folder) tidy(context.Context, time.Time) error { return nil }

// onlyWriter hides all methods of a file but Write. Others would let the kernel
// copy in one call that no context ends.
type onlyWriter struct{ io.Writer }

// ending is a reader that ends with a context.
type ending struct {
	ctx context.Context //nolint:containedctx // ending is for one copy
	io.Reader
}

func (e ending) Read(p []byte) (int, error) {
	if e.ctx.Err() != nil {
		return 0, context.Cause(e.ctx)
	}
	return e.Reader.Read(p)
}
