package api

import (
	"context"
	"time"

	"github.com/copra-video/copra/job"
)

// boundedJobs gives the statements of each request a deadline, so that a database
// that does not answer becomes a 503 and not a request that hangs.
type boundedJobs struct {
	Jobs
	limit time.Duration
}

// boundedKeys does the same for the look-up of the key.
type boundedKeys struct {
	Keys
	limit time.Duration
}

// bound calls f with a deadline.
func bound[T any](ctx context.Context, limit time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f(ctx)
}

// Authenticate implements Keys.
func (b boundedKeys) Authenticate(ctx context.Context, token string) (job.Key, error) {
	return bound(ctx, b.limit, func(ctx context.Context) (job.Key, error) { return b.Keys.Authenticate(ctx, token) })
}

// CreateJob implements Jobs.
func (b boundedJobs) CreateJob(ctx context.Context, s job.Submission) (job.State, error) {
	return bound(ctx, b.limit, func(ctx context.Context) (job.State, error) { return b.Jobs.CreateJob(ctx, s) })
}

// GetJob implements Jobs.
func (b boundedJobs) GetJob(ctx context.Context, keyID, id string) (job.State, error) {
	return bound(ctx, b.limit, func(ctx context.Context) (job.State, error) { return b.Jobs.GetJob(ctx, keyID, id) })
}

// ListJobs implements Jobs.
func (b boundedJobs) ListJobs(ctx context.Context, keyID string, q job.ListQuery) ([]job.State, string, error) {
	ctx, cancel := context.WithTimeout(ctx, b.limit)
	defer cancel()
	return b.Jobs.ListJobs(ctx, keyID, q)
}

// CancelJob implements Jobs.
func (b boundedJobs) CancelJob(ctx context.Context, keyID, id string) (job.State, error) {
	return bound(ctx, b.limit, func(ctx context.Context) (job.State, error) { return b.Jobs.CancelJob(ctx, keyID, id) })
}

// RetryJob implements Jobs.
func (b boundedJobs) RetryJob(ctx context.Context, keyID, id string) (job.State, error) {
	return bound(ctx, b.limit, func(ctx context.Context) (job.State, error) { return b.Jobs.RetryJob(ctx, keyID, id) })
}

// History implements Jobs.
func (b boundedJobs) History(ctx context.Context, keyID, id string, after int) (job.History, error) {
	return bound(ctx, b.limit, func(ctx context.Context) (job.History, error) { return b.Jobs.History(ctx, keyID, id, after) })
}

// Deliveries implements Jobs.
func (b boundedJobs) Deliveries(ctx context.Context, keyID, id string) ([]job.DeliveryLog, error) {
	return bound(ctx, b.limit, func(ctx context.Context) ([]job.DeliveryLog, error) { return b.Jobs.Deliveries(ctx, keyID, id) })
}

// ListDeliveries implements Jobs.
func (b boundedJobs) ListDeliveries(ctx context.Context, keyID string, q job.DeliveryQuery) ([]job.ListedDelivery, string, error) {
	ctx, cancel := context.WithTimeout(ctx, b.limit)
	defer cancel()
	return b.Jobs.ListDeliveries(ctx, keyID, q)
}

// FFmpegRuns implements Jobs.
func (b boundedJobs) FFmpegRuns(ctx context.Context, keyID, id string) ([]job.FFmpegRun, error) {
	return bound(ctx, b.limit, func(ctx context.Context) ([]job.FFmpegRun, error) { return b.Jobs.FFmpegRuns(ctx, keyID, id) })
}

// Usage implements Jobs.
func (b boundedJobs) Usage(ctx context.Context, keyID string, from, to time.Time) ([]job.Usage, error) {
	return bound(ctx, b.limit, func(ctx context.Context) ([]job.Usage, error) { return b.Jobs.Usage(ctx, keyID, from, to) })
}

// Replay implements Jobs.
func (b boundedJobs) Replay(ctx context.Context, keyID, id string, n int) (job.DeliveryLog, error) {
	return bound(ctx, b.limit, func(ctx context.Context) (job.DeliveryLog, error) { return b.Jobs.Replay(ctx, keyID, id, n) })
}
