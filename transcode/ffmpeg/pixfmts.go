package ffmpeg

import (
	"context"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/transcode"
)

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

// parsePixFmts reads the line "    Supported pixel formats: yuv420p yuvj420p".
func parsePixFmts(s string) []string {
	_, list, _ := strings.Cut(s, "Supported pixel formats:")
	line, _, _ := strings.Cut(list, "\n")
	return strings.Fields(line)
}
