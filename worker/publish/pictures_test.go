package publish

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/copra-video/copra/transcode"
)

// The server writes its own file through no link.
func TestTrackFollowsNoLink(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	if _, err := writeTrack(dir, &transcode.ThumbnailTrack{Pictures: "p/%d.jpg"}); err == nil {
		t.Error("a track was written to a folder that is not there")
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "p"), 0o700), os.Symlink(outside, filepath.Join(dir, "p", "track.vtt"))); err != nil {
		t.Fatal(err)
	}
	if _, err := writeTrack(dir, &transcode.ThumbnailTrack{Pictures: "p/%d.jpg"}); err == nil {
		t.Error("a track was written through a link")
	}
	if _, err := os.Lstat(outside); err == nil {
		t.Error("something was written outside")
	}
}
