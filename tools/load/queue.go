package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

const (
	// finished is how many ended jobs both servers have, so that the first page of a
	// list is equally long.
	finished = 120
	// rounds is how often each request is sent to both servers.
	rounds = 150
	// mostSlower and slack bound how much longer the median of a request may be with a
	// long queue than with none.
	mostSlower = 1.5
	slack      = time.Millisecond
	// counting bounds the time of metrics, which count all that is queued.
	counting = 20 * time.Millisecond
	// urgent is how many jobs of high priority are posted while others run.
	urgent = 10
	// mostPassed is how many other jobs may end between the POST of an urgent one and
	// its end: those that already ran, and some while it is probed.
	mostPassed = 20
)

// side is one of two servers that differ in their queue alone.
type side struct {
	d       *measure.Deployment
	api     *measure.Server
	request *client.JobRequest
	id      string // of a job
	deep    string // a cursor near the end of the list
}

// queue compares a server whose queue is long with one whose queue is empty. Requests go
// to both in turn, so that other work of the machine slows them alike.
func (l *load) queue(ctx context.Context) error {
	idle, err := l.side(ctx, "idle")
	if err != nil {
		return err
	}
	defer func() { idle.api.Stop(); idle.d.Stop() }()
	full, err := l.side(ctx, "full")
	if err != nil {
		return err
	}
	defer func() { full.api.Stop(); full.d.Stop() }()
	begun := time.Now()
	if err := full.fill(ctx, l.queued); err != nil {
		return err
	}
	l.say("%d jobs queued in %.1f s", l.queued, time.Since(begun).Seconds())
	for _, s := range []*side{idle, full} {
		if err := s.findDeep(ctx); err != nil {
			return err
		}
	}
	for _, op := range operations {
		var none, many []time.Duration
		for i := range rounds + 10 {
			for _, s := range []*side{idle, full} {
				begun := time.Now()
				if err := op.do(ctx, s); err != nil {
					return fmt.Errorf("%s: %w", op.name, err)
				}
				if took := time.Since(begun); i < 10 { // connections are opened, statements prepared
				} else if s == idle {
					none = append(none, took)
				} else {
					many = append(many, took)
				}
			}
		}
		a, b, most := measure.Quantile(none, 0.5), measure.Quantile(many, 0.5), fmt.Sprintf("<= %.1f x", mostSlower)
		met := float64(b) <= mostSlower*float64(a) || b-a <= slack
		if op.counts {
			most, met = "<= "+measure.MS(counting), b <= counting
		}
		l.report.Expect(fmt.Sprintf("queue of %d: %s, p50 (p99)", l.queued, op.name),
			fmt.Sprintf("%s (%s), with none %s (%s)", measure.MS(b), measure.MS(measure.Quantile(many, 0.99)), measure.MS(a), measure.MS(measure.Quantile(none, 0.99))),
			most, met)
	}
	return l.priority(ctx, idle, full)
}

func (l *load) side(ctx context.Context, name string) (s *side, err error) {
	d, err := l.Deploy(ctx, "queue-"+name)
	if err != nil {
		return nil, err
	}
	api, err := d.API(ctx)
	if err != nil {
		d.Stop()
		return nil, err
	}
	s = &side{d: d, api: api, request: api.Request(l.tools.input, outputs(), nil)}
	for range finished {
		if s.id, err = s.create(ctx, s.request); err != nil {
			break
		}
		if _, err = api.API.Cancel(ctx, s.id); err != nil {
			break
		}
	}
	if err != nil {
		api.Stop()
		d.Stop()
	}
	return s, err
}

func (s *side) create(ctx context.Context, r *client.JobRequest) (id string, err error) {
	j, err := s.api.API.CreateJob(ctx, r)
	if err != nil {
		return "", err
	}
	return j.ID, nil
}

// fill queues n jobs.
func (s *side) fill(ctx context.Context, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for range n {
		g.Go(func() error {
			_, err := s.create(ctx, s.request)
			return err
		})
	}
	return g.Wait()
}

// findDeep finds the cursor of the last page.
func (s *side) findDeep(ctx context.Context) error {
	for cursor := ""; ; {
		p, err := s.api.API.ListPage(ctx, client.ListOptions{Limit: 100, Cursor: cursor})
		if err != nil || p.Next == "" {
			return err
		}
		s.deep, cursor = p.Next, p.Next
	}
}

// operations are the requests that are compared.
var operations = []struct {
	name   string
	counts bool // it counts what is queued, so its time grows with that
	do     func(context.Context, *side) error
}{
	{"GET job", false, get(func(s *side) string { return "/v2/jobs/" + s.id })},
	{"GET its events", false, get(func(s *side) string { return "/v2/jobs/" + s.id + "/events" })},
	{"list, first page", false, get(func(*side) string { return "/v2/jobs?limit=20" })},
	{"list, first 100", false, get(func(*side) string { return "/v2/jobs?limit=100" })},
	{"list, last page", false, get(func(s *side) string { return "/v2/jobs?limit=20&cursor=" + s.deep })},
	{"list, by a status that few have", false, get(func(*side) string { return "/v2/jobs?status=job.failed" })},
	{"list, by a status that none has", false, get(func(*side) string { return "/v2/jobs?status=job.processing" })},
	{"POST", false, func(ctx context.Context, s *side) error {
		_, err := s.create(ctx, s.request)
		return err
	}},
	{"metrics", true, get(func(*side) string { return "/metrics" })},
}

func get(path func(*side) string) func(context.Context, *side) error {
	return func(ctx context.Context, s *side) error {
		return s.api.Get(ctx, path(s))
	}
}

// priority posts jobs of high priority while a worker runs the others.
func (l *load) priority(ctx context.Context, idle, full *side) error {
	var took [2][]time.Duration
	worst := 0
	for i, s := range []*side{idle, full} {
		w, err := s.d.Worker(ctx, l.tools.flags("--slots", strconv.Itoa(l.slots))...)
		if err != nil {
			return err
		}
		for n := range urgent + 1 {
			before, _ := l.Sink.Deliveries()
			begun := time.Now()
			id, err := s.create(ctx, urgently(s.request))
			if err == nil {
				_, err = l.Sink.Wait(ctx, id)
			}
			if err != nil {
				w.Stop()
				return err
			}
			took[i] = append(took[i], time.Since(begun))
			if after, _ := l.Sink.Deliveries(); s == full && n > 0 {
				worst = max(worst, after-before-1)
			}
		}
		w.Stop()
	}
	// The first job does not count: the worker is still starting.
	l.report.Note(fmt.Sprintf("queue of %d: job of high priority, POST to end, p50", l.queued),
		measure.MS(measure.Quantile(took[1][1:], 0.5))+", with none "+measure.MS(measure.Quantile(took[0][1:], 0.5)))
	l.report.Expect(fmt.Sprintf("queue of %d: others that ended meanwhile, at most", l.queued), strconv.Itoa(worst),
		fmt.Sprintf("<= %d", mostPassed), worst <= mostPassed)
	return nil
}

// urgently gives a request the highest priority.
func urgently(r *client.JobRequest) *client.JobRequest {
	urgent := *r
	urgent.Settings = &client.Settings{Priority: 50}
	return &urgent
}
