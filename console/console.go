// Package console is the console: pages for people who run Copra or send jobs to
// it. Every process with the API serves it under /console, from files inside the
// program. Pages are made here, on the server; small scripts keep them up to date,
// play results and check requests while they are typed. Without scripts every page
// still works, and is renewed by reloading it.
//
//	session.go  signon.go  tries.go
//	                        who is signed in, and a limit on wrong keys
//	security.go assets.go   headers, and the files that pages load
//	render.go   funcs.go    templates
//	live.go     topic.go    what is sent to an open page
//	overview.go jobs.go job.go streamcheck.go webhooks.go receiver.go builder.go storage.go usage.go keys.go system.go
//	                        the pages
//	timeline.go steps.go estimate.go media.go
//	                        what pages show, computed from data
//
// Whoever signed in with an API key sees the jobs of that key. Whoever signed in
// with the operator's credential sees all of them, and keys, workers and the
// system. Requests are shown without credentials.
package console

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/copra-video/copra/check"
	"github.com/copra-video/copra/job"
)

// Jobs stores jobs. Where a method takes a keyID, job.AnyKey means all keys.
type Jobs interface {
	CreateJob(ctx context.Context, s job.Submission) (job.State, error)
	CancelJob(ctx context.Context, keyID, id string) (job.State, error)
	RetryJob(ctx context.Context, keyID, id string) (job.State, error)
	// SearchJobs returns a page of jobs, newest first, and the cursor of the next
	// page, "" after the last one.
	SearchJobs(ctx context.Context, keyID string, q job.ListQuery) ([]job.Listed, string, error)
	JobDetail(ctx context.Context, keyID, id string) (job.Detail, error)
	// FFmpegRuns returns the log of a job, oldest first.
	FFmpegRuns(ctx context.Context, keyID, id string) ([]job.FFmpegRun, error)
	// Request returns the request of a job as it was sent, and the id of its key.
	Request(ctx context.Context, keyID, id string) (request []byte, owner string, err error)
	Overview(ctx context.Context, keyID string) (job.Overview, error)
	// Usage returns what jobs took and made that ended from a day to the one before
	// another, by day and key.
	Usage(ctx context.Context, keyID string, from, to time.Time) ([]job.Usage, error)
	// Watch returns a channel that receives a value whenever the job may have
	// changed, until stop is called. WatchAll is Watch for all jobs.
	Watch(id string) (changed <-chan struct{}, stop func())
	WatchAll() (changed <-chan struct{}, stop func())
}

// Webhooks stores webhooks and their log.
type Webhooks interface {
	Deliveries(ctx context.Context, keyID, id string) ([]job.DeliveryLog, error)
	DeliveryBody(ctx context.Context, keyID, id string, n int) ([]byte, error)
	// ListDeliveries returns a page of webhooks, newest first, and the cursor of the
	// next page, "" after the last one.
	ListDeliveries(ctx context.Context, keyID string, q job.DeliveryQuery) ([]job.ListedDelivery, string, error)
	Replay(ctx context.Context, keyID, id string, n int) (job.DeliveryLog, error)
}

// Keys stores API keys, and who is signed in.
type Keys interface {
	// Authenticate returns the key with this token, or job.ErrNotFound.
	Authenticate(ctx context.Context, token string) (job.Key, error)
	ListKeys(ctx context.Context) ([]job.Key, error)
	CreateKey(ctx context.Context, name string, token job.Secret) (job.Key, job.Secret, error)
	LimitKey(ctx context.Context, id string, l job.Limits) error
	RotateSigningSecret(ctx context.Context, id string) (job.Secret, error)
	RevokeKey(ctx context.Context, id string) error
	// CreateSession stores a session under a hash. Session fails with job.ErrNotFound
	// when there is none, it has ended, or its key was revoked.
	CreateSession(ctx context.Context, hash []byte, keyID string, proof []byte) error
	Session(ctx context.Context, hash []byte) (job.Session, error)
	EndSession(ctx context.Context, hash []byte) error
}

// Fleet knows the worker processes and what waits for them.
type Fleet interface {
	Nodes(ctx context.Context, stale time.Duration) ([]job.Node, error)
	QueueDepth(ctx context.Context) ([]job.QueueCount, error)
}

// Store is everything that is stored.
type Store interface {
	Jobs
	Webhooks
	Keys
	Fleet
}

// Finding is a line of the system page: whether it is fine, what was looked at, and what was
// found.
type Finding struct {
	OK         bool
	What, Note string
}

// Config configures the console.
type Config struct {
	Store Store
	// Operator is the credential of the operator. Zero: nobody can sign in with one, and
	// nobody sees more than the jobs of a key.
	Operator job.Secret
	// SignOn signs operators in too. nil: there is no provider.
	SignOn SignOn
	// PublicURL is the address by which clients reach the server, without /v2.
	PublicURL string
	// StaleAfter is the age of a heartbeat at which a worker counts as dead.
	StaleAfter time.Duration
	// Version and Region are those of the server.
	Version, Region string
	// System returns what the system page shows. Defaults to nothing.
	System func(ctx context.Context) []Finding
	// Check checks the stream at an address of a result. A *job.Error is shown. nil: streams
	// cannot be checked here.
	Check func(ctx context.Context, address string) ([]check.Report, error)
	// CheckStorage tries out a storage. A *job.Error is shown. nil: storages cannot be
	// tried out here.
	CheckStorage func(ctx context.Context, st *job.Storage) (job.StorageCheck, error)
	// Queue serves the queue's own pages below /console/queue, for the operator. nil: there
	// are none.
	Queue http.Handler
	// Stopping returns a channel that is closed when the server of a request begins
	// to stop, so that streams end. Defaults to none.
	Stopping func(ctx context.Context) <-chan struct{}
	// Refresh is the shortest time between two updates of a page. Defaults to 1 s.
	Refresh time.Duration
	// Log is for what goes wrong. Defaults to none.
	Log *slog.Logger
}

// console serves the pages. Its Config has the defaults filled in.
type console struct {
	Config
	assets *assets
	pages  pages
	tries  *tries
	topics *topics
}

// New returns the handler of /console and everything below it. It gets requests with
// their original path.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Refresh == 0 {
		c.Refresh = time.Second
	}
	if c.System == nil {
		c.System = func(context.Context) []Finding { return nil }
	}
	if c.Stopping == nil {
		c.Stopping = func(context.Context) <-chan struct{} { return nil }
	}
	con := &console{Config: c, assets: newAssets(), tries: newTries()}
	con.pages = parsePages(con.assets)
	con.topics = newTopics(c.Refresh, c.Log)
	return secure(con.routes())
}

func (c *console) routes() http.Handler {
	m := http.NewServeMux()
	m.Handle("GET /console/static/", c.assets)
	m.HandleFunc("POST "+ReceiverPath+"{status}", receive)
	m.HandleFunc("GET /console/sign-in", c.signInPage)
	m.HandleFunc("POST /console/sign-in", c.signIn)
	m.HandleFunc("POST /console/sign-out", c.signOut)
	if c.SignOn != nil {
		m.HandleFunc("GET /console/sign-on", c.beginSignOn)
		m.HandleFunc("GET /console/sign-on/return", c.endSignOn)
	}
	for pattern, page := range map[string]page{
		"GET /console":                                  c.overviewPage,
		"GET /console/{$}":                              c.overviewPage,
		"GET /console/live":                             c.live,
		"GET /console/jobs":                             c.jobsPage,
		"GET /console/jobs/{id}":                        c.jobPage,
		"GET /console/jobs/{id}/request":                c.requestPage,
		"GET /console/jobs/{id}/log":                    c.logPage,
		"POST /console/jobs/{id}/check":                 c.checkStream,
		"GET /console/jobs/{id}/deliveries/{n}":         c.deliveryPage,
		"GET /console/webhooks":                         c.webhooksPage,
		"GET /console/new":                              c.builderPage,
		"POST /console/new":                             c.createJob,
		"POST /console/validate":                        c.validate,
		"GET /console/usage":                            c.usagePage,
		"GET /console/usage.csv":                        c.usageCSV,
		"GET /console/storage":                          c.storagePage,
		"POST /console/storage":                         c.tryStorage,
		"POST /console/jobs/{id}/cancel":                c.cancelJob,
		"POST /console/jobs/{id}/retry":                 c.retryJob,
		"POST /console/jobs/{id}/again":                 c.repeatJob,
		"POST /console/jobs/{id}/deliveries/{n}/replay": c.replay,
	} {
		m.Handle(pattern, c.signedIn(page))
	}
	for pattern, page := range map[string]page{
		"GET /console/keys":              c.keysPage,
		"POST /console/keys":             c.createKey,
		"POST /console/keys/{id}/limit":  c.limitKey,
		"POST /console/keys/{id}/sign":   c.signKey,
		"POST /console/keys/{id}/revoke": c.revokeKey,
		"GET /console/system":            c.systemPage,
	} {
		m.Handle(pattern, c.signedIn(operatorOnly(page)))
	}
	if c.Queue != nil {
		m.Handle("/console/queue/", c.signedIn(operatorOnly(func(w http.ResponseWriter, r *http.Request, _ viewer) error {
			allowInlineStyles(w)
			c.Queue.ServeHTTP(w, r)
			return nil
		})))
	}
	m.Handle("/console/", c.signedIn(func(http.ResponseWriter, *http.Request, viewer) error { return job.ErrNotFound }))
	return m
}
