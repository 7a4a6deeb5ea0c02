package execute

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/copra-video/copra/transcode"
)

// RemoveFiles removes what the steps of a plan have made below dir, but for what
// is pinned. It goes by the first names of paths, since files can be patterns.
// What cannot be removed goes with the run.
func RemoveFiles(dir string, plan transcode.Plan, pinned func(name string) bool) {
	remove := map[string]bool{}
	for _, st := range plan.Steps {
		for _, name := range append(slices.Clone(st.Files), st.Dirs...) {
			top, _, _ := strings.Cut(name, "/")
			if _, seen := remove[top]; !seen || pinned(name) {
				remove[top] = !pinned(name)
			}
		}
	}
	for name, yes := range remove {
		if yes {
			_ = os.RemoveAll(filepath.Join(dir, name))
		}
	}
}
