package execute

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/worker/workdir"
)

// measureQuality compares encodes with their source, and writes the figures of each.
func (e *Execution) measureQuality(ctx context.Context, st transcode.Step, op transcode.MeasureQuality) error {
	if err := e.writeInputs(op.Inputs); err != nil {
		return err
	}
	e.c.Metrics.started(st)
	if err := e.ffmpeg(ctx, e.command(st, op.Args, 0, 1)); err != nil {
		return err
	}
	for _, t := range op.Tracks {
		if err := e.writeQuality(t); err != nil {
			return err
		}
	}
	return nil
}

// writeQuality writes the figures of one encode, and removes the logs that they are from.
func (e *Execution) writeQuality(t transcode.QualityTrack) error {
	q := transcode.Quality{Width: t.Width, Height: t.Height}
	for _, l := range t.Logs {
		figures, frames, err := e.readMetric(l)
		if err != nil {
			return err
		}
		q.Frames = frames
		q.Set(l.Metric, figures)
	}
	text, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("encode quality: %w", err)
	}
	return e.inRoot(func(root *os.Root) error {
		for _, l := range t.Logs {
			_ = root.Remove(l.Name) // they go with the folder at the latest
		}
		if err := root.WriteFile(t.Figures, text, 0o600); err != nil {
			return fmt.Errorf("write quality: %w", err)
		}
		return nil
	})
}

func (e *Execution) readMetric(l transcode.QualityLog) (transcode.Metric, int, error) {
	f, err := workdir.OpenRegularIn(e.dir, l.Name, os.O_RDONLY)
	if err != nil {
		return transcode.Metric{}, 0, fmt.Errorf("open log of quality: %w", err)
	}
	defer f.Close()
	return transcode.ReadMetric(f, l.Metric)
}
