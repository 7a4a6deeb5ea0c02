package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/captions"
	"github.com/copra-video/copra/transcode/cube"
)

// A watermark is a small picture. A larger one would be scaled down, at a high cost
// in memory.
const (
	maxWatermarkBytes = 32 << 20
	maxWatermarkSide  = 8192
)

// Fetch fetches a file that a plan needs besides the input into dir, unless an earlier
// plan of the run has, and checks it: a watermark is a picture, captions have cues, sound
// is heard.
// explain returns what a customer may see of an error. The error of Fetch has the reason
// WatermarkNotValid, CaptionsNotValid, OverlayNotValid or AudioNotValid, or that of explain if this server is at fault.
func (r Reader) Fetch(ctx context.Context, f transcode.Fetch, url job.Secret, dir string, explain func(error, job.Reason) *job.Error) error {
	path := filepath.Join(dir, f.Name)
	if _, err := os.Stat(path); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for %s: %w", f.Name, err)
	}
	part := path + ".part"
	what, notValid := "The watermark ", job.WatermarkNotValid
	var err error
	switch {
	case f.Captions != nil:
		what, notValid = "The file of captions ", job.CaptionsNotValid
		err = r.fetchCaptions(ctx, url, part, *f.Captions, f.Style)
	case f.Sound:
		what, notValid = "The file of sound ", job.AudioNotValid
		err = r.fetchSound(ctx, url, part)
	case f.LUT:
		what, notValid = "The LUT ", job.OverlayNotValid
		err = r.fetchLUT(ctx, url, part)
	default:
		err = r.fetchWatermark(ctx, url, part)
	}
	if err == nil {
		err = os.Rename(part, path)
	}
	if err == nil {
		return nil
	}
	_ = os.Remove(part) // it may not be there
	e := explain(err, notValid)
	reason := e.Reason
	if reason.Fault() != job.ServerFault {
		reason = notValid
	}
	message := e.Message
	if e.About != "" {
		message = what + e.About + "."
	}
	return job.Errorf(reason, "%s", message).WithCause(err)
}

// fetchWatermark fetches and checks a watermark.
func (r Reader) fetchWatermark(ctx context.Context, url job.Secret, path string) error {
	src, err := r.Opener.Source(ctx, job.Input{URL: url})
	if err != nil {
		return fmt.Errorf("open watermark: %w", err)
	}
	if _, err := r.fetchTo(ctx, src, path, min(maxWatermarkBytes, r.MaxBytes)); err != nil {
		return fmt.Errorf("fetch watermark: %w", err)
	}
	m, err := r.Media.Probe(ctx, path)
	if err != nil {
		return fmt.Errorf("probe watermark: %w", err)
	}
	switch {
	case !m.Still() || len(m.Video) == 0:
		return job.Errorf(job.WatermarkNotValid, "The watermark is not a picture; a PNG is expected.")
	case m.Video[0].Width > maxWatermarkSide || m.Video[0].Height > maxWatermarkSide:
		return job.Errorf(job.WatermarkNotValid, "The watermark has %dx%d pixels; at most %d on a side are accepted.", m.Video[0].Width, m.Video[0].Height, maxWatermarkSide)
	}
	return nil
}

// maxSoundBytes is the most of a file of sound: four hours of uncompressed stereo.
const maxSoundBytes = 4 << 30

// fetchSound fetches a file that has sound. It may have a picture too.
func (r Reader) fetchSound(ctx context.Context, url job.Secret, path string) error {
	src, err := r.Opener.Source(ctx, job.Input{URL: url})
	if err != nil {
		return fmt.Errorf("open sound: %w", err)
	}
	if _, err := r.fetchTo(ctx, src, path, min(maxSoundBytes, r.MaxBytes)); err != nil {
		return fmt.Errorf("fetch sound: %w", err)
	}
	m, err := r.Media.Probe(ctx, path)
	if err != nil {
		return fmt.Errorf("probe sound: %w", err)
	}
	if len(m.Audio) == 0 {
		return job.Errorf(job.AudioNotValid, "The file of sound has no sound.")
	}
	return nil
}

// fetchLUT fetches a look-up table, and writes what was read of it: ffmpeg sees nothing else.
func (r Reader) fetchLUT(ctx context.Context, url job.Secret, path string) error {
	src, err := r.Opener.Source(ctx, job.Input{URL: url})
	if err != nil {
		return fmt.Errorf("open LUT: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make work file: %w", err)
	}
	defer f.Close()
	if err := storage.Fetch(ctx, src, f, min(cube.MaxBytes, r.MaxBytes)); err != nil {
		return fmt.Errorf("fetch LUT: %w", err)
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, cube.MaxBytes))
	if err != nil {
		return fmt.Errorf("read LUT: %w", err)
	}
	lut, err := cube.Parse(data)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write LUT: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("write LUT: %w", err)
	}
	if err := lut.Write(f); err != nil {
		return fmt.Errorf("write LUT: %w", err)
	}
	return f.Close()
}

// fetchCaptions fetches and checks a file of captions. With a style it is written as ASS:
// ffmpeg sees nothing else.
func (r Reader) fetchCaptions(ctx context.Context, url job.Secret, path string, hint captions.Hint, style *captions.Style) error {
	src, err := r.Opener.Source(ctx, job.Input{URL: url})
	if err != nil {
		return fmt.Errorf("open captions: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make work file: %w", err)
	}
	defer f.Close()
	if err := storage.Fetch(ctx, src, f, min(captions.MaxBytes, r.MaxBytes)); err != nil {
		return fmt.Errorf("fetch captions: %w", err)
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, captions.MaxBytes))
	if err != nil {
		return fmt.Errorf("read captions: %w", err)
	}
	if _, err := captions.Parse(data, hint); err != nil {
		return err
	}
	if style != nil {
		if data, err = captions.ASS(data, hint, *style); err != nil {
			return err
		}
		if err = f.Truncate(0); err == nil {
			_, err = f.WriteAt(data, 0)
		}
		if err != nil {
			return fmt.Errorf("write captions: %w", err)
		}
	}
	return f.Close()
}
