package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

const (
	silentHosts  = 60
	jobsOfHost   = 12          // whose webhooks wait for one silent host
	punctual     = 10          // webhooks that are measured, before and after learnTime
	goodLateness = time.Second // bounds how late these are
	postsAtATime = 8
	// learnTime is when the host limit knows every silent host: it is longer than a
	// webhook waits for an answer.
	learnTime = 15 * time.Second
)

// silent has many webhooks wait for hosts that never answer, and measures how late those
// for another host are.
func (l *load) silent(ctx context.Context) error {
	srv, err := l.target(ctx)
	if err != nil {
		return err
	}
	defer srv.stop()
	hosts, closeAll, err := silentListeners(silentHosts)
	if err != nil {
		return err
	}
	defer closeAll()
	if err := l.cancelled(ctx, srv, hosts); err != nil {
		return err
	}
	var worst time.Duration
	begun := time.Now()
	for i := range 2 * punctual {
		if i == punctual {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(learnTime - time.Since(begun)):
			}
		}
		sent := time.Now()
		id, err := cancelledJob(ctx, srv, hosts[0], l.Sink.URL)
		if err != nil {
			return err
		}
		ended, err := l.Sink.Wait(ctx, id)
		if err != nil {
			return err
		}
		worst = max(worst, ended.Sub(sent))
	}
	l.report.Warn(fmt.Sprintf("silent: a webhook, while %d wait for %d silent hosts, at most", silentHosts*jobsOfHost, silentHosts),
		measure.MS(worst), "<= "+measure.MS(goodLateness), worst <= goodLateness)
	return nil
}

// cancelled makes jobs and cancels them at once. Their webhooks go to silent hosts.
func (l *load) cancelled(ctx context.Context, srv *target, hosts []string) error {
	var wg sync.WaitGroup
	gate := make(chan struct{}, postsAtATime)
	failed := make(chan error, len(hosts))
	for _, host := range hosts {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			for range jobsOfHost {
				if _, err := cancelledJob(ctx, srv, hosts[0], "http://"+host+"/hook"); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed // nil if there is none
}

// cancelledJob makes a job whose input never answers, and cancels it.
func cancelledJob(ctx context.Context, srv *target, input, hook string) (id string, err error) {
	r := srv.Request("http://"+input+"/in.mp4", outputs(), nil)
	r.Notification = &client.NotificationRequest{Type: "http", URL: hook}
	j, err := srv.API.CreateJob(ctx, r)
	if err != nil {
		return "", err
	}
	_, err = srv.API.Cancel(ctx, j.ID)
	return j.ID, err
}

// silentListeners accept connections and never answer.
func silentListeners(n int) (addresses []string, closeAll func(), err error) {
	var open []net.Listener
	closeAll = func() {
		for _, l := range open {
			_ = l.Close()
		}
	}
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // no name to look up
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		open, addresses = append(open, l), append(addresses, l.Addr().String())
		go func() {
			for {
				if _, err := l.Accept(); err != nil {
					return
				}
			}
		}()
	}
	return addresses, closeAll, nil
}
