// Package api is the HTTP side of the server: the endpoints of the Coconut API
// v2 under /v2, the files of the built-in storage under /storage, and endpoints
// for operators (/healthz, /readyz, /metrics, /openapi.yaml).
//
// Handlers get every byte of JSON that a client sees from api/coconut, and
// everything that is stored through the interfaces below.
//
//	routes.go             all paths
//	auth.go               Basic credentials to the id of an API key
//	limit.go              requests a second of each key
//	jobs.go               the endpoints of Coconut
//	control.go deliveries.go events.go validate.go storagecheck.go nodes.go usage.go playback.go
//	                      the endpoints that Copra adds
//	respond.go            errors to answers
//	deadline.go           a deadline for the statements of a request
//	body.go               request bodies, with bounds
//	path.go               URLs as the published clients write them
//	observe.go            logs, metrics and traces
//	serve.go              the HTTP server and its shutdown
//	health.go status.go   /healthz and /readyz, also for workers
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
)

// Jobs stores jobs. In all of its methods a job of another key is not found.
type Jobs interface {
	// CreateJob accepts a job and returns its first state. For an idempotency key
	// that was used with the same body it returns the job of that time; with
	// another body it fails with a *job.Error with job.IdempotencyKeyReused. When
	// the API key has reached its limit, it fails with job.TooManyJobs or job.QuotaUsedUp.
	CreateJob(ctx context.Context, s job.Submission) (job.State, error)
	// GetJob fails with job.ErrNotFound when the job does not exist.
	GetJob(ctx context.Context, keyID, id string) (job.State, error)
	// ListJobs returns a page of the key's jobs, newest first, and the cursor of
	// the next page, "" after the last one. It fails with a *job.Error for an
	// invalid cursor.
	ListJobs(ctx context.Context, keyID string, q job.ListQuery) (jobs []job.State, next string, err error)
	// CancelJob ends a job, and RetryJob starts a finished one again. They fail
	// with a *job.Error with status 409 when the state of the job forbids it.
	CancelJob(ctx context.Context, keyID, id string) (job.State, error)
	RetryJob(ctx context.Context, keyID, id string) (job.State, error)
	// History returns a job with its events whose numbers are above after.
	History(ctx context.Context, keyID, id string, after int) (job.History, error)
	// Watch returns a channel that receives a value whenever the job may have
	// changed, until stop is called. It does not check whose job it is.
	Watch(id string) (changed <-chan struct{}, stop func())
	// Deliveries returns the log of a job's webhooks. Replay sends webhook n again
	// and returns its log.
	Deliveries(ctx context.Context, keyID, id string) ([]job.DeliveryLog, error)
	Replay(ctx context.Context, keyID, id string, n int) (job.DeliveryLog, error)
	// ListDeliveries returns a page of the key's webhooks, newest first, and the
	// cursor of the next page, "" after the last one. It fails with a *job.Error for
	// an invalid cursor.
	ListDeliveries(ctx context.Context, keyID string, q job.DeliveryQuery) (list []job.ListedDelivery, next string, err error)
	// Usage returns what jobs took and made that ended from a day to the one before
	// another, by day and key. keyID may be job.AnyKey.
	Usage(ctx context.Context, keyID string, from, to time.Time) ([]job.Usage, error)
	// FFmpegRuns returns the log of a job, oldest first.
	FFmpegRuns(ctx context.Context, keyID, id string) ([]job.FFmpegRun, error)
}

// Keys knows the API keys.
type Keys interface {
	// Authenticate returns the key with this token, or job.ErrNotFound. It must
	// compare in constant time. Only the id and the name of the key are looked at.
	Authenticate(ctx context.Context, token string) (job.Key, error)
}

// Check is a condition for the server to be ready.
type Check struct {
	Name string // "database"
	Run  func(ctx context.Context) error
	// Reason is what /readyz says of an error to everyone; "": that Name is not
	// available. Defaults to that.
	Reason func(error) string
}

// Config configures the API.
type Config struct {
	Jobs Jobs
	Keys Keys
	// Storage serves /storage/ without authentication. It gets the request with
	// its original path. Defaults to none.
	Storage http.Handler
	// Uploads serves PUT /v2/uploads/{name} with authentication. The decoded name
	// is the request's PathValue("name"). Defaults to none.
	Uploads http.Handler
	// SignUploads serves POST /v2/uploads with authentication, and Resumable serves
	// /resumable/ without. Defaults to none.
	SignUploads, Resumable http.Handler
	// Operator is the operator's key, which may ask Fleet for the workers. Zero: there
	// is none, and nobody may.
	Operator job.Secret
	Fleet    Fleet
	// StaleAfter is the age of a heartbeat at which a worker counts as dead.
	StaleAfter time.Duration
	// CheckStorage tries out a storage, for POST /v2/storage-check. Its *job.Error is a
	// refusal. Defaults to none.
	CheckStorage func(ctx context.Context, st *job.Storage) (job.StorageCheck, error)
	// Docs serves /docs and everything below it. Defaults to none.
	Docs http.Handler
	// ContentKeys gives players the keys of streams. Defaults to none.
	ContentKeys ContentKeys
	// Console serves /console and everything below it, with an authentication of its
	// own. It gets the request with its original path. Defaults to none.
	Console http.Handler
	// Ready are the checks of /readyz. Defaults to none: always ready.
	Ready []Check
	// Metrics is the registry of /metrics. The API registers its own metrics
	// there. Defaults to a new one.
	Metrics *prometheus.Registry
	// BodyTimeout is how long a client may take to send a job. Defaults to 30 s.
	BodyTimeout time.Duration
	// RateLimit is the number of requests a second that each key may make.
	// Defaults to 0, no limit.
	RateLimit float64
	// StatementTimeout bounds what a request asks of Jobs or Keys at once. Defaults to
	// 5 s.
	StatementTimeout time.Duration
	// Unavailable reports whether an error of Jobs or Keys may pass: the answer is
	// then 503 with Retry-After. Defaults to a deadline that has passed.
	Unavailable func(error) bool
	// Heartbeat is the interval of comments in a stream of events, which keep
	// proxies from closing it. Defaults to 15 s.
	Heartbeat time.Duration
	// Region is shown by /healthz and labels the metrics. Defaults to none.
	Region string
	// Version is shown by /healthz and the landing page.
	Version string
	// Log gets a line for each request. Defaults to none.
	Log *slog.Logger
	// Tracer traces requests that change something. Defaults to none.
	Tracer *telemetry.Tracer
}

// server is the configuration with its defaults filled in.
type server struct {
	Config
	metrics *metrics
}

// New returns the handler of all endpoints, with the defaults of c filled in.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.BodyTimeout == 0 {
		c.BodyTimeout = 30 * time.Second
	}
	if c.StatementTimeout == 0 {
		c.StatementTimeout = 5 * time.Second
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 15 * time.Second
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	c.Jobs, c.Keys = boundedJobs{c.Jobs, c.StatementTimeout}, boundedKeys{c.Keys, c.StatementTimeout}
	s := &server{Config: c, metrics: newMetrics(c.Metrics, c.Region)}
	return s.routes()
}
