package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/copra-video/copra/check"
	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/job"
)

const (
	// maxChecked is the largest stream in bytes that the console checks. All of it goes
	// through this process, which may have little memory.
	maxChecked = 64 << 20
	checkTime  = 2 * time.Minute
)

// streamChecker checks streams for the console, one at a time.
type streamChecker struct {
	client *http.Client
	turn   chan struct{}
	limit  int64
}

func (s *Server) newStreamChecker() *streamChecker {
	c := s.reach(s.guard.HTTPClient(netguard.Options{}), s.inOwnStorage)
	return &streamChecker{client: c, turn: make(chan struct{}, 1), limit: maxChecked}
}

// check checks the stream at an address of a result. The error is a *job.Error where the
// reader can do something about it.
func (c *streamChecker) check(ctx context.Context, address string) ([]check.Report, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, job.Errorf(job.QueryNotValid, "The stream is not at an address of http or https, so it cannot be checked from here.")
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	default:
		return nil, job.Errorf(job.QueryNotValid, "This server checks another stream at the moment. Try again in a minute.")
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	reports, err := check.Stream(ctx, address, check.Options{Fetches: 2, Client: c.client, MaxBytes: c.limit})
	switch {
	case errors.Is(err, check.ErrTooLarge):
		return nil, job.Errorf(job.QueryNotValid, "The stream has more than %d MB, which is too much to be checked from here. On another machine: copra check %s", c.limit>>20, u.Redacted())
	case errors.Is(err, context.DeadlineExceeded):
		return nil, job.Errorf(job.QueryNotValid, "The check took longer than %s. On another machine: copra check %s", checkTime, u.Redacted())
	case err != nil:
		return nil, job.Errorf(job.QueryNotValid, "The stream cannot be checked: %s.", err)
	}
	return reports, nil
}
