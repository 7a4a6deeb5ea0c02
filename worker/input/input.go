// Package input reads the files that a job is made from. It probes the input, of
// which it reads as little as the server allows, fetches it, measures it, and fetches
// watermarks.
package input

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/rangeserver"
	"github.com/copra-video/copra/transcode"
)

// Opener opens the input that a request named.
type Opener interface {
	Source(ctx context.Context, in job.Input) (storage.Source, error)
}

// Media describes inputs with ffprobe.
type Media interface {
	// Probe describes the file at a path, or at a URL of a rangeserver.Server. The
	// error is a *job.Error if it is not a media file.
	Probe(ctx context.Context, path string) (job.Media, error)
	// DecodePhoto replaces the file name in dir by a picture if it is a photo that
	// ffmpeg does not read, and leaves all other files. The error is a *job.Error if
	// the photo is at fault.
	DecodePhoto(ctx context.Context, dir, name string) error
	// Timeline measures the file name in dir, whose streams m names, by reading all
	// of its packets. It fails when that makes no progress for stall.
	Timeline(ctx context.Context, dir, name string, m job.Media, stall time.Duration) (job.Timeline, error)
}

// Reader reads inputs.
type Reader struct {
	Opener Opener
	Media  Media
	// MaxBytes bounds what is fetched.
	MaxBytes int64
	// StallTimeout is how long a measurement may make no progress.
	StallTimeout time.Duration
}

// Probe describes an input, of which it reads as little as the server allows. It
// calls folder to make a folder if the whole input has to be fetched.
func (r Reader) Probe(ctx context.Context, in job.Input, folder func() (dir string, remove func(), err error)) (job.Media, error) {
	src, err := r.Opener.Source(ctx, in)
	if err != nil {
		return job.Media{}, fmt.Errorf("open input: %w", err)
	}
	media, err := r.probeSource(ctx, src, folder)
	if err != nil {
		return job.Media{}, err
	}
	media.SetFilename(publicName(in))
	return media, nil
}

func (r Reader) probeSource(ctx context.Context, src storage.Source, folder func() (string, func(), error)) (job.Media, error) {
	if !src.Ranges() {
		return r.probeWhole(ctx, src, folder) // its headers may be at the end
	}
	srv, err := rangeserver.Serve(ctx, src, retry.Policy{})
	if err != nil {
		return job.Media{}, fmt.Errorf("serve input to ffprobe: %w", err)
	}
	defer func() { _ = srv.Close() }()
	media, err := r.Media.Probe(ctx, srv.URL())
	if serr := srv.Err(); serr != nil {
		return job.Media{}, fmt.Errorf("read input: %w", serr) // this is why ffprobe failed
	}
	if e, ok := errors.AsType[*job.Error](err); ok && e.Reason == job.InputPhotoNotReadable {
		return r.probeWhole(ctx, src, folder) // decoded, where the server can
	}
	if err != nil {
		return job.Media{}, err
	}
	return media, nil
}

// probeWhole describes an input that it fetches for that. The size in it is that of
// what was sent, also of a photo, which is decoded.
func (r Reader) probeWhole(ctx context.Context, src storage.Source, folder func() (string, func(), error)) (job.Media, error) {
	dir, remove, err := folder()
	if err != nil {
		return job.Media{}, err
	}
	defer remove()
	size, err := r.fetchTo(ctx, src, filepath.Join(dir, transcode.SourceName), r.MaxBytes)
	if err != nil {
		return job.Media{}, err
	}
	media, err := r.Media.Probe(ctx, filepath.Join(dir, transcode.SourceName))
	if err != nil {
		return job.Media{}, err
	}
	media.SetSentSize(size)
	return media, nil
}

// Open opens an input for Fetch.
func (r Reader) Open(ctx context.Context, in job.Input) (storage.Source, error) {
	src, err := r.Opener.Source(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	return src, nil
}

// Fetch copies the whole input into dir, as transcode.SourceName.
func (r Reader) Fetch(ctx context.Context, src storage.Source, dir string) error {
	if _, err := r.fetchTo(ctx, src, filepath.Join(dir, transcode.SourceName), r.MaxBytes); err != nil {
		return fmt.Errorf("fetch input: %w", err)
	}
	return nil
}

// Measure brings the time line of the input in dir, as Fetch leaves it, into m.
func (r Reader) Measure(ctx context.Context, dir string, m *job.Media) error {
	t, err := r.Media.Timeline(ctx, dir, transcode.SourceName, *m, r.StallTimeout)
	if err != nil {
		return err
	}
	m.Measure(t)
	return nil
}

// fetchTo copies an input of at most limit bytes to path, and returns its size. A
// photo that ffmpeg does not read is then decoded in its place.
func (r Reader) fetchTo(ctx context.Context, src storage.Source, path string, limit int64) (size int64, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, fmt.Errorf("make work file: %w", err)
	}
	err = storage.Fetch(ctx, src, f, limit)
	if st, serr := f.Stat(); serr == nil {
		size = st.Size()
	}
	if cerr := f.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("write work file: %w", cerr)
	}
	if err == nil {
		err = r.Media.DecodePhoto(ctx, filepath.Dir(path), filepath.Base(path))
	}
	return size, err
}

// publicName returns the name of an input that clients may see: its URL without
// credentials and query.
func publicName(in job.Input) string {
	if in.URL.IsZero() {
		return in.Storage.Service + "://" + in.Storage.Bucket + "/" + in.Key
	}
	u, err := url.Parse(in.URL.Reveal())
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
