package workdir

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What a hijacked ffmpeg puts in the place of a file is neither opened nor waited
// for.
func TestOpenRegularIn(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	dir := t.TempDir()
	for _, path := range []string{outside, filepath.Join(dir, "v1.mp4")} {
		if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
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
			if f, err := OpenRegularIn(dir, name, flag); err == nil {
				f.Close()
				t.Errorf("%s was opened", name)
			}
		}
	}
	f, err := OpenRegularIn(dir, "v1.mp4", os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
