package publish

import (
	"fmt"
	"os"

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
