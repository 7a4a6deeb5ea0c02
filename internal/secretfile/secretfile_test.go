package secretfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestReadOrCreate has eight callers at once: one makes the file, and all return
// its text.
func TestReadOrCreate(t *testing.T) {
	for name, before := range map[string]string{"missing": "", "empty": "empty"} {
		path := filepath.Join(t.TempDir(), "secret")
		if before == "empty" {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		texts, made := make([]string, 8), make([]bool, 8)
		begin := make(chan struct{})
		for i := range texts {
			wg.Go(func() {
				<-begin
				var err error
				if texts[i], made[i], err = ReadOrCreate(path, func() (string, error) { return fmt.Sprint("secret-", i), nil }); err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		wg.Wait()
		kept, makers := text(t, path), 0
		for i := range texts {
			if made[i] {
				makers++
			}
			if name == "missing" && texts[i] != kept {
				t.Errorf("%s: caller %d got %q, the file has %q", name, i, texts[i], kept)
			}
		}
		if name == "missing" && makers != 1 || makers == 0 {
			t.Errorf("%s: %d callers made the file", name, makers)
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
}

// text is what a later call returns.
func text(t *testing.T, path string) string {
	t.Helper()
	text, made, err := ReadOrCreate(path, func() (string, error) { return "", errors.New("there is a secret already") })
	if err != nil || made {
		t.Fatalf("%v, made %t", err, made)
	}
	return text
}

func TestCannotGenerate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	fault := errors.New("no")
	if _, _, err := ReadOrCreate(path, func() (string, error) { return "", fault }); !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file: %v", err)
	}
}
