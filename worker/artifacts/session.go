// Package artifacts is what a run has of the artifact store: it restores what an
// earlier run of the job has made, so that the steps of a plan need not run
// again, and stores what this run makes. Nothing that goes wrong with the store
// is an error of the run.
//
// It also collects the garbage: artifacts of jobs that can no longer use them.
package artifacts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	artifactstore "github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode"
)

// Cache is the artifact store of this process's runs.
type Cache struct {
	store   *artifactstore.Store // nil: there is none
	program string               // ffmpeg's version
	log     *slog.Logger
	metrics *Metrics
}

// NewCache returns the cache in store; nil: it keeps nothing. program is the
// version of what makes the artifacts, which is part of their keys.
func NewCache(store *artifactstore.Store, program string, log *slog.Logger, metrics *Metrics) *Cache {
	return &Cache{store: store, program: program, log: log, metrics: metrics}
}

// Enabled reports whether there is a store.
func (c *Cache) Enabled() bool { return c.store != nil }

// Session is a run's view of the artifact store: what earlier runs of the job have
// left there, and what this one leaves.
type Session struct {
	store   *artifactstore.Store // nil: there is none, and the session keeps nothing
	job     string
	root    *os.Root // of the run's work files, in which ffmpeg writes too
	program string
	log     *slog.Logger
	metrics *Metrics

	// there are the keys that the store had when it was first asked.
	there func() map[string]bool
	// sum is the checksum of a file in dir that something else was made from:
	// the source, a watermark.
	sum func(name string) (string, error)

	restores, keeps *semaphore.Weighted
	keeping         sync.WaitGroup
	ctx             context.Context //nolint:containedctx // of what is kept in the background, which outlives a run that is handed back
	cancel          context.CancelCauseFunc

	mu       sync.Mutex
	away     bool            // the store failed a restore: the run asks it for no more
	refusals map[string]bool // keys of what is there and could not be used
	pending  map[string]bool // files that are still to be kept
}

// partsAtOnce is how many parts are restored, and how many are kept, at the
// same time.
const partsAtOnce = 2

// Open is the session of the run of a job whose work files are in dir.
func (c *Cache) Open(ctx context.Context, jobID, dir string) *Session {
	if c.store == nil {
		return &Session{}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		c.log.Warn("the artifact store is not used", "job", jobID, "error", err)
		return &Session{}
	}
	p := &Session{
		store: c.store, job: jobID, root: root, program: c.program,
		log: c.log.With("job", jobID), metrics: c.metrics, refusals: map[string]bool{}, pending: map[string]bool{},
		restores: semaphore.NewWeighted(partsAtOnce), keeps: semaphore.NewWeighted(partsAtOnce),
	}
	p.ctx, p.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	p.there = sync.OnceValue(func() map[string]bool { return p.list(ctx) })
	var mu sync.Mutex
	sums := map[string]func() (string, error){}
	p.sum = func(name string) (string, error) {
		mu.Lock()
		if sums[name] == nil {
			sums[name] = sync.OnceValues(func() (string, error) { return checksum(p.ctx, root, name) })
		}
		once := sums[name]
		mu.Unlock()
		return once()
	}
	return p
}

func (p *Session) list(ctx context.Context) map[string]bool {
	keys, err := p.store.List(ctx, p.job)
	if err != nil {
		p.trouble(ctx, "looking into the artifact store", err)
		p.metrics.part("error")
		return nil
	}
	there := map[string]bool{}
	for _, k := range keys {
		there[k] = true
	}
	return there
}

// trouble tells of the store's trouble, unless it is the end of the run's own
// time.
func (p *Session) trouble(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		p.log.Warn(what, "error", err)
	}
}

func checksum(ctx context.Context, root *os.Root, name string) (string, error) {
	f, err := artifactstore.OpenRegular(root, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		n, err := f.Read(buf)
		sum.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(sum.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// partsVersion changes when what is stored under a recipe is to be understood
// in another way.
const partsVersion = "1"

// key names a part by all that makes its bytes: what is done (the recipe), with
// what program, from what content. The content and not the address of the
// input: another file may be there by the next run.
func (p *Session) key(plan transcode.Plan, recipe []string) (string, error) {
	h := sha256.New()
	add := func(s string) { fmt.Fprintf(h, "%d:%s", len(s), s) }
	add(partsVersion)
	add(p.program)
	names := []string{transcode.SourceName}
	for _, f := range plan.Fetches {
		if slices.Contains(recipe, f.Name) {
			names = append(names, f.Name)
		}
	}
	for _, name := range names {
		sum, err := p.sum(name)
		if err != nil {
			return "", fmt.Errorf("read what parts are made from: %w", err)
		}
		add(sum)
	}
	for _, a := range recipe {
		add(a)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// End says how a run has ended.
type End int

// The ends of a run.
const (
	// Completed: the job is complete, and nobody needs its artifacts.
	Completed End = iota
	// Abandoned: another run has the job, or it was cancelled.
	Abandoned
	// Failed: the job has failed, or the run has and will be tried again.
	Failed
	// Stopped: the process stops.
	Stopped
)

// How long the end of a run waits for what is being kept: a run that failed and
// will be tried again has the time; one that was stopped must make way.
var keepTimeout = map[End]time.Duration{Completed: 0, Abandoned: 0, Failed: 30 * time.Second, Stopped: 1500 * time.Millisecond}

// Close ends what is being kept, when it is of no use any more, and removes the
// parts of a job that is complete. Those of a job that failed or was cancelled
// stay for a retry, until the sweep.
func (p *Session) Close(ctx context.Context, end End) {
	if p.store == nil {
		return
	}
	defer p.root.Close()
	defer p.cancel(nil)
	done := make(chan struct{})
	go func() {
		p.keeping.Wait()
		close(done)
	}()
	timer := time.NewTimer(keepTimeout[end])
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		p.cancel(errors.New("the run has ended"))
		<-done
	}
	if end != Completed {
		return
	}
	if err := p.store.Drop(context.WithoutCancel(ctx), p.job); err != nil {
		p.log.Warn("removing the parts of a job that is complete", "error", err) // the sweep does it later
	}
}
