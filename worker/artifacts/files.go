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

// Files of a part are stored under the place of their name in the part, and
// what stands for the pattern's variable: "0" for the first name, "0.17" for
// the picture 17 of a row, "1.-0.log" for what "*" stood for. By what name a
// plan calls them differs from run to run.

// filesOf lists the files of a part below root.
func filesOf(root *os.Root, part transcode.Artifact) ([]artifactstore.File, error) {
	var list []artifactstore.File
	for i, name := range part.Files {
		switch {
		case strings.Contains(name, "*"):
			prefix := strings.TrimSuffix(name, "*")
			found, err := fs.ReadDir(root.FS(), ".")
			if err != nil {
				return nil, fmt.Errorf("look for what is to be kept: %w", err)
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
					return nil, fmt.Errorf("look for what is to be kept: %w", err)
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

// fileOf is the name in the work directory for the stored name of a file; false
// for what the part cannot hold.
func fileOf(part transcode.Artifact, stored string) (name string, ok bool) {
	place, text, variable := strings.Cut(stored, ".")
	i, err := strconv.Atoi(place)
	if err != nil || i < 0 || i >= len(part.Files) {
		return "", false
	}
	name = part.Files[i]
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
