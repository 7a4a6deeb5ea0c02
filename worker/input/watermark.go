package input

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// A watermark is a small picture. What is larger would only be made smaller,
// at a high cost in memory.
const (
	maxMarkBytes = 32 << 20
	maxMarkSide  = 8192
)

// Watermark brings a watermark into dir and looks whether it is a picture. One
// that an earlier plan of the run has brought is there. explain makes the error
// that a customer may see. The reason of Watermark's error is WatermarkNotValid,
// or its own if this server is at fault.
func (r Reader) Watermark(ctx context.Context, f transcode.Fetch, url job.Secret, dir string, explain func(error) *job.Error) error {
	path := filepath.Join(dir, f.Name)
	if _, err := os.Stat(path); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for watermark: %w", err)
	}
	part := path + ".part"
	err := r.readMark(ctx, url, part)
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
	// The packages that read files call every file an input.
	text := strings.ReplaceAll(e.Message, "The input", "The watermark")
	return job.Errorf(reason, "%s", strings.ReplaceAll(text, "the input", "the watermark")).WithCause(err)
}

func (r Reader) readMark(ctx context.Context, url job.Secret, path string) error {
	src, err := r.Opener.Source(ctx, job.Input{URL: url})
	if err != nil {
		return fmt.Errorf("open watermark: %w", err)
	}
	if err := r.fetchTo(ctx, src, path, min(maxMarkBytes, r.MaxBytes)); err != nil {
		return fmt.Errorf("fetch watermark: %w", err)
	}
	m, err := r.Media.Probe(ctx, path)
	if err != nil {
		return fmt.Errorf("probe watermark: %w", err)
	}
	switch {
	case !m.Still() || len(m.Video) == 0:
		return job.Errorf(job.WatermarkNotValid, "The watermark is no picture; a PNG is expected.")
	case m.Video[0].Width > maxMarkSide || m.Video[0].Height > maxMarkSide:
		return job.Errorf(job.WatermarkNotValid, "The watermark has %dx%d pixels; at most %d on a side are accepted.", m.Video[0].Width, m.Video[0].Height, maxMarkSide)
	}
	return nil
}
