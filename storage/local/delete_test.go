package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

func newDeleter(t *testing.T, s *Store) storage.Deleter {
	t.Helper()
	k, ok := newBucket(t, s).(storage.Deleter)
	if !ok {
		t.Fatal("the built-in storage cannot delete")
	}
	return k
}

// Deleting the last file deletes its folders too, but not the job's own folder.
func TestDeleteFolders(t *testing.T) {
	s, _ := newStore(t, Options{})
	k := newDeleter(t, s)
	top := filepath.Join(s.o.Dir, "23/07", testHash)
	putString(t, k, "/a//b/c/1.ts", "x")
	putString(t, k, "a/2.ts", "x")
	if err := k.Delete(t.Context(), "/a//b/c/1.ts"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(top, "a/b")); !os.IsNotExist(err) {
		t.Errorf("an empty folder: %v", err)
	}
	if found, err := k.Exists(t.Context(), "a/2.ts"); !found || err != nil {
		t.Errorf("Has = %t, %v", found, err)
	}
	if err := k.Delete(t.Context(), "a/2.ts"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(top); len(left) != 0 || err != nil {
		t.Errorf("the job's folder holds %v, %v", left, err)
	}
	putString(t, k, "a/2.ts", "x")
}

func TestDeleterBadPaths(t *testing.T) {
	s, _ := newStore(t, Options{})
	k := newDeleter(t, s)
	other, err := s.Bucket(created, strings.Repeat("f", 32))
	if err != nil {
		t.Fatal(err)
	}
	putString(t, k, "file", "x")
	putString(t, other, "file", "x")
	for _, key := range []string{
		"../" + strings.Repeat("f", 32) + "/file", "a/../file", "a/..", "/", "", "dir/", "a\x00b", "a\nb", `..\x`, "./file", strings.Repeat("x", 300),
	} {
		if found, err := k.Exists(t.Context(), key); found || job.Message(err, "") == "" {
			t.Errorf("Has(%q) = %t, %v", key, found, err)
		}
		if err := k.Delete(t.Context(), key); job.Message(err, "") == "" {
			t.Errorf("Remove(%q) = %v", key, err)
		}
	}
	// A folder, or a path below a file, does not exist as an object.
	putString(t, k, "folder/x", "x")
	for _, key := range []string{"file/below", "folder", "none/x"} {
		if found, err := k.Exists(t.Context(), key); found || err != nil {
			t.Errorf("Has(%q) = %t, %v", key, found, err)
		}
		if err := k.Delete(t.Context(), key); err != nil {
			t.Errorf("Remove(%q) = %v", key, err)
		}
	}
	for _, b := range []storage.Bucket{k, other} {
		if resp, _ := request(t, "GET", b.URL("file")); resp.StatusCode != 200 {
			t.Errorf("a file that should have stayed: %s", resp.Status)
		}
	}
}
