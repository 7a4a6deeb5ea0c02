package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/worker/workdir"
)

// addQuality adds the figures of the encodes of an output to its result and its
// metadata, as the member "quality_metrics": an array with an element for each encode. One that
// could not be measured is left out, since the output is whole without.
func (p *Output) addQuality(ctx context.Context, result *job.Result, list []transcode.QualityFigures) error {
	type measured struct {
		Variant string `json:"variant,omitempty"`
		transcode.Quality
	}
	all := []measured{}
	for _, q := range list {
		f, err := workdir.OpenRegularIn(p.dir, q.Name, os.O_RDONLY)
		if errors.Is(err, fs.ErrNotExist) {
			p.log.WarnContext(ctx, "quality not measured", "variant", q.Variant)
			continue
		} else if err != nil {
			return fmt.Errorf("open quality: %w", err)
		}
		text, err := io.ReadAll(f)
		_ = f.Close()
		m := measured{Variant: q.Variant}
		if err == nil {
			err = json.Unmarshal(text, &m.Quality)
		}
		if err != nil {
			return fmt.Errorf("read quality: %w", err)
		}
		all = append(all, m)
	}
	text, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("encode quality: %w", err)
	}
	result.Quality = text
	result.Metadata, err = withMember(result.Metadata, "quality_metrics", result.Quality)
	return err
}
