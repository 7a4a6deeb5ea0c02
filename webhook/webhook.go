// Package webhook delivers the notifications of jobs.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/riverqueue/river"
	"golang.org/x/sync/semaphore"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
)

// webhookTime bounds one delivery, answer included (coconut-v2.md section 12).
const webhookTime = 10 * time.Second

// lastWords is for how long a delivery that is under way when the process stops
// may go on, since a receiver that is cut off hears the same again later.
const lastWords = time.Second

// outlive returns a context that ends so long after ctx does.
func outlive(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(by, func() { cancel(context.Cause(ctx)) })
	})
	return out, func() {
		stop()
		cancel(nil)
	}
}

// retryAfter are the waits between the eight tries of a delivery, about 24 h
// in all (coconut-v2.md section 12).
var retryAfter = [...]time.Duration{
	5 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour,
}

// Store is what the worker needs of the database.
type Store interface {
	LoadDelivery(ctx context.Context, id int64) (job.Delivery, error)
	// SaveAttempt logs a try; one without an error has delivered the webhook.
	SaveAttempt(ctx context.Context, id int64, a job.DeliveryAttempt) error
	MarkGivenUp(ctx context.Context, id int64) error
	// Deprioritize has a River job that notifies stand behind all that have not been
	// put off.
	Deprioritize(ctx context.Context, riverID int64) error
}

// Config is what a worker is made of.
type Config struct {
	Store   Store
	Client  *http.Client // guarded; its redirects must not be followed
	SNS     SNSPublisher // for notifications of type sns
	Version string       // for the User-Agent
	Log     *slog.Logger
	Metrics *Metrics
}

// Worker delivers webhooks. It is the River worker of queue.NotifyArgs.
type Worker struct {
	river.WorkerDefaults[queue.NotifyArgs]
	Config
	receivers *receivers
	database  *semaphore.Weighted
}

// New returns a worker.
func New(c Config) *Worker {
	return &Worker{Config: c, receivers: newReceivers(queue.NotifySlots), database: semaphore.NewWeighted(atDatabase)}
}

// Register adds the worker to those of River.
func (w *Worker) Register(workers *river.Workers) { river.AddWorker(workers, w) }

// Timeout leaves room for the delivery's own bound.
func (w *Worker) Timeout(*river.Job[queue.NotifyArgs]) time.Duration { return 6 * webhookTime }

// NextRetry follows the schedule.
func (w *Worker) NextRetry(j *river.Job[queue.NotifyArgs]) time.Time {
	i := min(max(j.Attempt, 1), len(retryAfter)) - 1
	return time.Now().Add(retryAfter[i])
}

// Work makes one try to deliver a webhook. The store queues those of a job one
// after the other, as far as their order can be kept.
func (w *Worker) Work(ctx context.Context, j *river.Job[queue.NotifyArgs]) error {
	d, err := w.load(ctx, j.Args.DeliveryID)
	if errors.Is(err, job.ErrNotFound) {
		return river.JobCancel(err)
	}
	if err != nil {
		if j.Attempt >= j.MaxAttempts && !j.Args.Replay {
			err = errors.Join(err, w.Store.MarkGivenUp(ctx, j.Args.DeliveryID))
		}
		return fmt.Errorf("load delivery: %w", err)
	}
	if d.Done && !j.Args.Replay {
		return nil
	}
	turn, err := w.receivers.enter(ctx, host(d.Notification))
	if err != nil {
		return err
	}
	if turn.leave == nil {
		return w.putOff(ctx, j.ID, turn)
	}
	a := job.DeliveryAttempt{At: time.Now()}
	dctx, end := outlive(ctx, lastWords)
	a.Status, err = w.deliver(dctx, d, a.At)
	end()
	turn.leave(a.Status != 0)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx) // the process is stopping; that was no try
	}
	// What the receiver has answered is noted even as the process stops.
	ctx, end = outlive(ctx, lastWords)
	defer end()
	a.Duration = time.Since(a.At)
	last := j.Args.Replay || j.Attempt > len(retryAfter)
	if err != nil {
		a.Error = err.Error()
		if !last {
			a.Next = w.NextRetry(j)
		}
	}
	w.Metrics.delivered(d.Event, err == nil)
	if serr := w.save(ctx, d.ID, a); serr != nil {
		return fmt.Errorf("save delivery attempt: %w", serr)
	}
	if err == nil {
		return nil
	}
	w.Log.Warn("webhook not delivered", "job", d.JobID, "event", d.Event, "attempt", j.Attempt, "replay", j.Args.Replay, "status", a.Status, "error", err)
	if !last {
		return err
	}
	if !j.Args.Replay {
		if merr := w.Store.MarkGivenUp(ctx, d.ID); merr != nil {
			return fmt.Errorf("give delivery up: %w", merr)
		}
	}
	return river.JobCancel(err)
}

// atDatabase bounds the deliveries that ask the database at once: there are more
// of them than it has connections, which others need too.
const atDatabase = 8

func (w *Worker) load(ctx context.Context, id int64) (job.Delivery, error) {
	if err := w.database.Acquire(ctx, 1); err != nil {
		return job.Delivery{}, context.Cause(ctx)
	}
	defer w.database.Release(1)
	return w.Store.LoadDelivery(ctx, id)
}

func (w *Worker) save(ctx context.Context, id int64, a job.DeliveryAttempt) error {
	if err := w.database.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer w.database.Release(1)
	return w.Store.SaveAttempt(ctx, id, a)
}

// putOff has a delivery come back later, which costs it no try.
func (w *Worker) putOff(ctx context.Context, riverID int64, t turn) error {
	if t.silent {
		if err := w.Store.Deprioritize(ctx, riverID); err != nil {
			return err
		}
	}
	return river.JobSnooze(t.wait)
}

// deliver posts the body. The error says what went wrong without the URL,
// which may hold secrets.
func (w *Worker) deliver(ctx context.Context, d job.Delivery, now time.Time) (status int, err error) {
	if d.Notification.Type == "sns" {
		return w.publishTopic(ctx, d)
	}
	target, err := withParams(d.Notification.URL, d.Notification.Params)
	if err != nil {
		return 0, errors.New("the notification URL is not valid")
	}
	ctx, cancel := context.WithTimeout(ctx, webhookTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(d.Body))
	if err != nil {
		return 0, errors.New("the notification URL is not valid")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Copra/"+w.Version)
	if err := sign(req.Header, d, now); err != nil {
		return 0, err
	}
	resp, err := w.Client.Do(req)
	if err != nil {
		return 0, plainNetError(err)
	}
	defer resp.Body.Close()
	// Reading a little lets the connection be used again; the rest of a long
	// answer is nobody's concern.
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	if resp.StatusCode/100 != 2 {
		return resp.StatusCode, fmt.Errorf("the receiver answered HTTP status %d", resp.StatusCode)
	}
	return resp.StatusCode, nil
}

// withParams adds params to the query of u. Its own query stays as it is, byte
// for byte: it may be signed.
func withParams(u job.Secret, params map[string]string) (string, error) {
	target, err := url.Parse(u.Reveal())
	if err != nil {
		return "", err
	}
	if len(params) == 0 {
		return target.String(), nil
	}
	q := url.Values{}
	for k, v := range params {
		q.Set(k, v)
	}
	if target.RawQuery != "" {
		target.RawQuery += "&"
	}
	target.RawQuery += q.Encode()
	return target.String(), nil
}

// plainNetError says in plain words what went wrong: net/http puts the URL into
// its errors.
func plainNetError(err error) error {
	if je, ok := errors.AsType[*job.Error](err); ok {
		return errors.New(je.Message) // its cause is not the customer's
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return fmt.Errorf("no answer within %s", webhookTime)
	}
	return fmt.Errorf("the receiver could not be reached: %s", netguard.Describe(err))
}
