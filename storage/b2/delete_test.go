package b2

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

// TestDeleteVersions checks that the newest version is deleted, and that older
// ones stay and are hidden.
func TestDeleteVersions(t *testing.T) {
	for _, tt := range []struct {
		name   string
		denied []string // what the key has no capability for
		puts   int
		calls  []string
		left   []string // the newest first
	}{
		{"one", nil, 1, []string{"b2_list_file_versions", "b2_delete_file_version"}, nil},
		{"replaced", nil, 2, []string{"b2_list_file_versions", "b2_hide_file", "b2_delete_file_version"}, []string{"hide", "upload"}},
		{"may not list", []string{"b2_list_file_versions"}, 1, []string{"b2_list_file_versions", "b2_hide_file"}, []string{"hide", "upload"}},
		{"may not delete", []string{"b2_delete_file_version"}, 1,
			[]string{"b2_list_file_versions", "b2_delete_file_version", "b2_hide_file"}, []string{"hide", "upload"}},
		{"may not delete, replaced", []string{"b2_delete_file_version"}, 2,
			[]string{"b2_list_file_versions", "b2_hide_file", "b2_delete_file_version", "b2_hide_file"}, []string{"hide", "upload", "upload"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			b := open(t, f.storage())
			for range tt.puts {
				if err := b.Put(t.Context(), "a/k", storagetest.Body([]byte("film")), storage.PutOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			// An incomplete large file is listed, but is no version.
			f.large["other"] = &largeFile{name: "a/k"}
			f.denied = map[string]bool{}
			for _, call := range tt.denied {
				f.denied[call] = true
			}
			f.calls = nil
			if err := b.Delete(t.Context(), "a/k"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.calls, f.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			var left []string
			for _, v := range f.versions("a/k") {
				left = append(left, v.action)
			}
			if diff := cmp.Diff(tt.left, left); diff != "" || len(f.large) != 1 {
				t.Errorf("%d uploads in parts, versions (-want +got):\n%s", len(f.large), diff)
			}
			if err := b.Delete(t.Context(), "a/k"); err != nil {
				t.Errorf("once more: %v", err)
			}
		})
	}
}

func TestDeleterRefused(t *testing.T) {
	f := newFake(t)
	b := open(t, f.storage())
	f.denied = map[string]bool{"b2_list_file_versions": true, "b2_hide_file": true}
	const want = "The application key does not exist or has no access to bucket 'bkt-id' (unauthorized)."
	if found, err := b.Exists(t.Context(), "k"); found || job.Message(err, "") != want {
		t.Errorf("Has = %t, %v", found, err)
	}
	if err := b.Delete(t.Context(), "k"); job.Message(err, "") != want {
		t.Errorf("Remove = %v", err)
	}
	// An application key that may only write files hides the file.
	f.denied = map[string]bool{"b2_list_file_versions": true}
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Errorf("Remove of what is not there: %v", err)
	}
	// The session expires in between.
	f.denied = nil
	f.tokens += 10
	if found, err := b.Exists(t.Context(), "k"); found || err != nil {
		t.Errorf("Has = %t, %v", found, err)
	}
}
