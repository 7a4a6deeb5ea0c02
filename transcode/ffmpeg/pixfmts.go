package ffmpeg

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/transcode/format"
)

// PixFmts lists the pixel formats that an encoder of this ffmpeg takes; nil
// when that is not known.
func (t *Toolchain) PixFmts(encoder string) []string { return slices.Clone(t.pixFmts[encoder]) }

// askPixFmts asks about the encoders of the table of codecs that ffmpeg has.
func (t *Toolchain) askPixFmts(ctx context.Context) error {
	var names []string
	for _, name := range videoEncoders() {
		if t.Has(Encoder, name) {
			names = append(names, name)
		}
	}
	answers := make([]string, len(names))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, name := range names {
		g.Go(func() (err error) {
			answers[i], err = t.query(gctx, t.ffmpeg, "-h", "encoder="+name)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return contextCause(ctx, err)
	}
	t.pixFmts = map[string][]string{}
	for i, name := range names {
		t.pixFmts[name] = parsePixFmts(answers[i])
	}
	return nil
}

// videoEncoders are ffmpeg's names for the codecs of the table: its own have
// the codec's name.
func videoEncoders() []string {
	names := []string{"h263p"}
	for _, c := range format.Codecs() {
		if c.Track != format.TrackVideo || !c.Encodable {
			continue
		}
		name, ok := libraries[c.Name]
		if !ok {
			name = strings.ReplaceAll(c.Name, "-", "_")
		}
		names = append(names, name)
	}
	return names
}

var libraries = map[string]string{
	"h264": "libx264", "hevc": "libx265", "vp8": "libvpx", "vp9": "libvpx-vp9", "av1": "libsvtav1", "theora": "libtheora", "xvid": "libxvid",
}

// parsePixFmts reads the line "    Supported pixel formats: yuv420p yuvj420p".
func parsePixFmts(s string) []string {
	_, list, _ := strings.Cut(s, "Supported pixel formats:")
	line, _, _ := strings.Cut(list, "\n")
	return strings.Fields(line)
}

// contextCause is why a run of the tools ended: the context's reason when it did.
func contextCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
