package local

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// Lookup opens an input whose address is one of this store, from the disk. own
// reports whether the address is one of this store. If so, a missing file is a
// *job.Error.
func (s *Store) Lookup(address string) (src storage.Source, own bool, err error) {
	if s.o.PublicURL == "" || !strings.HasPrefix(address, s.o.PublicURL+Prefix) {
		return nil, false, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, false, nil //nolint:nilerr // no address of ours; whoever fetches it says what is wrong
	}
	base, err := url.Parse(s.o.PublicURL)
	if err != nil {
		return nil, false, fmt.Errorf("parse public URL: %w", err)
	}
	missing := job.InputErrorf(job.InputNotFound, "is not in the built-in storage; files are kept there for %v", s.o.Keep)
	name := served(strings.TrimPrefix(u.Path, base.Path))
	if name == "" {
		return nil, true, missing
	}
	f, info, err := s.open(name)
	if err != nil {
		return nil, true, missing.WithCause(err)
	}
	defer f.Close()
	return &source{s: s, name: name, size: info.Size(), modified: info.ModTime()}, true, nil
}

type source struct {
	s    *Store
	name string
	size int64

	modified time.Time
}

func (s *source) Size() int64  { return s.size }
func (s *source) Ranges() bool { return true }

// Version implements storage.Versioned. A file of the store is written beside its
// place, and does not change there.
func (s *source) Version() string { return s.modified.UTC().Format(time.RFC3339Nano) }

func (s *source) Open(_ context.Context, offset int64) (io.ReadCloser, error) {
	f, err := s.File()
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		f.Close()
		return nil, fmt.Errorf("open stored file: %w", err)
	}
	return f, nil
}

// File implements storage.Local.
func (s *source) File() (*os.File, error) {
	f, info, err := s.s.open(s.name)
	if err != nil {
		return nil, job.InputErrorf(job.InputNotFound, "is no longer in the built-in storage").WithCause(err)
	}
	if info.Size() != s.size || !info.ModTime().Equal(s.modified) {
		f.Close()
		return nil, job.InputErrorf(job.InputNotReadable, "changed in the built-in storage while it was being read")
	}
	return f, nil
}
