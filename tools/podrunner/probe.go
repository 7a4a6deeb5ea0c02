package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// probe asks the container as a kubelet does: first the startup probe until it
// succeeds, then readiness and liveness. unhealthy is closed when the container has
// to be started again.
func (p *podRun) probe(ctx context.Context) (unhealthy <-chan struct{}) {
	bad := make(chan struct{})
	c := p.container()
	go func() {
		if c.StartupProbe != nil {
			if !p.untilSuccess(ctx, c.StartupProbe) {
				if ctx.Err() == nil {
					close(bad)
				}
				return
			}
			p.update(ctx, func(s *containerState) { s.started, s.ready = true, c.ReadinessProbe == nil })
		}
		if c.ReadinessProbe != nil {
			go p.follow(ctx, c.ReadinessProbe, false, func(ok bool) bool {
				p.update(ctx, func(s *containerState) { s.ready = ok })
				return true
			})
		}
		if c.LivenessProbe != nil {
			p.follow(ctx, c.LivenessProbe, true, func(ok bool) bool {
				if !ok {
					close(bad)
				}
				return ok
			})
		}
	}()
	return bad
}

// untilSuccess is false if the probe failed as often as it may, or ctx has ended.
func (p *podRun) untilSuccess(ctx context.Context, pr *probe) bool {
	pause(ctx, time.Duration(pr.InitialDelaySeconds)*time.Second)
	for range pr.FailureThreshold {
		if ctx.Err() != nil {
			return false
		}
		if p.ask(ctx, pr) == nil {
			return true
		}
		pause(ctx, time.Duration(pr.PeriodSeconds)*time.Second)
	}
	return false
}

// follow calls changed whenever the probe's verdict, which is good at first, has
// changed, until that returns false.
func (p *podRun) follow(ctx context.Context, pr *probe, good bool, changed func(ok bool) bool) {
	pause(ctx, time.Duration(pr.InitialDelaySeconds)*time.Second)
	for failures := 0; ; pause(ctx, time.Duration(pr.PeriodSeconds)*time.Second) {
		err := p.ask(ctx, pr)
		if ctx.Err() != nil {
			return
		}
		ok := err == nil
		if ok {
			failures = 0
		} else {
			failures++
			ok = good && failures < pr.FailureThreshold
			p.note("probe failed", object{"path": pr.HTTPGet.Path, "error": err.Error()})
		}
		if ok != good {
			good = ok
			if !changed(ok) {
				return
			}
		}
	}
}

// ask sends one request. Statuses from 200 to 399 are a success.
func (p *podRun) ask(ctx context.Context, pr *probe) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(pr.TimeoutSeconds)*time.Second)
	defer cancel()
	port, err := p.port(pr.HTTPGet.Port)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d%s", p.net.address, port, pr.HTTPGet.Path), nil)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	req.Header.Set("User-Agent", "kube-probe/podrunner")
	req.Close = true
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode >= 400 {
		return fmt.Errorf("probe: %s", res.Status)
	}
	return nil
}

// port is a number, or the name of one of the container's.
func (p *podRun) port(raw json.RawMessage) (int, error) {
	var number int
	if json.Unmarshal(raw, &number) == nil {
		return number, nil
	}
	var name string
	if err := json.Unmarshal(raw, &name); err != nil {
		return 0, fmt.Errorf("port of a probe: %w", err)
	}
	for _, port := range p.container().Ports {
		if port.Name == name {
			return port.ContainerPort, nil
		}
	}
	return 0, fmt.Errorf("the container has no port %q", name)
}
