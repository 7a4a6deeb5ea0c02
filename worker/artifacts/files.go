package artifacts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	artifactstore "github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode"
)

// Plans of one job give the same file different names. So the files of an artifact
// are stored under the index of their name in Artifact.Files, and for a pattern
// the text of its variable part: "0" for the first name, "0.17" for picture 17 of a
// numbered row, "1.-0.log" where "*" stands for "-0.log".

// filesOf lists the files of an artifact below root.
func filesOf(root *os.Root, a transcode.Artifact) ([]artifactstore.File, error) {
	var list []artifactstore.File
	for i, name := range a.Files {
		switch {
		case strings.Contains(name, "*"):
			prefix := strings.TrimSuffix(name, "*")
			found, err := fs.ReadDir(root.FS(), ".")
			if err != nil {
				return nil, fmt.Errorf("list files of artifact: %w", err)
			}
			for _, f := range found {
				if text, ok := strings.CutPrefix(f.Name(), prefix); ok {
					list = append(list, artifactstore.File{Name: fmt.Sprintf("%d.%s", i, text), Path: f.Name()})
				}
			}
		case strings.Contains(name, "%"):
			for n := 1; ; n++ {
				f := filepath.FromSlash(fmt.Sprintf(name, n))
				if _, err := root.Lstat(f); errors.Is(err, fs.ErrNotExist) {
					break
				} else if err != nil {
					return nil, fmt.Errorf("list files of artifact: %w", err)
				}
				list = append(list, artifactstore.File{Name: fmt.Sprintf("%d.%d", i, n), Path: f})
			}
		default:
			list = append(list, artifactstore.File{Name: strconv.Itoa(i), Path: filepath.FromSlash(name)})
		}
	}
	return list, nil
}

var plainText = regexp.MustCompile(`^[A-Za-z0-9_.-]{0,64}$`)

// fileName returns the name in the work directory for the stored name of a file. ok
// is false for a name that the artifact cannot have.
func fileName(a transcode.Artifact, stored string) (name string, ok bool) {
	index, text, variable := strings.Cut(stored, ".")
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(a.Files) {
		return "", false
	}
	name = a.Files[i]
	switch {
	case strings.Contains(name, "*"):
		name, ok = strings.TrimSuffix(name, "*")+text, variable && plainText.MatchString(text)
	case strings.Contains(name, "%"):
		n, err := strconv.Atoi(text)
		name, ok = fmt.Sprintf(name, n), variable && err == nil && n > 0
	default:
		ok = !variable
	}
	name = filepath.FromSlash(name)
	return name, ok && filepath.IsLocal(name)
}
