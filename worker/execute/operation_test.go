package execute

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// The small files of a step are written through no link.
func TestInputFilesFollowNoLink(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	if err := os.Symlink(outside, filepath.Join(dir, "key.bin")); err != nil {
		t.Fatal(err)
	}
	media := &noted{}
	e := &Execution{c: Config{Media: media}, dir: dir}
	keyFile := func(name string) transcode.Operation {
		return transcode.Operation{FFmpeg: &transcode.FFmpeg{Inputs: []transcode.InputFile{{Name: name, Data: "key"}}}}
	}
	if err := e.operate(t.Context(), transcode.Step{Op: keyFile("key.bin")}, nil); err == nil || media.ran > 0 {
		t.Error("a file was written through a link")
	}
	if _, err := os.Lstat(outside); err == nil {
		t.Error("something was written outside")
	}
	step := transcode.Step{Dirs: []string{"a/b"}, Op: keyFile("a/b/key.bin")}
	if err := e.operate(t.Context(), step, nil); err != nil || media.ran != 1 {
		t.Error(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "a", "b", "key.bin")); err != nil || string(got) != "key" {
		t.Errorf("%q, %v", got, err)
	}
	if err := e.operate(t.Context(), transcode.Step{}, nil); err == nil {
		t.Error("a step without an operation was carried out")
	}
}

// A thumbnail track names the pictures that were made, and is written through no
// link.
func TestThumbnailTrack(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	e := &Execution{dir: dir}
	track := transcode.ThumbnailTrack{Name: "p/track.vtt", Pictures: "p/%d.jpg", Images: []string{"/a.jpg", "/b.jpg"}, Times: []float64{0, 1}, End: 2}
	write := func() error {
		return e.operate(t.Context(), transcode.Step{Op: transcode.Operation{ThumbnailTrack: &track}}, nil)
	}
	if err := write(); err == nil {
		t.Error("a track was written to a folder that is not there")
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "p"), 0o700), os.Symlink(outside, filepath.Join(dir, "p", "track.vtt")),
		os.WriteFile(filepath.Join(dir, "p", "1.jpg"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := write(); err == nil {
		t.Error("a track was written through a link")
	}
	if _, err := os.Lstat(outside); err == nil {
		t.Error("something was written outside")
	}
	track.Name = "p/other.vtt"
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, track.Name)); err != nil || string(got) != string(track.WebVTT(1)) {
		t.Errorf("one picture was made, the track is %q, %v", got, err)
	}
}

// noted is an ffmpeg that only notes that it runs.
type noted struct{ ran int }

func (n *noted) Run(context.Context, ffmpeg.Command) error {
	n.ran++
	return nil
}

// What a hijacked ffmpeg puts in the place of an intermediate is not written to.
func TestPunchFollowsNoLink(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	dir := t.TempDir()
	if err := os.WriteFile(outside, make([]byte, 2*punchStep), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, "folder")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "folder", "folder/secret", "../" + filepath.Base(filepath.Dir(outside)) + "/secret", "none"} {
		if err := punch(dir, name, 0, punchStep); err == nil {
			t.Errorf("%s was punched", name)
		}
	}
}

// A picture that ffmpeg did not make, although it ended well, is an error that another
// plan may mend.
func TestPicturesMade(t *testing.T) {
	dir := t.TempDir()
	e := &Execution{c: Config{Media: &noted{}}, dir: dir}
	st := transcode.Step{
		Kind: transcode.StepThumbnails, Dirs: []string{"p"}, Files: []string{"p/00001.jpg", "p/00003.jpg", "p/%05d.png"},
		Op: transcode.Operation{FFmpeg: &transcode.FFmpeg{}},
	}
	for _, name := range []string{"", "p/00001.jpg"} {
		if name != "" {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.operate(t.Context(), st, nil); ffmpeg.Reason(err) != job.OutputNotValid {
			t.Errorf("with %q: %v", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "p/00003.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.operate(t.Context(), st, nil); err != nil {
		t.Error(err)
	}
}
