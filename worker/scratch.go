package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/copra-video/copra/transcode"
)

// scratch makes the folder of one run, named after what it belongs to so that
// an operator can tell, and returns the function that removes it.
func (w *Worker) scratch(id string, run int64) (dir string, remove func(), err error) {
	dir = w.runFolder(id, run)
	if err := os.RemoveAll(dir); err != nil {
		return "", nil, fmt.Errorf("clear work directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make work directory: %w", err)
	}
	return dir, func() {
		if err := os.RemoveAll(dir); err != nil {
			w.Log.Error("removing work directory", "folder", dir, "error", err)
		}
	}, nil
}

func (w *Worker) runFolder(id string, run int64) string {
	return filepath.Join(w.nodeScratch(), fmt.Sprintf("%s-%d", id, run))
}

// clearScratch removes what the steps of a plan have made below dir, but for what
// stays. It goes by the first names of paths, since files can be patterns. What
// cannot be removed goes with the run.
func clearScratch(dir string, plan transcode.Plan, stays func(name string) bool) {
	remove := map[string]bool{}
	for _, st := range plan.Steps {
		for _, name := range append(slices.Clone(st.Files), st.Dirs...) {
			top, _, _ := strings.Cut(name, "/")
			if _, seen := remove[top]; !seen || stays(name) {
				remove[top] = !stays(name)
			}
		}
	}
	for name, yes := range remove {
		if yes {
			_ = os.RemoveAll(filepath.Join(dir, name))
		}
	}
}

// nodeScratch is this process's part of the work directory: processes may
// share the volume.
func (w *Worker) nodeScratch() string { return filepath.Join(w.WorkDir, "run-"+w.Node) }

// CleanWorkDir removes what processes that no longer live have left behind.
// A part of the work directory belongs to a live process as long as that holds
// the lock on its lock file, so several workers can share a volume.
func (w *Worker) CleanWorkDir() (release func(), err error) {
	if err := os.MkdirAll(w.WorkDir, 0o700); err != nil {
		return nil, fmt.Errorf("make work directory: %w", err)
	}
	own, err := lockFile(w.nodeScratch() + ".lock")
	if err != nil {
		return nil, fmt.Errorf("lock work directory: %w", err)
	}
	if err := w.sweep(); err != nil {
		return nil, err
	}
	return func() {
		_ = os.RemoveAll(w.nodeScratch())
		_ = os.Remove(own.Name())
		_ = own.Close()
	}, nil
}

// sweep removes the parts of processes that no longer live.
func (w *Worker) sweep() error {
	locks, err := filepath.Glob(filepath.Join(w.WorkDir, "run-*.lock"))
	if err != nil {
		return fmt.Errorf("list work directory: %w", err)
	}
	for _, lock := range locks {
		if lock != w.nodeScratch()+".lock" {
			removeDead(lock)
		}
	}
	return nil
}

// removeDead removes the part that lock guards unless a process holds it.
// What cannot be removed stays for the next start.
func removeDead(lock string) {
	f, err := lockFile(lock)
	if err != nil {
		return // alive
	}
	_ = os.RemoveAll(lock[:len(lock)-len(".lock")])
	_ = os.Remove(lock)
	_ = f.Close()
}
