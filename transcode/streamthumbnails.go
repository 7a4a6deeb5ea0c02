package transcode

import (
	"fmt"
	"slices"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
	"github.com/copra-video/copra/transcode/stream"
)

// planThumbnails plans the sheets that players show on their bar: those of an image
// output with an interval. Both packages publish the same files. A stream without a
// picture has none.
func (b *streamBuilder) planThumbnails() *job.Error {
	t := b.params.Thumbnails
	if t == nil || !slices.ContainsFunc(b.variants, func(v variant) bool { return v.video != nil }) {
		return nil
	}
	shown := b.src.frame
	width := min(t.Width, even(float64(shown.H)*shown.dar().float()))
	f, err := format.Parse(fmt.Sprintf("jpg:%dx", width))
	if err != nil {
		return job.Errorf(job.OutputParamNotValid, "The parameter \"thumbnails\" is not valid: %v.", err)
	}
	// An Output of its own, at the place of the stream, so that errors and steps are the stream's.
	_, failed := b.planner.planThumbnails(b.output, &job.Output{
		Type: job.TypeImage, Format: f, Path: "%05d.jpg",
		Image: &job.ImageParams{HasInterval: true, Interval: t.Interval, Sprite: &job.Sprite{Columns: t.Columns, Limit: t.Columns * t.Rows}},
	})
	if failed != nil {
		return failed
	}
	s := b.spriteSheets[len(b.spriteSheets)-1]
	b.thumbnails = &stream.Thumbnails{
		Sheets: s.pattern, Count: (len(s.thumbnails.times) + s.each - 1) / s.each, Columns: s.columns, Rows: s.rows,
		Width: s.thumbnails.style.geometry.W, Height: s.thumbnails.style.geometry.H, Interval: s.thumbnails.interval,
	}
	return nil
}
