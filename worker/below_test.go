package worker

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/transcode"
)

// What an ffmpeg that was taken over puts in the place of a file is neither
// read nor written, and holds nobody up.
func TestOpenBelow(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	dir := t.TempDir()
	for _, path := range []string{outside, filepath.Join(dir, "v1.mp4")} {
		if err := os.WriteFile(path, make([]byte, 2*punchStep), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, "folder")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "folder", "folder/secret", "../" + filepath.Base(filepath.Dir(outside)) + "/secret", "pipe", "none"} {
		for _, flag := range []int{os.O_RDONLY, os.O_WRONLY} {
			if f, err := openBelow(dir, name, flag); err == nil {
				f.Close()
				t.Errorf("%s was opened", name)
			}
		}
		if err := punch(dir, name, 0, punchStep); err == nil {
			t.Errorf("%s was punched", name)
		}
	}
	f, err := openBelow(dir, "v1.mp4", os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// keyFile is an operation that reads a small file.
func keyFile(name string) transcode.Operation {
	return transcode.Operation{FFmpeg: &transcode.FFmpeg{Inputs: []transcode.InputFile{{Name: name, Data: "key"}}}}
}

// The server writes its own files of a step through no link either.
func TestPrepareFollowsNoLink(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	if err := os.Symlink(outside, filepath.Join(dir, "key.bin")); err != nil {
		t.Fatal(err)
	}
	s := &steps{dir: dir}
	if err := s.prepare(transcode.Step{Op: keyFile("key.bin")}); err == nil {
		t.Error("a file was written through a link")
	}
	if _, err := writeTrack(dir, &transcode.Thumbnails{Pictures: "p/%d.jpg"}); err == nil {
		t.Error("a track was written to a folder that is not there")
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "p"), 0o700), os.Symlink(outside, filepath.Join(dir, "p", "track.vtt"))); err != nil {
		t.Fatal(err)
	}
	if _, err := writeTrack(dir, &transcode.Thumbnails{Pictures: "p/%d.jpg"}); err == nil {
		t.Error("a track was written through a link")
	}
	if _, err := os.Lstat(outside); err == nil {
		t.Error("something was written outside")
	}
	step := transcode.Step{Dirs: []string{"a/b"}, Op: keyFile("a/b/key.bin")}
	if err := s.prepare(step); err != nil {
		t.Error(err)
	}
}
