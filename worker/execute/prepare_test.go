package execute

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/copra-video/copra/transcode"
)

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
	s := &Run{dir: dir}
	if err := s.prepare(transcode.Step{Op: keyFile("key.bin")}); err == nil {
		t.Error("a file was written through a link")
	}
	if _, err := os.Lstat(outside); err == nil {
		t.Error("something was written outside")
	}
	step := transcode.Step{Dirs: []string{"a/b"}, Op: keyFile("a/b/key.bin")}
	if err := s.prepare(step); err != nil {
		t.Error(err)
	}
}

// What an ffmpeg that was taken over puts in the place of an intermediate is not
// written to.
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
