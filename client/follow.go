package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"time"
)

// Update is what FollowEvents yields: an event or the progress; the other field
// is nil.
type Update struct {
	Event    *Event
	Progress *JobProgress
}

// FollowOptions say how events are followed.
type FollowOptions struct {
	// After leaves out the events up to this number: the ID of the last one that
	// the program has seen.
	After int
	// ReconnectTimeout is how long the server may be away before the iterator ends with
	// an error. Defaults to a minute; negative is for ever.
	ReconnectTimeout time.Duration
}

const defaultReconnectTimeout = time.Minute

// ErrNoStream is for a server, or a proxy in front of it, that does not stream
// events. Wait works nevertheless.
var ErrNoStream = errors.New("the server does not stream events")

// FollowEvents iterates over what happens to a job until it has ended: first
// the events that have taken place, then each as it takes place, and its
// progress whenever that has changed.
//
// A connection that breaks, or is silent for so long that it must be broken, is
// made anew, with growing pauses, and goes on behind the last event: each event
// comes once. The iterator ends without an error when the job has ended, and
// with the error when ctx ends, the server refuses, or it is away for longer
// than the options allow.
func (c *Client) FollowEvents(ctx context.Context, id string, o FollowOptions) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		f := follower{c: c, last: o.After, reconnectTimeout: o.ReconnectTimeout, yield: yield}
		if f.reconnectTimeout == 0 {
			f.reconnectTimeout = defaultReconnectTimeout
		}
		segment, err := jobSegment(id)
		if err == nil {
			f.path = "/v2/jobs/" + segment + "/events"
			err = f.run(ctx)
		}
		if err != nil && !errors.Is(err, errLeft) {
			yield(Update{}, fmt.Errorf("follow events: %w", err))
		}
	}
}

var (
	errLeft   = errors.New("the caller has left the loop")
	errEnded  = errors.New("the job has ended")
	errSilent = errors.New("the event stream went silent")
)

// permanentError is trouble that a new connection would not end.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// follower is one iteration over the events of a job.
type follower struct {
	c                *Client
	path             string
	reconnectTimeout time.Duration
	yield            func(Update, error) bool

	last    int           // number of the last event
	ended   bool          // that event ends the job, unless it is retried
	retry   time.Duration // before the next connection, as the server says
	contact time.Time     // when the server was last heard
}

// run connects until the job has ended.
func (f *follower) run(ctx context.Context) error {
	f.contact, f.retry = time.Now(), f.c.timing.firstWait
	for failures := 0; ; {
		before := f.contact
		err := f.connect(ctx)
		switch permanent, ok := errors.AsType[permanentError](err); {
		case errors.Is(err, errEnded):
			return nil
		case errors.Is(err, errLeft):
			return err
		case ok:
			return permanent.error
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if f.contact != before {
			failures = 0
		}
		failures++
		if f.reconnectTimeout > 0 && time.Since(f.contact) > f.reconnectTimeout {
			return fmt.Errorf("the server is away: %w", err)
		}
		wait := f.c.timing.backoff(f.retry, failures)
		if e, ok := errors.AsType[*Error](err); ok && e.RetryAfter > 0 {
			wait = e.RetryAfter
		}
		if err == nil && f.ended {
			// The server has closed the stream behind the last event of the job;
			// the next answer confirms that there are no more.
			wait, f.ended = 0, false
		}
		if sleep(ctx, wait) != nil {
			return context.Cause(ctx)
		}
	}
}

// connect reads one connection to its end. nil is an end without an error,
// which may also be that of the server or a proxy.
func (f *follower) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(f.c.timing.idle, func() { cancel(errSilent) })
	defer idle.Stop()

	header := http.Header{"Accept": {"text/event-stream"}, "Cache-Control": {"no-cache"}}
	if f.last > 0 {
		header.Set("Last-Event-ID", strconv.Itoa(f.last))
	}
	resp, err := f.c.open(ctx, call{method: http.MethodGet, path: f.path, header: header}, nil)
	if err != nil {
		return orSilence(ctx, err)
	}
	defer resp.Body.Close()
	if err := f.accept(resp); err != nil {
		return err
	}
	f.contact = time.Now()
	stream := newSSEReader(heard{resp.Body, func() {
		f.contact = time.Now()
		idle.Reset(f.c.timing.idle)
	}})
	for {
		m, err := stream.next()
		switch {
		case errors.Is(err, errMessageTooLong):
			return permanentError{err}
		case isEOF(err):
			return nil
		case err != nil:
			return orSilence(ctx, err)
		}
		if m.retry > 0 {
			f.retry = min(m.retry, f.c.timing.maxWait)
		}
		if err := f.take(m); err != nil {
			return err
		}
	}
}

// orSilence names the cause where the watch over the connection has ended it.
func orSilence(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errSilent) {
		return errSilent
	}
	return err
}

// accept looks at the head of an answer.
func (f *follower) accept(resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusNoContent:
		return errEnded
	case resp.StatusCode == http.StatusOK && isEventStream(resp.Header.Get("Content-Type")):
		return nil
	case resp.StatusCode == http.StatusOK:
		return permanentError{ErrNoStream}
	}
	err := f.c.read(resp, http.StatusOK, nil)
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrLimited) {
		return err
	}
	return permanentError{err}
}

// take yields one message of the stream. Messages of kinds that are newer than
// this package are passed over.
func (f *follower) take(m message) error {
	var u Update
	var into any
	n := m.number()
	switch {
	case m.data == "":
		return nil
	case m.event == "progress":
		into = &u.Progress
	case n > f.last:
		into = &u.Event
	default:
		return nil // it came over an earlier connection, or has no number
	}
	err := json.Unmarshal([]byte(m.data), into)
	if err == nil && u == (Update{}) {
		err = errors.New("it is null")
	}
	if err != nil {
		return permanentError{fmt.Errorf("understand event %q: %w", m.event, err)}
	}
	if u.Event != nil {
		f.last, u.Event.ID = n, n
		f.ended = u.Event.Name == EventJobCompleted || u.Event.Name == EventJobFailed
	}
	if !f.yield(u, nil) {
		return errLeft
	}
	return nil
}

// Wait returns a job as soon as it has ended, in whatever way: Job.Err tells.
// It follows the events of the job, or looks once a second where the server or a
// proxy does not stream them.
func (c *Client) Wait(ctx context.Context, id string) (*Job, error) {
	for stream := true; ; {
		if stream {
			err := c.untilEnd(ctx, id)
			// Coconut itself has no such path. Whether the job is not there either
			// is seen next.
			stream = !errors.Is(err, ErrNoStream) && !errors.Is(err, ErrNotFound)
			if err != nil && stream {
				return nil, fmt.Errorf("wait for job: %w", err)
			}
		}
		j, err := c.Job(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("wait for job: %w", err)
		}
		if j.Status.Finished() {
			return j, nil
		}
		if sleep(ctx, c.timing.poll) != nil {
			return nil, fmt.Errorf("wait for job: %w", context.Cause(ctx))
		}
	}
}

// untilEnd follows the events of a job for their end alone.
func (c *Client) untilEnd(ctx context.Context, id string) error {
	for _, err := range c.FollowEvents(ctx, id, FollowOptions{}) {
		if err != nil {
			return err
		}
	}
	return nil
}
