package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/copra-video/copra/api"
	"github.com/copra-video/copra/internal/buildinfo"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/backends"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/webhook"
	"github.com/copra-video/copra/webhook/sns"
	"github.com/copra-video/copra/worker"
)

// API is the subcommand api.
func API(ctx context.Context, e command.Stdio, args []string) error {
	var s settings.Settings
	f := settings.NewFlagSet("api", "[flags]", "the HTTP API", e.Stderr)
	s.APIFlags(f)
	s.DatabaseFlags(f)
	s.NetworkFlags(f)
	s.LogFlags(f)
	if err := f.ParseAlone(e, args); err != nil {
		return err
	}
	s.FromEnv(e)
	log := s.Logger(e.Stderr)
	l, err := listen(ctx, &s)
	if err != nil {
		return err
	}
	sys, err := Open(ctx, &s, log)
	if err != nil {
		l.Close()
		return err
	}
	defer sys.Close()
	log.Info("copra api", "version", buildinfo.Version(), "listen", l.Addr().String(), "public_url", s.PublicURL)
	return api.Serve(ctx, l, sys.Handler(), log)
}

// Handler is the API of this process.
func (sys *System) Handler() http.Handler {
	c := api.Config{
		Jobs: jobStore{sys.store}, Keys: sys.store, Ready: sys.readiness(),
		Metrics: sys.metrics, Region: sys.settings.Region, RateLimit: float64(sys.settings.RateLimit), Version: buildinfo.Version(), Log: sys.log,
	}
	if sys.local != nil {
		c.Storage, c.Uploads = sys.local, sys.local.UploadHandler()
	}
	return api.New(c)
}

func (sys *System) readiness() []api.Check {
	return []api.Check{{Name: "database", Run: sys.store.Ping}}
}

// Worker is the subcommand worker.
func Worker(ctx context.Context, e command.Stdio, args []string) error {
	var s settings.Settings
	f := settings.NewFlagSet("worker", "[flags]", "a worker; run as many as you like", e.Stderr)
	s.DatabaseFlags(f)
	s.NetworkFlags(f)
	s.MediaFlags(f)
	s.WorkerFlags(f)
	s.LogFlags(f)
	f.Text(&s.MetricsListen, "metrics-listen", "COPRA_METRICS_LISTEN", "address for /metrics, /healthz and /readyz. Defaults to none.")
	if err := f.ParseAlone(e, args); err != nil {
		return err
	}
	s.FromEnv(e)
	if s.StorageDir != "" && s.PublicURL == "" {
		return command.Usagef("--storage-dir needs --public-url (COPRA_PUBLIC_URL), the address of the API that serves its files")
	}
	log := s.Logger(e.Stderr)
	sys, err := Open(ctx, &s, log)
	if err != nil {
		return err
	}
	defer sys.Close()
	w, err := sys.startWorker(ctx)
	if err != nil {
		return err
	}
	defer w.stop()
	log.Info("copra worker", "version", buildinfo.Version(), "node", w.node, "slots", s.Slots)
	if s.MetricsListen == "" {
		<-ctx.Done()
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.MetricsListen)
	if err != nil {
		return fmt.Errorf("listen on %s (--metrics-listen): %w", s.MetricsListen, err)
	}
	log.Info("copra worker metrics", "listen", l.Addr().String())
	h := api.NewStatus(api.Config{Ready: sys.readiness(), Metrics: sys.metrics, Region: s.Region, Version: buildinfo.Version(), Log: log})
	return api.Serve(ctx, l, h, log)
}

// runningWorker is a started worker.
type runningWorker struct {
	node string
	stop func() // hands running work back and waits; may be called again
}

// startWorker checks what a worker needs and starts it. It goes on until stop.
func (sys *System) startWorker(ctx context.Context) (*runningWorker, error) {
	s := sys.settings
	tools, err := ffmpeg.Find(ctx, s.FFmpeg, s.FFprobe)
	if err != nil {
		return nil, err
	}
	if tools, err = sandboxed(ctx, s, tools, sys.log); err != nil {
		return nil, err
	}
	parts, err := openCheckedArtifactStore(ctx, &s.ArtifactStore, sys.log)
	if err != nil {
		return nil, err
	}
	node := nodeName()
	w := worker.New(worker.Config{
		Store:  sys.store,
		Opener: sys.opener(),
		Media:  tools,
		Log:    sys.log, Metrics: worker.NewMetrics(sys.metrics),
		Node: node, WorkDir: s.WorkDir, MaxInputBytes: s.MaxInputBytes, MinFreeDisk: s.MinFreeDisk, Slots: s.Slots, Uploads: s.Uploads, Presets: s.Presets,
		StallTimeout: s.StallTimeout, UploadRetryTimeout: s.UploadRetryTimeout,
		Artifacts: parts, ArtifactRetention: s.ArtifactStore.Retention,
	})
	release, err := w.CleanWorkDir()
	if err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	w.Register(workers)
	hooks := sys.guard.HTTPClient(netguard.Options{MaxRedirects: netguard.NoRedirects})
	webhook.New(webhook.Config{
		Store: sys.store, Client: hooks, SNS: sns.New(sns.Options{Client: hooks}),
		Version: buildinfo.Version(), Log: sys.log, Metrics: webhook.NewMetrics(sys.metrics),
	}).Register(workers)
	client, err := river.NewClient(newSeats(riverpgxv5.New(sys.store.Pool()), w.YieldedSlots), &river.Config{
		ID:      node,
		Workers: workers,
		Queues: map[string]river.QueueConfig{
			queue.Probe:     {MaxWorkers: 8, FetchCooldown: queue.FetchCooldown},
			queue.Transcode: {MaxWorkers: s.Slots + maxParked, FetchCooldown: queue.FetchCooldown, FetchPollInterval: seatPoll},
			queue.Notify:    {MaxWorkers: queue.NotifySlots, FetchCooldown: queue.FetchCooldown},
		},
		Logger:          quieter(sys.log),
		SoftStopTimeout: s.ShutdownGrace,
	})
	if err != nil {
		release()
		return nil, fmt.Errorf("make queue client: %w", err)
	}
	// What runs now ends by stop, not by ctx: it is to be handed back in order.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	beating := make(chan struct{})
	wg.Go(func() { w.KeepAlive(ctx, func() { close(beating) }) })
	<-beating // others must not take this node for dead before it has lived
	if sys.local != nil {
		wg.Go(func() { sys.sweep(ctx) })
	}
	if parts != nil {
		wg.Go(func() { w.CollectArtifacts(ctx) })
	}
	if err := client.Start(ctx); err != nil {
		cancel()
		wg.Wait()
		release()
		return nil, fmt.Errorf("start queue client: %w", err)
	}
	stop := func() {
		defer cancel()
		sctx, scancel := context.WithTimeout(ctx, s.ShutdownGrace+4*time.Second)
		defer scancel()
		stopClient := client.StopAndCancel
		if s.ShutdownGrace > 0 {
			stopClient = client.Stop
		}
		if err := stopClient(sctx); err != nil {
			sys.log.Warn("stopping the queue client", "error", err)
		}
		if err := sys.store.Deregister(sctx, node); err != nil {
			sys.log.Warn("taking leave", "error", err)
		}
		cancel()
		wg.Wait()
		release()
	}
	return &runningWorker{node, sync.OnceFunc(stop)}, nil
}

func (sys *System) opener() *backends.Opener {
	return backends.New(backends.Options{
		Guard: sys.guard, S3Endpoint: sys.settings.S3Endpoint, S3PublicURL: sys.settings.S3PublicURL, Local: sys.local, Log: sys.log,
	})
}

// sweep removes what the built-in storage has kept for long enough.
func (sys *System) sweep(ctx context.Context) {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		if _, err := sys.local.Sweep(time.Now()); err != nil {
			sys.log.Warn("sweeping the built-in storage", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// nodeName is unique to this process: a restarted one is another node, so that
// what the old one held is found.
func nodeName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "copra"
	}
	return fmt.Sprintf("%s-%d-%x", host, os.Getpid(), time.Now().UnixNano())
}

// quieter passes on warnings and errors alone: what River does is told in this
// program's own words.
func quieter(log *slog.Logger) *slog.Logger {
	return slog.New(atLeast{log.Handler(), slog.LevelWarn})
}

type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h atLeast) WithAttrs(a []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(a), h.level}
}

func (h atLeast) WithGroup(n string) slog.Handler { return atLeast{h.Handler.WithGroup(n), h.level} }

// jobStore is the store with the API's own types.
type jobStore struct{ *postgres.Store }

func (s jobStore) CreateJob(ctx context.Context, n api.NewJob) (job.State, error) {
	return s.Store.CreateJob(ctx, postgres.NewJob(n))
}

func (s jobStore) ListJobs(ctx context.Context, keyID string, l api.List) ([]job.State, string, error) {
	return s.Store.ListJobs(ctx, keyID, postgres.List(l))
}

var errStopped = errors.New("stopped")
