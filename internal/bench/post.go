package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/copra-video/copra/internal/pgserver"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/job"
)

// warmUp is how long requests are sent before they count: connections are
// opened and statements prepared.
const warmUp = time.Second

// post sends jobs at a steady rate to an API process that has no worker. The
// rate is that of a clock, not of the answers, and a latency counts from the
// moment when the request was due: a server that stalls cannot hide it.
func (b *bench) post(ctx context.Context) error {
	srv, database, stop, err := b.apiOnly(ctx)
	if err != nil {
		return err
	}
	defer stop()
	used := func() (cpu time.Duration) {
		for _, pid := range []int{srv.cmd.Process.Pid, database} {
			t, _ := cpuTime(pid) // a note, nothing hangs on it
			cpu += t
		}
		return cpu
	}
	body := srv.request("https://example.com/in.mp4", sharingOutputs(), nil)
	if _, _, failed := b.send(ctx, srv, body, int(warmUp.Seconds()*float64(b.rate))); failed != nil {
		return failed
	}
	n := int(b.length.Seconds() * float64(b.rate))
	own, _ := cpuTime(os.Getpid()) // with srv and the database, which are below it
	busy, total := machineTime()
	before := used()
	latencies, ids, failed := b.send(ctx, srv, body, n)
	cpu := used() - before
	ownNow, _ := cpuTime(os.Getpid())
	others := othersShare(busy, total, ownNow-own)
	lost := 0
	for _, id := range ids {
		var j jobState
		if err := srv.do(ctx, http.MethodGet, "/v2/jobs/"+id, nil, http.StatusOK, &j); err != nil || j.ID != id {
			lost++
		}
	}
	if failed != nil {
		fmt.Fprintln(os.Stderr, "post: first failure:", failed)
	}
	p99 := quantile(latencies, 0.99)
	what := fmt.Sprintf("post: %d a second for %s", b.rate, b.length)
	b.report.note(what+", p50", ms(quantile(latencies, 0.5)))
	b.report.expect(what+", p99", ms(p99), "<= 20 ms", len(latencies) > 0 && p99 <= 20*time.Millisecond)
	b.report.note(what+", max", ms(quantile(latencies, 1)))
	b.report.note(what+", CPU of API and PostgreSQL", ms(cpu/time.Duration(n))+" a request")
	b.report.note(what+", machine busy with other work", others)
	lost += n - len(ids)
	b.report.expect(what+", refused or lost", fmt.Sprintf("%d of %d", lost, n), "0", lost == 0)
	return nil
}

// send sends n requests on schedule and returns the latencies and ids of those
// that were accepted, and the first error.
func (b *bench) send(ctx context.Context, srv *server, body []byte, n int) (latencies []time.Duration, ids []string, failed error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := time.Now().Add(50 * time.Millisecond)
	for i := range n {
		due := begin.Add(time.Duration(i) * time.Second / time.Duration(b.rate))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		wg.Go(func() {
			var j jobState
			err := srv.do(ctx, http.MethodPost, "/v2/jobs", bytes.NewReader(body), http.StatusCreated, &j)
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				if failed == nil {
					failed = err
				}
				return
			}
			latencies, ids = append(latencies, took), append(ids, j.ID)
		})
	}
	wg.Wait()
	return latencies, ids, failed
}

// apiOnly starts `copra api` on a PostgreSQL of its own with its usual
// durability, and returns the process id of that too.
func (b *bench) apiOnly(ctx context.Context) (srv *server, database int, stop func(), err error) {
	dir, err := b.sub("post", "postgres")
	if err != nil {
		return nil, 0, nil, err
	}
	pg, err := pgserver.Start(ctx, pgserver.Options{Dir: dir})
	if err != nil {
		return nil, 0, nil, err
	}
	stopPG := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := pg.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		}
	}
	defer func() {
		if err != nil {
			stopPG()
		}
	}()
	secret := seal.Generate()
	key, err := b.prepare(ctx, pg.URL(), secret)
	if err != nil {
		return nil, 0, nil, err
	}
	srv, err = b.launch(ctx, "post", []string{"COPRA_DATABASE_URL=" + pg.URL(), "COPRA_SECRET_KEYS=" + secret},
		"api", "--listen", "127.0.0.1:0")
	if err != nil {
		return nil, 0, nil, err
	}
	srv.key = key
	err = srv.await(ctx, func() bool {
		srv.base = listening(word(srv.log))
		return srv.base != ""
	})
	return srv, pg.PID(), func() { srv.stop(); stopPG() }, err
}

// prepare makes the schema and an API key.
func (b *bench) prepare(ctx context.Context, url, secret string) (key string, err error) {
	if err := postgres.Migrate(ctx, url, nil); err != nil {
		return "", err
	}
	sealer, err := seal.ParseKeys([]string{secret})
	if err != nil {
		return "", err
	}
	store, err := postgres.Open(ctx, url, postgres.Options{MaxConns: 2, Sealer: sealer})
	if err != nil {
		return "", err
	}
	defer store.Close()
	_, token, err := store.CreateKey(ctx, "bench", job.Secret{})
	return token.Reveal(), err
}
