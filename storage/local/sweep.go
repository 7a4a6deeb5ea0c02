package local

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"
)

const nonblock = syscall.O_NONBLOCK

// Sweep deletes the results and uploads whose newest file is older than Keep,
// and unfinished files of that age. It returns how many folders of jobs, uploads
// and unfinished files it deleted.
func (s *Store) Sweep(now time.Time) (int, error) {
	limit := now.Add(-s.o.Keep)
	removed := 0
	var errs []error
	for _, pattern := range []string{"[0-9][0-9]/[0-9][0-9]/*", uploadsDir + "/*", tmpDir + "/*"} {
		names, err := fs.Glob(s.root.FS(), pattern)
		if err != nil {
			return removed, fmt.Errorf("list storage: %w", err)
		}
		for _, name := range names {
			newest, err := s.newest(name)
			if err == nil && !newest.Before(limit) {
				continue
			}
			if err == nil {
				err = s.root.RemoveAll(name)
			}
			if err == nil {
				removed++
			} else if !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	s.removeEmpty("[0-9][0-9]/[0-9][0-9]")
	s.removeEmpty("[0-9][0-9]")
	if err := errors.Join(errs...); err != nil {
		return removed, fmt.Errorf("sweep storage: %w", err)
	}
	return removed, nil
}

// newest returns the time of the last change below name.
func (s *Store) newest(name string) (time.Time, error) {
	var newest time.Time
	err := fs.WalkDir(s.root.FS(), name, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return err
	})
	return newest, err
}

// removeEmpty removes the folders that match and are empty. Remove refuses other
// folders.
func (s *Store) removeEmpty(pattern string) {
	names, _ := fs.Glob(s.root.FS(), pattern)
	for _, name := range names {
		_ = s.root.Remove(strings.TrimSuffix(path.Clean(name), "/"))
	}
}
