package execute

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/worker/workdir"
)

// measureLoudness measures a track, and writes its gain and its figures.
func (e *Execution) measureLoudness(ctx context.Context, st transcode.Step, op transcode.MeasureLoudness) error {
	e.c.Metrics.started(st)
	if err := e.ffmpeg(ctx, e.command(st, op.Args, 0, 0.5)); err != nil {
		return err
	}
	l, whole, err := e.readLoudness(op)
	if err != nil {
		return err
	}
	if !whole && len(op.Changed) > 0 {
		for _, args := range op.Changed {
			if err := e.ffmpeg(ctx, e.command(st, args, 0.5, 1)); err != nil {
				return err
			}
		}
		if l, _, err = e.readLoudness(op); err != nil {
			return err
		}
	}
	figures, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode loudness: %w", err)
	}
	return e.inRoot(func(root *os.Root) error {
		_ = root.Remove(op.Log) // they go with the folder at the latest
		if op.Whole != "" {
			_ = root.Remove(op.Whole)
		}
		if err := root.WriteFile(op.Figures, figures, 0o600); err != nil {
			return fmt.Errorf("write loudness: %w", err)
		}
		if err := root.WriteFile(op.Gain, []byte(l.Commands()), 0o600); err != nil {
			return fmt.Errorf("write gain: %w", err)
		}
		return nil
	})
}

func (e *Execution) readLoudness(op transcode.MeasureLoudness) (transcode.Loudness, bool, error) {
	f, err := workdir.OpenRegularIn(e.dir, op.Log, os.O_RDONLY)
	if err != nil {
		return transcode.Loudness{}, false, fmt.Errorf("open log of loudness: %w", err)
	}
	defer f.Close()
	return transcode.ReadLoudness(f, op)
}
