package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/worker/workdir"
)

// verifyAnimation looks at an animated WebP, which ffprobe cannot read.
func verifyAnimation(dir, name string) error {
	f, err := workdir.OpenRegularIn(dir, name, os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("look at result: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at result: %w", err)
	}
	if _, err := transcode.ReadAnimation(f, st.Size()); err != nil {
		return job.Errorf(job.OutputNotValid, "The animation could not be written.").WithCause(err)
	}
	return nil
}

// writeTrack writes the WebVTT track of the pictures that were made. It is
// published last, because it names the others.
func writeTrack(dir string, t *transcode.ThumbnailTrack) (publication, error) {
	made := 0
	for made < len(t.Times) {
		if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf(t.Pictures, made+1))); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return publication{}, fmt.Errorf("look for picture %d: %w", made+1, err)
		}
		made++
	}
	root, err := os.OpenRoot(dir) // ffmpeg writes there too, and may have left links
	if err != nil {
		return publication{}, fmt.Errorf("open work directory: %w", err)
	}
	defer root.Close()
	name := filepath.Join(filepath.Dir(t.Pictures), "track.vtt")
	if err := root.WriteFile(name, t.WebVTT(made), 0o600); err != nil {
		return publication{}, fmt.Errorf("write track: %w", err)
	}
	return publication{key: t.Path, file: name, contentType: t.ContentType(), last: true}, nil
}
