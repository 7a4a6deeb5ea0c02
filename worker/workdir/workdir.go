// Package workdir manages the folder in which workers keep the files of running
// jobs. Several processes may share it on one volume. Each process has a part of
// its own, which belongs to it for as long as it holds the lock beside it, and in
// that part one folder for each run.
//
// ffmpeg writes in these folders, possibly as another user, and it decodes files
// that may try to take it over. So this program opens files there only through
// OpenRegularIn or an os.Root, which follow no link out of the folder.
package workdir

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// Dir is the part of a work directory that belongs to one process.
type Dir struct {
	root string
	node string
	log  *slog.Logger
}

// New returns the part of root that belongs to the process called node. It
// makes nothing yet, see Lock.
func New(root, node string, log *slog.Logger) *Dir {
	return &Dir{root: root, node: node, log: log}
}

// Root is the work directory, which other processes may share.
func (d *Dir) Root() string { return d.root }

// Create makes the folder of one run of a job and returns the function that
// removes it.
func (d *Dir) Create(ctx context.Context, jobID string, fence int64) (dir string, remove func(), err error) {
	dir = d.RunFolder(jobID, fence)
	remove, err = d.create(ctx, dir)
	return dir, remove, err
}

// CreateForTask is Create for a claim of a task.
func (d *Dir) CreateForTask(ctx context.Context, jobID string, task, fence int64) (dir string, remove func(), err error) {
	dir = d.TaskFolder(jobID, task, fence)
	remove, err = d.create(ctx, dir)
	return dir, remove, err
}

func (d *Dir) create(ctx context.Context, dir string) (remove func(), err error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("clear work directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make work directory: %w", err)
	}
	return func() {
		if err := os.RemoveAll(dir); err != nil {
			d.log.ErrorContext(ctx, "run folder not removed", "folder", dir, "error", err)
		}
	}, nil
}

// RunFolder returns the path of a run's folder, whether it exists or not. It is
// named after the job, so that an operator can tell what it belongs to.
func (d *Dir) RunFolder(jobID string, fence int64) string {
	return filepath.Join(d.own(), fmt.Sprintf("%s-%d", jobID, fence))
}

// TaskFolder returns the path of the folder for a claim of a task.
func (d *Dir) TaskFolder(jobID string, task, fence int64) string {
	return filepath.Join(d.own(), fmt.Sprintf("%s-task-%d-%d", jobID, task, fence))
}

// SourceFolder returns the path of the folder for the input of a job whose tasks are run
// here.
func (d *Dir) SourceFolder(jobID string) string { return filepath.Join(d.own(), jobID+"-source") }

// own returns the path of this process's part.
func (d *Dir) own() string { return filepath.Join(d.root, "run-"+d.node) }

// Lock takes this process's part and removes the parts of processes that no
// longer live. release removes the part and frees the lock.
func (d *Dir) Lock() (release func(), err error) {
	if err := os.MkdirAll(d.root, 0o700); err != nil {
		return nil, fmt.Errorf("make work directory: %w", err)
	}
	own, err := lockFile(d.own() + ".lock")
	if err != nil {
		return nil, fmt.Errorf("lock work directory: %w", err)
	}
	if err := d.SweepOrphans(); err != nil {
		return nil, err
	}
	return func() {
		_ = os.RemoveAll(d.own())
		_ = os.Remove(own.Name())
		_ = own.Close()
	}, nil
}

// SweepOrphans removes the parts of processes that no longer live.
func (d *Dir) SweepOrphans() error {
	locks, err := filepath.Glob(filepath.Join(d.root, "run-*.lock"))
	if err != nil {
		return fmt.Errorf("list work directory: %w", err)
	}
	for _, lock := range locks {
		if lock != d.own()+".lock" {
			removeOrphaned(lock)
		}
	}
	return nil
}

// removeOrphaned removes the part that lock guards unless a process holds it.
// What cannot be removed stays until the next sweep.
func removeOrphaned(lock string) {
	f, err := lockFile(lock)
	if err != nil {
		return // its process lives
	}
	_ = os.RemoveAll(lock[:len(lock)-len(".lock")])
	_ = os.Remove(lock)
	_ = f.Close()
}
