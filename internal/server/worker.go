package server

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/copra-video/copra/internal/buildinfo"
	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/playback"
	"github.com/copra-video/copra/internal/podcost"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/backends"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/webhook"
	"github.com/copra-video/copra/webhook/sns"
	"github.com/copra-video/copra/worker"
)

// stopTimeout is how long the database may take to note that the worker has
// ended, besides the shutdown grace of what runs.
const stopTimeout = 4 * time.Second

// startWorker checks what a worker needs and starts it.
func (s *Server) startWorker(ctx, life context.Context) error {
	activity := &queue.Activity{}
	w, err := s.newWorker(ctx, activity)
	if err != nil {
		return err
	}
	release, err := w.CleanWorkDir()
	if err != nil {
		return err
	}
	s.onStop(func() error { release(); return nil })
	s.metrics.MustRegister(freeDisk(s.settings.WorkDir))
	cost, err := s.newPodCost()
	if err != nil {
		return err
	}
	client, err := s.newQueueClient(w, cost, activity)
	if err != nil {
		return err
	}
	s.onStop(s.deregister)
	// The worker outlives life: while work is handed back its heartbeat goes on.
	running, cancel := context.WithCancel(context.WithoutCancel(life))
	var wg sync.WaitGroup
	s.onStop(func() error { cancel(); wg.Wait(); return nil })
	alive := make(chan struct{})
	wg.Go(func() { w.KeepAlive(running, func() { close(alive) }) })
	select {
	case <-alive: // before, others would take this node for dead
	case <-ctx.Done():
		return fmt.Errorf("register the worker: %w", context.Cause(ctx))
	}
	if err := s.store.DescribeNode(ctx, job.Node{ID: s.node, Version: buildinfo.Version(), Slots: s.settings.Slots, Encoders: w.DeviceEncoders(), Queues: slices.Sorted(maps.Keys(s.queues(false)))}); err != nil {
		s.log.WarnContext(ctx, "describe the node", "error", err)
	}
	if s.local != nil {
		wg.Go(func() { s.sweepStorage(running) })
	}
	wg.Go(func() { s.sweepDatabase(running) })
	if s.settings.ArtifactStore.Address != "" {
		wg.Go(func() { w.CollectArtifacts(running) })
	}
	if cost != nil {
		wg.Go(func() { cost.Run(running) })
	}
	if err := client.Start(running); err != nil {
		return fmt.Errorf("start queue client: %w", err)
	}
	// Work is handed back while the last requests are answered: each may take
	// its time, and both have ended in five seconds.
	stop := sync.OnceFunc(func() { s.stopQueueClient(client) })
	context.AfterFunc(life, stop)
	s.onStop(func() error { stop(); return nil })
	return nil
}

// newWorker makes the worker from the settings. activity is told of work that is due.
func (s *Server) newWorker(ctx context.Context, activity *queue.Activity) (*worker.Worker, error) {
	st := &s.settings
	tools, err := s.media.wait()
	if err != nil {
		return nil, err
	}
	artifacts, err := openCheckedArtifactStore(ctx, &st.ArtifactStore, s.log)
	if err != nil {
		return nil, err
	}
	s.cards = cardQueues(tools.Capabilities().Devices)
	if len(s.queues(false)) == 0 {
		return nil, fmt.Errorf("COPRA_QUEUES=%s: no such card works here; copra doctor --encoders says why", strings.Join(s.settings.Queues, ","))
	}
	sealer, err := s.settings.Sealer()
	if err != nil {
		return nil, err
	}
	speech, err := OpenSpeech(st)
	if err != nil {
		return nil, err
	}
	c := worker.Config{
		Store: s.store, Media: tools, Log: s.log, Metrics: worker.NewMetrics(s.metrics), Tracer: s.tracer,
		Opener: backends.New(backends.Options{
			Guard: s.guard, S3Endpoint: st.S3Endpoint, S3PublicURL: st.S3PublicURL, Local: s.local, Log: s.log,
			UploadRetry: uploadRetry(st.UploadRetryTimeout),
		}),
		Queues: slices.Sorted(maps.Keys(s.queues(false))), Due: activity.Note,
		Node: s.node, WorkDir: st.WorkDir, MaxInputBytes: st.MaxInputBytes, MinFreeDisk: st.MinFreeDisk,
		Slots: st.Slots, Uploads: st.Uploads, Presets: st.Presets, Chunks: st.Chunks != "off",
		Encoder:      transcode.EncoderChoice{Use: st.Encoder, Prefer: st.Prefer},
		StallTimeout: st.StallTimeout, UploadRetryTimeout: st.UploadRetryTimeout,
		Fonts:       st.Fonts,
		ContentKeys: playback.New(sealer, st.PublicURL),
		Artifacts:   artifacts, ArtifactRetention: st.ArtifactStore.Retention,
	}
	if speech != nil {
		c.Speech = speech
	}
	return worker.New(c), nil
}

// uploadRetry has the attempts of one request to a storage take no longer than results may
// wait for it. For a timeout of half a minute or more it is the default of the backends.
func uploadRetry(timeout time.Duration) retry.Policy {
	p := retry.Policy{Tries: 3, Waits: retry.Doubling(500*time.Millisecond, 6*time.Second), Jitter: 0.125}
	waited := time.Duration(0)
	for failures := 1; failures < backends.UploadTries; failures++ {
		if waited += p.Waits[min(failures, len(p.Waits))-1]; waited > timeout {
			break
		}
		p.Tries = max(p.Tries, failures+1)
	}
	return p
}

// newPodCost is nil where Kubernetes is not to be told how busy this worker is.
func (s *Server) newPodCost() (*podcost.Reporter, error) {
	if !s.settings.PodDeletionCost {
		return nil, nil //nolint:nilnil // the caller looks
	}
	pod := s.settings.PodName
	if pod == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("find the name of the pod: %w", err)
		}
		pod = name
	}
	cost, err := podcost.New(podcost.Options{Pod: pod, Log: s.log})
	if err != nil {
		return nil, fmt.Errorf("--pod-deletion-cost: %w", err)
	}
	return cost, nil
}

// countBusy tells cost how many encodes run. Probes and webhooks are lost with no
// harm.
func countBusy(cost *podcost.Reporter) []rivertype.Middleware {
	if cost == nil {
		return nil
	}
	return []rivertype.Middleware{river.WorkerMiddlewareFunc(func(ctx context.Context, job *rivertype.JobRow, doInner func(ctx context.Context) error) error {
		if queue.UsesSlots(job.Queue) {
			defer cost.Begin()()
		}
		return doInner(ctx)
	})}
}

// noteRuns tells when a job begins and ends.
func noteRuns(a *queue.Activity) rivertype.Middleware {
	return river.WorkerMiddlewareFunc(func(ctx context.Context, _ *rivertype.JobRow, doInner func(ctx context.Context) error) error {
		defer a.Begin()()
		return doInner(ctx)
	})
}

// queues are those that the settings ask for, with the workers that each has. deaf:
// the database's notifications do not arrive.
func (s *Server) queues(deaf bool) map[string]river.QueueConfig {
	all := map[string]river.QueueConfig{
		queue.Probe:     {MaxWorkers: 8, FetchCooldown: queue.FetchCooldown},
		queue.Transcode: {MaxWorkers: s.settings.Slots + queue.MaxYielded, FetchCooldown: queue.FetchCooldown},
		queue.Notify:    {MaxWorkers: queue.NotifySlots, FetchCooldown: queue.FetchCooldown},
	}
	if s.settings.ArtifactStore.Address != "" { // without one, no result of a task comes back
		all[queue.Task] = river.QueueConfig{MaxWorkers: s.settings.Slots, FetchCooldown: queue.FetchCooldown}
	}
	if deaf {
		for name, config := range all {
			config.FetchPollInterval = queue.FetchPoll // the driver answers most polls itself
			all[name] = config
		}
	}
	for _, name := range s.cards {
		all[name] = all[queue.Transcode]
	}
	if given := s.settings.Queues; len(given) > 0 {
		maps.DeleteFunc(all, func(name string, _ river.QueueConfig) bool {
			return !slices.Contains(given, name) && !(slices.Contains(s.cards, name) && slices.Contains(given, queue.Transcode))
		})
	}
	return all
}

// cardQueues are the queues of the cards that work here.
func cardQueues(devices []transcode.DeviceEncoder) []string {
	var list []string
	for _, d := range devices {
		_, backend, _ := strings.Cut(d.Encoder, "_")
		if name := queue.OnCards(backend); d.Works && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// newQueueClient makes the client that fetches work. cost may be nil.
func (s *Server) newQueueClient(w *worker.Worker, cost *podcost.Reporter, activity *queue.Activity) (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	w.Register(workers)
	receivers := s.reach(s.guard.HTTPClient(netguard.Options{MaxRedirects: netguard.NoRedirects}), s.isReceiver)
	webhook.New(webhook.Config{
		Store: s.store, Client: receivers, SNS: sns.New(sns.Options{Client: receivers}),
		Version: buildinfo.Version(), Log: s.log, Metrics: webhook.NewMetrics(s.metrics), Tracer: s.tracer,
	}).Register(workers)
	limits := queue.Limits{Yielded: w.YieldedSlots, FreeSlots: w.FreeSlots, Cards: s.cards, Activity: activity}
	if s.store.Pooler().Deaf {
		limits.Local = queue.NewLocal()
		s.store.OnInsert(limits.Local.Inserted)
	}
	client, err := river.NewClient(queue.LimitFetches(riverpgxv5.New(s.store.Pool()), limits), &river.Config{
		ID:              s.node,
		Workers:         workers,
		Queues:          s.queues(s.store.Pooler().Deaf),
		Middleware:      append(countBusy(cost), noteRuns(activity)),
		Logger:          minLevel(s.log, slog.LevelWarn), // what River does well is of no interest
		SoftStopTimeout: s.settings.ShutdownGrace,
	})
	if err != nil {
		return nil, fmt.Errorf("make queue client: %w", err)
	}
	return client, nil
}

// stopQueueClient hands back what runs, at once or after the shutdown grace.
func (s *Server) stopQueueClient(client *river.Client[pgx.Tx]) {
	ctx, cancel := context.WithTimeout(context.Background(), s.settings.ShutdownGrace+stopTimeout)
	defer cancel()
	stop := client.StopAndCancel
	if s.settings.ShutdownGrace > 0 {
		stop = client.Stop
	}
	if err := stop(ctx); err != nil {
		s.log.Warn("stop the queue client", "error", err)
	}
}

// deregister tells the others that this node is gone.
func (s *Server) deregister() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := s.store.Deregister(ctx, s.node); err != nil {
		s.log.Warn("deregister the node", "error", err)
	}
	return nil
}

// nodeName is unique to this process. A process that starts again is another
// node, so that what the old one held is found.
func nodeName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "copra"
	}
	return fmt.Sprintf("%s-%d-%x", host, os.Getpid(), time.Now().UnixNano())
}
