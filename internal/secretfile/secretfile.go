// Package secretfile keeps generated secrets in files.
package secretfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ReadOrCreate returns the text of the file. If there is none it generates the
// text and writes the file with mode 0600. When several processes start
// together, one of them makes the file and all return its text. An empty file is
// replaced, without that guarantee.
func ReadOrCreate(path string, generate func() (string, error)) (text string, made bool, err error) {
	data, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(data))) > 0 {
		return strings.TrimSpace(string(data)), false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, err
	}
	if text, err = generate(); err != nil {
		return "", false, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return "", false, err
	}
	defer os.Remove(tmp.Name())
	if _, err = tmp.WriteString(text + "\n"); err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return "", false, err
	}
	// A hard link fails when another process was first; a rename would not.
	if err = os.Link(tmp.Name(), path); errors.Is(err, fs.ErrExist) {
		if data, rerr := os.ReadFile(path); rerr == nil && len(data) == 0 {
			err = os.Rename(tmp.Name(), path) // the file was there, and empty
		} else {
			return strings.TrimSpace(string(data)), false, rerr
		}
	}
	return text, true, err
}
