package ffmpeg

import (
	"testing"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/job"
)

// A photo that this ffmpeg cannot read is not called damaged; a film without its
// index is.
func TestProbeRefusesPhotos(t *testing.T) {
	t.Parallel()
	const noMoov = "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] moov atom not found"
	for brand, want := range map[string]job.Reason{
		"heic": job.InputPhotoNotReadable, "mif1": job.InputPhotoNotReadable, "avif": job.InputPhotoNotReadable,
		"isom": job.InputDamaged, "qt  ": job.InputDamaged,
	} {
		err := probeFailure([]byte("\x00\x00\x00\x1cftyp"+brand+"\x00\x00\x00\x00"), noMoov)
		if err.Reason != want {
			t.Errorf("%s: %s, want %s", brand, err.Reason, want)
		}
	}
	if err := probeFailure([]byte("\x00\x00\x00\x1cftypheic\x00\x00\x00\x00"), "Cannot allocate memory"); err.Reason == job.InputPhotoNotReadable {
		t.Errorf("another failure: %s", err.Reason)
	}
	observed.Row(t, "errors.md input_photo_not_readable")
}
