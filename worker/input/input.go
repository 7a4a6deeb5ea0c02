// Package input reads the files that a job is made from. It probes the input, of
// which it reads as little as the server allows, fetches it, measures it, makes one file of
// several or of a recording, and fetches watermarks and captions.
package input

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
)

// Opener opens the input that a request named.
type Opener interface {
	Source(ctx context.Context, in job.Input) (storage.Source, error)
	// Whole is Source for a file that is read once, from its beginning.
	Whole(ctx context.Context, in job.Input) (storage.Source, error)
}

// Media describes inputs with ffprobe.
type Media interface {
	// Probe describes the file at a path, or at a URL of a rangeserver.Address. The
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
	// Serves: ffmpeg may read inputs from a range server while they arrive.
	Serves bool
	// MaxBytes bounds what is fetched.
	MaxBytes int64
	// StallTimeout is how long a measurement may make no progress.
	StallTimeout time.Duration
	// Capabilities are those of ffmpeg. Run runs a step of it in dir, when there is a
	// slot for it.
	Capabilities transcode.Capabilities
	Run          func(ctx context.Context, dir string, s transcode.Step) error
}

// Probe describes an input, of which it reads as little as the server allows. It
// calls folder to make a folder for what is fetched.
func (r Reader) Probe(ctx context.Context, in job.Input, folder func(context.Context) (dir string, remove func(), err error)) (job.Media, error) {
	if in.Joined() {
		return r.probeParts(ctx, in, folder)
	}
	src, err := r.Opener.Source(ctx, in)
	if err != nil {
		return job.Media{}, fmt.Errorf("open input: %w", err)
	}
	dir, remove, err := folder(ctx)
	if err != nil {
		return job.Media{}, err
	}
	defer remove()
	c, err := r.open(ctx, "", src, dir)
	if err != nil {
		return job.Media{}, err
	}
	defer c.Close()
	media, err := r.probe(ctx, c)
	if err != nil && c.recording(ctx) != "" {
		media, err = r.probeRecording(ctx, in, dir)
	}
	if err != nil {
		return job.Media{}, err
	}
	media.SetFilename(publicName(in))
	return media, nil
}

func (r Reader) probe(ctx context.Context, c *Copy) (job.Media, error) {
	if c.Small() {
		return r.probeWhole(ctx, c) // its headers may be at the end
	}
	served, done, err := c.Serve(ctx)
	if err != nil {
		return job.Media{}, err
	}
	defer done()
	media, err := r.Media.Probe(ctx, served.URL)
	if serr := c.Err(); serr != nil {
		return job.Media{}, fmt.Errorf("read input: %w", serr) // this is why ffprobe failed
	}
	if e, ok := errors.AsType[*job.Error](err); ok && e.Reason == job.InputPhotoNotReadable {
		return r.probeWhole(ctx, c) // decoded, where the server can
	}
	return media, err
}

// probeWhole describes an input that it fetches for that. The size in it is that of
// what was sent, also of a photo, which is decoded.
func (r Reader) probeWhole(ctx context.Context, c *Copy) (job.Media, error) {
	if err := c.Fetch(ctx); err != nil {
		return job.Media{}, err
	}
	media, err := r.Media.Probe(ctx, c.path)
	if err != nil {
		return job.Media{}, err
	}
	media.SetSentSize(c.file.Size())
	return media, nil
}

// Open opens an input, whose copy will be in dir, as transcode.SourceName. recording says
// that Probe has found a playlist or manifest. Nothing of it is fetched yet. Transfers end
// with ctx. A source of which no more than parts can be compared is taken for the same one in
// the job with jobID alone (Copy.Identity).
func (r Reader) Open(ctx context.Context, jobID string, in job.Input, recording bool, dir string) (*Copy, error) {
	var made maker
	switch {
	case in.Joined():
		made = &joined{assembled: assembled{dir: dir}, reader: r, in: in}
	case recording:
		made = &recorded{assembled: assembled{dir: dir}, reader: r, in: in}
	}
	if made != nil {
		_, cancel := context.WithCancel(ctx)
		return &Copy{path: filepath.Join(dir, transcode.SourceName), users: 1, cancel: cancel, made: made}, nil
	}
	src, err := r.Opener.Source(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	return r.open(ctx, jobID, src, dir)
}

// Measure brings the time line of the input in dir, as Copy.Fetch leaves it, into m.
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
	if in.Joined() {
		var names []string
		inputs, _ := distinct(in.Parts)
		for _, one := range inputs {
			names = append(names, publicName(one))
		}
		return strings.Join(names, " ")
	}
	if in.URL.IsZero() {
		return in.Storage.Service + "://" + in.Storage.Bucket + "/" + in.Key
	}
	u, err := url.Parse(in.URL.Reveal())
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
