package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

const (
	samples  = 10 // in the whole soak
	inFlight = 12 // jobs at once
)

// soak runs many jobs on one worker, and samples the memory, goroutines and files of the
// worker and the API.
func (l *load) soak(ctx context.Context) error {
	d, err := l.Deploy(ctx, "soak")
	if err != nil {
		return err
	}
	defer d.Stop()
	api, err := d.API(ctx)
	if err != nil {
		return err
	}
	defer api.Stop()
	w, err := d.Worker(ctx, l.tools.flags("--slots", strconv.Itoa(l.slots))...)
	if err != nil {
		return err
	}
	defer w.Stop()
	requests, stop, err := l.destinations(ctx, api)
	if err != nil {
		return err
	}
	defer stop()
	watch := &watch{d: d, api: api, worker: w}
	begun := time.Now()
	for i := range samples {
		n := l.jobs*(i+1)/samples - l.jobs*i/samples
		if err := l.runJobs(ctx, api, requests, n); err != nil {
			return err
		}
		if err := watch.sample(ctx, l.jobs*(i+1)/samples); err != nil {
			return err
		}
		l.say("%d of %d jobs after %.0f s", l.jobs*(i+1)/samples, l.jobs, time.Since(begun).Seconds())
	}
	watch.print(os.Stderr)
	l.report.Note(fmt.Sprintf("soak of %d jobs", l.jobs), fmt.Sprintf("%.1f jobs/s", float64(l.jobs)/time.Since(begun).Seconds()))
	watch.judge(&l.report)
	left, err := filepath.Glob(filepath.Join(d.WorkDir(), "run-*", "*"))
	if err != nil {
		return err
	}
	l.report.Expect("soak: folders left in the work directory", strconv.Itoa(len(left)), "0", len(left) == 0)
	return nil
}

// destinations returns a request for the built-in storage and, where an S3 server is
// installed, one for that.
func (l *load) destinations(ctx context.Context, api *measure.Server) (requests []*client.JobRequest, stop func(), err error) {
	withEvents := func(storage *client.Storage) *client.JobRequest {
		r := api.Request(l.tools.input, outputs(), storage)
		r.Notification.Events = true
		return r
	}
	dir, err := l.Sub("soak-s3")
	if err != nil {
		return nil, nil, err
	}
	endpoint, stop, err := l.S3(ctx, dir)
	if errors.Is(err, exec.ErrNotFound) {
		l.say("no versitygw here (make test builds it), so nothing goes to S3")
		return []*client.JobRequest{withEvents(nil)}, func() {}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	s3 := measure.S3Storage(endpoint)
	s3.Path = "/soak"
	return []*client.JobRequest{withEvents(nil), withEvents(s3)}, stop, nil
}

// runJobs runs n jobs to their end, several at once.
func (l *load) runJobs(ctx context.Context, api *measure.Server, requests []*client.JobRequest, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for i := range n {
		g.Go(func() error {
			_, _, _, err := api.Job(ctx, requests[i%len(requests)])
			return err
		})
	}
	return g.Wait()
}
