package lease

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/copra-video/copra/job"
)

// TaskStore is what the lease of a task needs of the database. All methods but
// ClaimTask fail with job.ErrLeaseLost when the fencing token is not the newest, or the
// run that has offered the task has ended.
type TaskStore interface {
	// ClaimTask gives a task to a node. It fails with job.ErrLeaseLost if another node has
	// the task or its run has ended. If wait is not 0, the task was not claimed, and the
	// node may try again after that time.
	ClaimTask(ctx context.Context, id int64, node string) (t job.ClaimedTask, wait time.Duration, err error)
	// RenewTask stores that the worker is alive, and its progress, 0 to 1.
	RenewTask(ctx context.Context, id, fence int64, progress float64) error
	// CompleteTask records that the artifacts with these keys are stored.
	CompleteTask(ctx context.Context, id, fence int64, artifacts []string) error
	FailTask(ctx context.Context, id, fence int64, reason string) error
}

// Task is one claim of a task.
type Task struct {
	job.ClaimedTask
	store    TaskStore
	progress atomic.Uint64 // bits of a float64
}

// ClaimTask claims a task for a node. It returns nil and no error if there is nothing to do.
// If wait is not 0, the node may try again after that time: it has failed the step before,
// and other nodes come first.
func ClaimTask(ctx context.Context, store TaskStore, id int64, node string) (t *Task, wait time.Duration, err error) {
	claimed, wait, err := store.ClaimTask(ctx, id, node)
	switch {
	case errors.Is(err, job.ErrLeaseLost):
		return nil, 0, nil
	case err != nil:
		return nil, 0, fmt.Errorf("claim task %d: %w", id, err)
	case wait > 0:
		return nil, wait, nil
	}
	return &Task{ClaimedTask: claimed, store: store}, 0, nil
}

// SetProgress sets how far the task has come, 0 to 1. The next renewal stores it.
func (t *Task) SetProgress(share float64) { t.progress.Store(math.Float64bits(share)) }

// KeepRenewing renews the lease every second until release is called. When the lease is
// lost it calls stop. Every other error is ignored, as by Lease.KeepRenewing.
func (t *Task) KeepRenewing(ctx context.Context, stop context.CancelCauseFunc) (release func()) {
	return keepRenewing(ctx, stop, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, renewTimeout)
		defer cancel()
		return t.store.RenewTask(ctx, t.ID, t.Fence, math.Float64frombits(t.progress.Load()))
	})
}

// Complete records that the artifacts are stored. It waits for the database as
// Lease.Record does.
func (t *Task) Complete(ctx context.Context, artifacts []string) error {
	return retryDB(ctx, func(ctx context.Context) error { return t.store.CompleteTask(ctx, t.ID, t.Fence, artifacts) })
}

// Fail records why the task could not be run. It does not wait for the database: a task
// without a worker is found by its silence.
func (t *Task) Fail(ctx context.Context, reason string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTimeout)
	defer cancel()
	return t.store.FailTask(ctx, t.ID, t.Fence, reason)
}
