package worker

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

	"github.com/riverqueue/river"
	"golang.org/x/sync/semaphore"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// parts is a run's view of the artifact store: what earlier runs of the job have
// left there, and what this one leaves. Nothing that goes wrong with the store
// is an error of the run. A nil *parts has no store.
type parts struct {
	store   *artifacts.Store
	job     string
	root    *os.Root // of the run's work files, in which ffmpeg writes too
	program string   // ffmpeg's version
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

// openParts is the view of the run whose work files are in dir.
func (r *run) openParts(ctx context.Context, dir string) *parts {
	if r.w.Artifacts == nil {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		r.w.Log.Warn("the artifact store is not used", "job", r.id, "error", err)
		return nil
	}
	p := &parts{
		store: r.w.Artifacts, job: r.id, root: root, program: r.w.Media.Version(),
		log: r.w.Log.With("job", r.id), metrics: r.w.Metrics, refusals: map[string]bool{}, pending: map[string]bool{},
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

func (p *parts) list(ctx context.Context) map[string]bool {
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
func (p *parts) trouble(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		p.log.Warn(what, "error", err)
	}
}

func checksum(ctx context.Context, root *os.Root, name string) (string, error) {
	f, err := artifacts.OpenRegular(root, name)
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
func (p *parts) key(plan transcode.Plan, recipe []string) (string, error) {
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

// How long the end of a run waits for what is being kept: a run that failed and
// will be tried again has the time; one that was stopped must make way.
const (
	keepAfterFailure = 30 * time.Second
	keepAfterStop    = 1500 * time.Millisecond
)

// end ends what is being kept, when it is of no use any more, and removes the
// parts of a job that is complete. Those of a job that failed or was cancelled
// stay for a retry, until the sweep.
func (p *parts) end(ctx context.Context, state job.State) {
	if p == nil {
		return
	}
	defer p.root.Close()
	defer p.cancel(nil)
	done := make(chan struct{})
	go func() {
		p.keeping.Wait()
		close(done)
	}()
	wait := keepAfterStop
	switch cause := context.Cause(ctx); {
	case state.Status == job.JobCompleted, errors.Is(cause, job.ErrLeaseLost), errors.Is(cause, river.ErrJobCancelledRemotely):
		wait = 0
	case cause == nil, errors.Is(cause, errDatabase), ffmpeg.Transient(cause), diskFull(cause): // the run's own failure
		wait = keepAfterFailure
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		p.cancel(errors.New("the run has ended"))
		<-done
	}
	if state.Status != job.JobCompleted {
		return
	}
	if err := p.store.Drop(context.WithoutCancel(ctx), p.job); err != nil {
		p.log.Warn("removing the parts of a job that is complete", "error", err) // the sweep does it later
	}
}
