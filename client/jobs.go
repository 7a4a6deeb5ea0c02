package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// CreateJob creates a job and returns it as it begins. With an idempotency key
// the request is repeated when the connection breaks.
func (c *Client) CreateJob(ctx context.Context, r *JobRequest) (*Job, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("create job: encode the request: %w", err)
	}
	return c.CreateJobJSON(ctx, body, r.IdempotencyKey)
}

// CreateJobJSON creates a job of a request that is JSON already. The
// idempotency key may be empty.
func (c *Client) CreateJobJSON(ctx context.Context, body []byte, idempotencyKey string) (*Job, error) {
	if !printable(idempotencyKey) {
		return nil, errors.New("create job: the idempotency key may hold printable ASCII characters only")
	}
	r := call{do: "create job", method: http.MethodPost, path: "/v2/jobs", body: body, want: http.StatusCreated}
	if body == nil {
		r.body = []byte{} // the server says what is missing
	}
	if idempotencyKey != "" {
		r.header, r.repeat = http.Header{"Idempotency-Key": {idempotencyKey}}, true
	}
	return decode[Job](ctx, c, r)
}

// Job returns a job as it stands.
func (c *Client) Job(ctx context.Context, id string) (*Job, error) {
	return one[Job](ctx, c, call{do: "show job", method: http.MethodGet, want: http.StatusOK, repeat: true}, id, "")
}

// Cancel ends a job and returns it. One that has finished already is refused
// with CodeJobFinished.
func (c *Client) Cancel(ctx context.Context, id string) (*Job, error) {
	return one[Job](ctx, c, call{do: "cancel job", method: http.MethodDelete, want: http.StatusOK}, id, "")
}

// Retry has a finished job run the outputs that are not done once more, and
// returns it. It is refused with CodeJobNotFinished or CodeNothingToRetry.
func (c *Client) Retry(ctx context.Context, id string) (*Job, error) {
	return one[Job](ctx, c, call{do: "retry job", method: http.MethodPost, want: http.StatusOK}, id, "/retry")
}

// PlaybackToken lets a player have the keys that the server has made for the streams of
// a job.
type PlaybackToken struct {
	Token      string    `json:"token"`
	ExpiresAt  time.Time `json:"expires_at"`
	LicenseURL string    `json:"license_url"` // takes the token as the query "token"
}

func (t *PlaybackToken) check() error {
	if t.Token == "" {
		return errors.New("it is not a playback token")
	}
	return nil
}

// PlaybackToken returns a token that is good for a time: whole seconds, at most a day; 0:
// five minutes.
func (c *Client) PlaybackToken(ctx context.Context, id string, good time.Duration) (*PlaybackToken, error) {
	r := call{do: "create playback token", method: http.MethodPost, want: http.StatusCreated}
	if good > 0 {
		r.body = fmt.Appendf(nil, `{"seconds":%d}`, int(good/time.Second))
	}
	return one[PlaybackToken](ctx, c, r, id, "/playback-token")
}

// ListOptions say which jobs are listed.
type ListOptions struct {
	Status JobStatus // "": any
	Limit  int       // jobs on a page, 1 to 100; 0: 20, as the server has it
	Cursor string    // Next of the page before; "": the first page
	// Text is in the id, an error, the metadata, or the key or format of an output,
	// whatever its case. A page of a search may be empty and yet have a next one.
	Text string
	// Metadata is a member of the job's metadata, "name:value".
	Metadata string
}

// Page is a part of the list of jobs.
type Page struct {
	Jobs []*Job `json:"jobs"`
	Next string `json:"next_cursor"` // cursor of the next page; "" after the last
}

func (p *Page) check() error {
	if p.Jobs == nil {
		return errors.New("it is not a list of jobs")
	}
	for _, j := range p.Jobs {
		if j == nil {
			return errors.New("it lists what is not a job")
		}
		if err := j.check(); err != nil {
			return err
		}
	}
	return nil
}

// ListPage returns one page of the jobs of the API key, newest first.
func (c *Client) ListPage(ctx context.Context, o ListOptions) (*Page, error) {
	q := url.Values{}
	if o.Status != "" {
		q.Set("status", string(o.Status))
	}
	if o.Limit != 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	if o.Cursor != "" {
		q.Set("cursor", o.Cursor)
	}
	if o.Text != "" {
		q.Set("q", o.Text)
	}
	if o.Metadata != "" {
		q.Set("metadata", o.Metadata)
	}
	path := "/v2/jobs"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return decode[Page](ctx, c, call{do: "list jobs", method: http.MethodGet, path: path, want: http.StatusOK, repeat: true})
}

// ListJobs iterates over the jobs of the API key, newest first, and asks for
// the next page when it is needed. It ends with the first error. Jobs that are
// created meanwhile do not appear, and shift nothing.
func (c *Client) ListJobs(ctx context.Context, o ListOptions) iter.Seq2[*Job, error] {
	return func(yield func(*Job, error) bool) {
		for o := o; ; {
			page, err := c.ListPage(ctx, o)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, j := range page.Jobs {
				if !yield(j, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			if page.Next == o.Cursor {
				yield(nil, errors.New("list jobs: the server names the same page as the next one"))
				return
			}
			o.Cursor = page.Next
		}
	}
}

// decode sends a call and returns its answer.
func decode[T any](ctx context.Context, c *Client, r call) (*T, error) {
	v := new(T)
	if err := c.send(ctx, r, v); err != nil {
		return nil, err
	}
	return v, nil
}

// one sends a call that is about one job; below is what follows its id in the
// path.
func one[T any](ctx context.Context, c *Client, r call, id, below string) (*T, error) {
	segment, err := jobSegment(id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.do, err)
	}
	r.path = "/v2/jobs/" + segment + below
	return decode[T](ctx, c, r)
}

// jobSegment is the id of a job as a part of a path. Without an id the path
// would be that of the list.
func jobSegment(id string) (string, error) {
	switch id {
	case "":
		return "", errors.New("the job's id is empty")
	case ".", "..":
		return "", fmt.Errorf("%q is not the id of a job", id)
	}
	return url.PathEscape(id), nil
}
