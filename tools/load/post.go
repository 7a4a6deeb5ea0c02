package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

const (
	// warmUp is how long requests are sent before they count. Meanwhile connections
	// are opened and statements prepared.
	warmUp = time.Second
	// standStill is for how long no job may end before the remaining ones count as
	// lost.
	standStill = time.Minute
	// goodP99 bounds the latency of a POST, on a machine that does nothing else.
	goodP99 = 50 * time.Millisecond
)

// target is a server with a worker.
type target struct {
	*measure.Server
	pids map[string]int // of all processes, by name
	stop func()
}

// post sends jobs and waits until they have ended.
func (l *load) post(ctx context.Context) error {
	srv, err := l.target(ctx)
	if err != nil {
		return err
	}
	defer srv.stop()
	request := srv.Request(l.tools.input, outputs(), nil)
	warm := measure.Send(ctx, srv.Server, request, min(l.rate, 20), int(warmUp.Seconds()*min(l.rate, 20)))
	if warm.Failed != nil {
		return warm.Failed
	}
	if _, err := l.drain(ctx, warm.IDs, time.Now()); err != nil {
		return err
	}
	before := srv.used()
	begun := time.Now()
	n := int(l.length.Seconds() * l.rate)
	sent := measure.Send(ctx, srv.Server, request, l.rate, n)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	posting := srv.used()
	if sent.Failed != nil {
		l.say("post: first failure: %v", sent.Failed)
	}
	what := fmt.Sprintf("post: %g a second for %s", l.rate, l.length)
	q := func(share float64) time.Duration { return measure.Quantile(sent.Latencies, share) }
	l.report.Note(what+", p50, p95", measure.MS(q(0.5))+", "+measure.MS(q(0.95)))
	l.report.Warn(what+", p99", measure.MS(q(0.99)), "<= "+measure.MS(goodP99), q(0.99) <= goodP99)
	l.report.Note(what+", max", measure.MS(q(1)))
	l.report.Note(what+", the clock's own delay, at most", measure.MS(sent.Late))
	l.report.Expect(what+", answers", codes(sent.Codes), fmt.Sprintf("%d of 201", n), sent.Codes[http.StatusCreated] == n)

	ended, err := l.drain(ctx, sent.IDs, begun)
	if err != nil {
		return err
	}
	took := time.Since(begun)
	status, err := srv.statuses(ctx)
	if err != nil {
		return err
	}
	var lost, failed int
	for _, id := range sent.IDs {
		switch status[id] {
		case client.JobCompleted:
		case client.JobFailed:
			failed++
		default:
			lost++
		}
	}
	_, twice := l.Sink.Deliveries()
	l.report.Note("post: all had ended after", fmt.Sprintf("%.1f s, %.1f jobs/s", took.Seconds(), float64(len(sent.IDs))/took.Seconds()))
	l.report.Note("post: CPU of a POST's second, of a job in all", cpuTable(before, posting, l.length.Seconds())+"; "+cpuTable(before, srv.used(), float64(len(sent.IDs))))
	l.report.Expect("post: jobs lost", strconv.Itoa(lost), "0", lost == 0)
	l.report.Expect("post: jobs failed", strconv.Itoa(failed), "0", failed == 0)
	l.report.Expect("post: jobs whose end no webhook has reported", strconv.Itoa(len(sent.IDs)-ended), "0", ended == len(sent.IDs))
	l.report.Note("post: webhooks that came twice", strconv.Itoa(twice))
	return nil
}

// target starts a standalone server, or with l.split an API, a worker and a PostgreSQL.
func (l *load) target(ctx context.Context) (*target, error) {
	flags := l.tools.flags("--slots", strconv.Itoa(l.slots))
	if !l.split {
		srv, err := l.Standalone(ctx, "post", flags...)
		if err != nil {
			return nil, err
		}
		return &target{srv, map[string]int{"server": srv.Cmd.Process.Pid}, srv.Stop}, nil
	}
	d, err := l.Deploy(ctx, "post")
	if err != nil {
		return nil, err
	}
	api, err := d.API(ctx)
	if err != nil {
		return nil, errors.Join(err, stopAll(d.Stop))
	}
	w, err := d.Worker(ctx, flags...)
	if err != nil {
		return nil, errors.Join(err, stopAll(api.Stop, d.Stop))
	}
	pids := map[string]int{"api": api.Cmd.Process.Pid, "worker": w.Cmd.Process.Pid, "PostgreSQL": d.PID}
	return &target{api, pids, func() { _ = stopAll(w.Stop, api.Stop, d.Stop) }}, nil
}

func stopAll(stops ...func()) error {
	for _, stop := range stops {
		stop()
	}
	return nil
}

// drain waits until all jobs have ended, or none has for standStill, and returns how many
// have.
func (l *load) drain(ctx context.Context, ids []string, begun time.Time) (ended int, err error) {
	last, reported := time.Now(), time.Now()
	for tick := time.Tick(20 * time.Millisecond); ; {
		n := l.Sink.Ended(ids)
		if n > ended {
			ended, last = n, time.Now()
		}
		if n == len(ids) || time.Since(last) > standStill {
			return n, nil
		}
		if time.Since(reported) > 10*time.Second {
			reported = time.Now()
			l.say("%d of %d jobs have ended after %.0f s", n, len(ids), time.Since(begun).Seconds())
		}
		select {
		case <-ctx.Done():
			return n, ctx.Err()
		case <-tick:
		}
	}
}

// statuses returns the status of every job.
func (t *target) statuses(ctx context.Context) (map[string]client.JobStatus, error) {
	all := map[string]client.JobStatus{}
	for j, err := range t.API.ListJobs(ctx, client.ListOptions{Limit: 100}) {
		if err != nil {
			return nil, err
		}
		all[j.ID] = j.Status
	}
	return all, nil
}

// used returns the CPU time of the processes with their children, and of this one.
func (t *target) used() map[string]time.Duration {
	all := map[string]time.Duration{}
	below := time.Duration(0)
	for name, pid := range t.pids {
		all[name], _ = measure.CPUTime(pid) // 0 if it cannot be read: the figure has no bound
		below += all[name]
	}
	own, _ := measure.CPUTime(os.Getpid())
	all["load"] = own - below
	return all
}

// cpuTable is the CPU time between two calls of used, divided by per.
func cpuTable(before, after map[string]time.Duration, per float64) string {
	var parts []string
	for name := range after {
		parts = append(parts, fmt.Sprintf("%s %.1f ms", name, float64(after[name]-before[name])/per/float64(time.Millisecond)))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// codes is the number of answers by HTTP status.
func codes(m map[int]int) string {
	var parts []string
	for code, n := range m {
		parts = append(parts, fmt.Sprintf("%d of %d", n, code))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
