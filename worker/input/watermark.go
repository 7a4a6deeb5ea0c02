package input

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// A watermark is a small picture. A larger one would be scaled down, at a high cost
// in memory.
const (
	maxWatermarkBytes = 32 << 20
	maxWatermarkSide  = 8192
)

// Watermark fetches a watermark into dir, unless an earlier plan of the run has, and
// checks that it is a picture. explain returns what a customer may see of an error.
// The error of Watermark has the reason WatermarkNotValid, or that of explain if this
// server is at fault.
func (r Reader) Watermark(ctx context.Context, f transcode.Fetch, url job.Secret, dir string, explain func(error) *job.Error) error {
	path := filepath.Join(dir, f.Name)
	if _, err := os.Stat(path); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for watermark: %w", err)
	}
	part := path + ".part"
	err := r.fetchWatermark(ctx, url, part)
	if err == nil {
		err = os.Rename(part, path)
	}
	if err == nil {
		return nil
	}
	_ = os.Remove(part) // it may not be there
	e := explain(err)
	reason := e.Reason
	if reason.Fault() != job.ServerFault {
		reason = job.WatermarkNotValid
	}
	message := e.Message
	if e.About != "" {
		message = "The watermark " + e.About + "."
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
