package execute

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// ffmpeg runs a command. Where the input has failed, that is the error: ffmpeg takes a
// broken connection for the end of the file, and may end without an error. So it is where the
// input has been replaced while it was read.
func (e *Execution) ffmpeg(ctx context.Context, c ffmpeg.Command) error {
	if e.c.Source == nil || !slices.Contains(c.Args, transcode.SourceName) {
		return e.run(ctx, c)
	}
	served, done, err := e.c.Source.Use(ctx, c.Dir)
	if err != nil {
		return err
	}
	defer done()
	c.Served = served
	err = e.run(ctx, c)
	changed := e.c.Source.Unchanged(ctx)
	if ctx.Err() != nil {
		return cmp.Or(err, changed)
	}
	if failed := e.c.Source.Err(); served != nil && failed != nil {
		return fmt.Errorf("read input: %w", failed)
	}
	if changed != nil {
		return fmt.Errorf("read input: %w", changed)
	}
	return err
}

// run runs a command in a span of its own.
func (e *Execution) run(ctx context.Context, c ffmpeg.Command) error {
	ctx, span := telemetry.Start(ctx, "ffmpeg")
	if ended := c.Ended; span != nil {
		c.Ended = func(r ffmpeg.Report) {
			span.Set(slog.Duration("cpu_seconds", r.CPU))
			if ended != nil {
				ended(r)
			}
		}
	}
	err := e.c.Media.Run(ctx, c)
	span.End(err)
	return err
}
