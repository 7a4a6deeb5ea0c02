package ffmpeg

import (
	"context"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/format"
)

// buildDependent are the encoders whose pixel formats depend on how their
// library was built, above all on the bit depths that it has. ffmpeg asks the
// library when it starts: libavcodec/libx264.c, libx265.c and libvpxenc.c. The
// lists of all other encoders of the codec table stand in FFmpeg's sources and
// have been the same since FFmpeg 5.1, so a server does not ask for them.
var buildDependent = []string{"libx264", "libx265", "libvpx-vp9"}

// pixFmtAnswers are the answers to "-h encoder=NAME", by name.
type pixFmtAnswers struct {
	mu    sync.Mutex
	texts map[string]string
	errs  map[string]error
}

// queryPixFmts asks about encoders in goroutines of g. It does not know yet
// which of them ffmpeg has, so that this takes no second round: of fails for
// those that ffmpeg has.
func (t *Toolchain) queryPixFmts(ctx context.Context, g *errgroup.Group, encoders []string) *pixFmtAnswers {
	a := &pixFmtAnswers{texts: map[string]string{}, errs: map[string]error{}}
	for _, name := range encoders {
		g.Go(func() error {
			text, _, err := t.query(ctx, nil, t.ffmpeg, "-h", "encoder="+name)
			a.mu.Lock()
			defer a.mu.Unlock()
			a.texts[name], a.errs[name] = text, err
			return nil
		})
	}
	return a
}

// of returns the pixel formats of the encoders that ffmpeg has.
func (a *pixFmtAnswers) of(encoders transcode.Set) (map[string][]string, error) {
	lists := map[string][]string{}
	for name, text := range a.texts {
		if !encoders.Has(name) {
			continue
		}
		if err := a.errs[name]; err != nil {
			return nil, err
		}
		lists[name] = parsePixFmts(text)
	}
	return lists, nil
}

// videoEncoders are ffmpeg's names of the encoders of the codec table. An
// encoder without a library has the name of its codec.
func videoEncoders() []string {
	names := []string{"h263p"}
	for _, c := range format.Codecs() {
		if c.Track != format.TrackVideo || !c.Encodable {
			continue
		}
		names = append(names, encoderOf(c))
	}
	return names
}

func encoderOf(c format.Codec) string {
	if name, ok := libraries[c.Name]; ok {
		return name
	}
	return strings.ReplaceAll(c.Name, "-", "_")
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
