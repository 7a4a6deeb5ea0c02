package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/internal/measure"
)

const (
	samples  = 10 // in the whole soak
	inFlight = 12 // jobs at once
)

// soak brings many jobs through one worker and looks again and again at what it
// and the API hold.
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
	bodies, stop, err := l.destinations(ctx, api)
	if err != nil {
		return err
	}
	defer stop()
	watch := &watch{d: d, api: api, worker: w}
	begun := time.Now()
	for i := range samples {
		n := l.jobs*(i+1)/samples - l.jobs*i/samples
		if err := l.some(ctx, api, bodies, n); err != nil {
			return err
		}
		if err := watch.look(ctx, l.jobs*(i+1)/samples); err != nil {
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

// destinations are requests for the built-in storage and, where there is an S3
// server, for that.
func (l *load) destinations(ctx context.Context, api *measure.Server) (bodies [][]byte, stop func(), err error) {
	told := func(storage map[string]any) []byte {
		return bytes.Replace(api.Request(l.tools.input, outputs(), storage), []byte(`"type":"http"`), []byte(`"type":"http","events":true`), 1)
	}
	dir, err := l.Sub("soak-s3")
	if err != nil {
		return nil, nil, err
	}
	endpoint, stop, err := l.S3(ctx, dir)
	if errors.Is(err, exec.ErrNotFound) {
		l.say("no versitygw here (make test builds it), so nothing goes to S3")
		return [][]byte{told(nil)}, func() {}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return [][]byte{told(nil), told(map[string]any{
		"service": "s3other", "endpoint": endpoint, "region": "us-east-1", "bucket": "bench", "force_path_style": true, "path": "/soak",
		"credentials": map[string]any{"access_key_id": "bench", "secret_access_key": "bench-secret"},
	})}, stop, nil
}

// some brings n jobs to their end, several at once.
func (l *load) some(ctx context.Context, api *measure.Server, bodies [][]byte, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for i := range n {
		g.Go(func() error {
			var j measure.JobState
			if err := api.Do(ctx, http.MethodPost, "/v2/jobs", bytes.NewReader(bodies[i%len(bodies)]), http.StatusCreated, &j); err != nil {
				return err
			}
			if _, err := l.Sink.Wait(ctx, j.ID); err != nil {
				return err
			}
			if err := api.Do(ctx, http.MethodGet, "/v2/jobs/"+j.ID, nil, http.StatusOK, &j); err != nil {
				return err
			}
			if j.Status != "job.completed" {
				return fmt.Errorf("a job ended as %s: %+v", j.Status, j)
			}
			return nil
		})
	}
	return g.Wait()
}
