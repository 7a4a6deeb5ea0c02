package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/storage/backends"
	"github.com/copra-video/copra/storage/local"
	"github.com/copra-video/copra/tools/measure"
	"github.com/copra-video/copra/worker"
)

// crowd is workers with simulated encoders and one slot each, which share a database, an
// artifact store and this process.
type crowd struct {
	d       *measure.Deployment
	api     *measure.Server
	store   *postgres.Store
	media   *simulated
	built   *local.Store
	results *artifacts.Store
	dir     string
	log     *os.File
	running sync.WaitGroup
	stops   []func()
}

// spread measures how much sooner a job of a long film ends when more workers share it.
// Encoders are simulated, so that the figures are those of the queue, the database and the
// artifact store, which are real.
func (b *bench) spread(ctx context.Context) error {
	for _, n := range b.workers {
		// With eight workers the encoders are 30 times as fast, or it would take half an hour.
		faster, least := 1.0, 0.78*float64(n)
		if n < 32 {
			faster = 30
		}
		speedup, cost, err := b.shared(ctx, n, faster)
		if err != nil {
			return err
		}
		b.report.Expect(fmt.Sprintf("spread: a film of 2 h by %d simulated workers, against one%s", n, cost), fmt.Sprintf("%.1f x", speedup),
			fmt.Sprintf(">= %.0f x", least), speedup >= least)
	}
	return nil
}

// shared has n workers make one job. It returns how much sooner it ended than by one worker, and
// what the database was asked.
func (b *bench) shared(ctx context.Context, n int, faster float64) (speedup float64, cost string, err error) {
	media, err := newSimulated(faster)
	if err != nil {
		return 0, "", err
	}
	c, err := b.crowd(ctx, n, media)
	if err != nil {
		return 0, "", err
	}
	defer c.stop()
	input := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "film.mp4", time.Time{}, strings.NewReader("a film"))
	}))
	defer input.Close()
	before, err := transactions(ctx, c.store)
	if err != nil {
		return 0, "", err
	}
	r := &client.JobRequest{
		Input: client.Input{URL: input.URL + "/film.mp4"}, Storage: &client.Storage{Service: "coconut"},
		Settings: &client.Settings{Ultrafast: true}, Outputs: client.Outputs{"mp4:1080p::quality=3": client.Video{Path: "/film.mp4"}},
	}
	sent := time.Now()
	j, err := c.api.API.CreateJob(ctx, r)
	if err != nil {
		return 0, "", err
	}
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		if j, err = c.api.API.Job(ctx, j.ID); err != nil {
			return 0, "", err
		}
		if !j.CompletedAt.IsZero() {
			break
		}
		select {
		case <-ctx.Done():
			return 0, "", ctx.Err()
		case <-tick.C:
		}
	}
	took := time.Since(sent)
	if err := j.Err(); err != nil {
		return 0, "", fmt.Errorf("%w; log: %s", err, c.log.Name())
	}
	after, err := transactions(ctx, c.store)
	if err != nil {
		return 0, "", err
	}
	fmt.Fprintf(os.Stderr, "%d workers: %.1f s, one %.0f s, %d transactions\n", n, took.Seconds(), media.oneWorker().Seconds(), after-before)
	return media.oneWorker().Seconds() / took.Seconds(),
		fmt.Sprintf(" (%.1f s, %.0f transactions/s)", took.Seconds(), float64(after-before)/took.Seconds()), nil
}

// transactions counts those of the database so far.
func transactions(ctx context.Context, store *postgres.Store) (n int64, err error) {
	err = store.Pool().QueryRow(ctx, `SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()`).Scan(&n)
	return n, err
}

// crowd starts a deployment with n workers.
func (b *bench) crowd(ctx context.Context, n int, media *simulated) (c *crowd, err error) {
	name := fmt.Sprintf("spread-%d", n)
	c = &crowd{media: media}
	defer func() {
		if err != nil {
			c.stop()
			c = nil
		}
	}()
	const others = 60 // connections for statements, besides those that listen, which leave the pool
	if c.d, err = b.DeployFor(ctx, name, n+3*others); err != nil {
		return c, err
	}
	c.onStop(c.d.Stop)
	if c.api, err = c.d.API(ctx); err != nil {
		return c, err
	}
	c.onStop(c.api.Stop)
	if c.dir, err = b.Sub(name); err != nil {
		return c, err
	}
	if c.log, err = os.Create(filepath.Join(c.dir, "workers.log")); err != nil {
		return c, err
	}
	if c.store, err = c.d.Store(ctx, others); err != nil {
		return c, err
	}
	c.onStop(c.store.Close)
	if c.built, err = c.d.Built(); err != nil {
		return c, err
	}
	c.onStop(func() { _ = c.built.Close() })
	kept, err := b.Sub(name, "artifacts")
	if err != nil {
		return c, err
	}
	if c.results, err = artifacts.Open(ctx, artifacts.Options{Address: kept}); err != nil {
		return c, err
	}
	g := errgroup.Group{}
	g.SetLimit(8)
	var mu sync.Mutex
	for i := range n {
		g.Go(func() error {
			stop, err := c.worker(ctx, fmt.Sprintf("%s-%d", name, i+1))
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				c.onStop(stop)
			}
			return err
		})
	}
	return c, g.Wait()
}

func (c *crowd) onStop(f func()) { c.stops = append(c.stops, f) }

// stop ends everything, the workers at once.
func (c *crowd) stop() {
	for i := len(c.stops) - 1; i >= 0; i-- {
		c.stops[i]()
	}
}

// worker starts one, as internal/server does.
func (c *crowd) worker(ctx context.Context, node string) (stop func(), err error) {
	log := quiet(c.log)
	guard := netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	work := filepath.Join(c.dir, "work", node)
	if err := os.MkdirAll(work, 0o700); err != nil {
		return nil, err
	}
	w := worker.New(worker.Config{
		Store: c.store, Media: c.media, Log: log, Opener: backends.New(backends.Options{Guard: guard, Local: c.built, Log: log}),
		Node: node, WorkDir: work, MaxInputBytes: 1 << 30, Slots: 1, Uploads: 2, Chunks: true, Artifacts: c.results, ArtifactRetention: time.Hour,
	})
	release, err := w.CleanWorkDir()
	if err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	w.Register(workers)
	rc, err := river.NewClient(queue.LimitFetches[pgx.Tx](riverpgxv5.New(c.store.Pool()), queue.Limits{Yielded: w.YieldedSlots, FreeSlots: w.FreeSlots}), &river.Config{
		ID: node, Workers: workers, Logger: log,
		Queues: map[string]river.QueueConfig{
			queue.Probe:     {MaxWorkers: 8, FetchCooldown: queue.FetchCooldown},
			queue.Transcode: {MaxWorkers: 1 + queue.MaxYielded, FetchCooldown: queue.FetchCooldown, FetchPollInterval: queue.FetchPoll},
			queue.Task:      {MaxWorkers: 1, FetchCooldown: queue.FetchCooldown, FetchPollInterval: queue.FetchPoll},
		},
	})
	if err != nil {
		release()
		return nil, err
	}
	life, end := context.WithCancel(ctx)
	alive := make(chan struct{})
	c.running.Go(func() { w.KeepAlive(life, func() { close(alive) }) })
	<-alive
	if err := rc.Start(life); err != nil {
		end()
		release()
		return nil, err
	}
	return func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = rc.StopAndCancel(stopping)
		end()
		release()
	}, nil
}
