package worker

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

// plan plans the outputs and brings the watermarks that they need. An output
// whose watermark cannot be had fails here, with a sentence, and is nil in
// outputs afterwards; the others never meet it.
func (r *run) plan(ctx context.Context, dir string, outputs []*job.Output, media job.Media, opts transcode.Options) (transcode.Plan, error) {
	plan := transcode.Build(outputs, media, opts)
	missing := false
	for _, f := range plan.Fetches {
		err := r.fetchMark(ctx, plan.Secrets[f.URL], filepath.Join(dir, f.Name))
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			return plan, context.Cause(ctx)
		}
		missing = true
		for _, i := range f.Outputs {
			r.w.Log.Warn("watermark cannot be used", "job", r.id, "output", outputs[i].Key, "error", err)
			if err := r.failOutput(ctx, outputs[i].Key, err); err != nil {
				return plan, err
			}
			outputs[i] = nil
		}
	}
	if missing {
		plan = transcode.Build(outputs, media, opts)
	}
	return plan, nil
}

// fetchMark brings a watermark to path and looks whether it is a picture.
func (r *run) fetchMark(ctx context.Context, url job.Secret, path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil // an earlier plan of this run has brought it
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
	// What reads it takes every file for an input.
	text := strings.ReplaceAll(sentence(err, "The watermark could not be read."), "The input", "The watermark")
	return job.Errorf("watermark_not_valid", "%s", strings.ReplaceAll(text, "the input", "the watermark")).WithCause(err)
}

func (r *run) readMark(ctx context.Context, url job.Secret, path string) error {
	src, err := r.w.Opener.Source(ctx, job.Input{URL: url})
	if err != nil {
		return fmt.Errorf("open watermark: %w", err)
	}
	if err := r.w.fetchFile(ctx, src, path, min(maxMarkBytes, r.w.MaxInputBytes), nil); err != nil {
		return fmt.Errorf("fetch watermark: %w", err)
	}
	m, err := r.w.Media.Probe(ctx, path)
	if err != nil {
		return fmt.Errorf("probe watermark: %w", err)
	}
	switch {
	case !m.Still() || len(m.Video) == 0:
		return job.Errorf("watermark_not_valid", "The watermark is no picture; a PNG is expected.")
	case m.Video[0].Width > maxMarkSide || m.Video[0].Height > maxMarkSide:
		return job.Errorf("watermark_not_valid", "The watermark has %dx%d pixels; at most %d on a side are accepted.", m.Video[0].Width, m.Video[0].Height, maxMarkSide)
	}
	return nil
}
