package artifacts

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	artifactstore "github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode"
)

// PlanCache is the artifact store for one plan of a run. It tells which steps need
// not run, and stores what the others make.
type PlanCache struct {
	*Session
	plan transcode.Plan
	// satisfied has the steps that make artifacts. Each is decided once, when it is
	// asked for.
	satisfied map[string]func() bool
}

// ForPlan returns the cache for a plan whose steps run until ctx ends. From now on
// the files of its artifacts are pinned.
func (s *Session) ForPlan(ctx context.Context, plan transcode.Plan) *PlanCache {
	c := &PlanCache{Session: s, plan: plan, satisfied: map[string]func() bool{}}
	if s.store == nil {
		return c
	}
	for _, st := range plan.Steps {
		if len(st.Artifacts) == 0 {
			continue
		}
		for _, a := range st.Artifacts {
			s.pin(a)
		}
		c.satisfied[st.ID] = sync.OnceValue(func() bool { return c.unneeded(st) || c.restore(ctx, st) })
	}
	return c
}

// Satisfied reports whether st need not run: what it makes was restored, or only
// steps that are satisfied need it. It may block while files are restored. It does
// not wait for the steps that st needs.
func (c *PlanCache) Satisfied(st transcode.Step) bool {
	return c.satisfied[st.ID] != nil && len(c.stored()) > 0 && c.satisfied[st.ID]()
}

// unneeded reports whether all steps that need st are satisfied, and there is one.
// It is so for a first pass when the second pass was restored.
func (c *PlanCache) unneeded(st transcode.Step) bool {
	serves := false
	for _, other := range c.plan.Steps {
		if !slices.Contains(other.Needs, st.ID) {
			continue
		}
		if serves = c.Satisfied(other); !serves {
			return false
		}
	}
	if serves {
		c.unpin(st.Artifacts...)
	}
	return serves
}

// move is a restored file that has not got its name yet.
type move struct{ from, to string }

// restore restores all artifacts of st or none. The files get their names when all
// of them are there and verified.
func (c *PlanCache) restore(ctx context.Context, st transcode.Step) bool {
	keys, ok := c.findAll(ctx, st)
	if !ok {
		return false
	}
	if c.restoreSlots.Acquire(ctx, 1) != nil {
		return false
	}
	defer c.restoreSlots.Release(1)
	var moves []move
	for i, a := range st.Artifacts {
		files, err := c.fetch(ctx, keys[i], a)
		moves = append(moves, files...)
		if err != nil {
			c.notRestored(ctx, st, keys[i], err)
			c.remove(moves)
			return false
		}
	}
	for _, m := range moves {
		if err := c.root.Rename(m.from, m.to); err != nil {
			c.warn(ctx, "artifact not placed", err)
			c.remove(moves)
			return false
		}
	}
	c.unpin(st.Artifacts...)
	for range st.Artifacts {
		c.metrics.count(resultRestored)
	}
	c.log.InfoContext(ctx, "step restored", "step", st.ID)
	return true
}

// Keys returns the keys under which the artifacts of st will be stored. It may read
// the source.
func (c *PlanCache) Keys(st transcode.Step) (keys []string, err error) {
	for _, a := range st.Artifacts {
		key, err := c.key(c.plan, a.KeyInputs)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// RestoreNew restores the artifacts of st that another process has stored since the
// session began. It reports false if that fails.
func (c *PlanCache) RestoreNew(ctx context.Context, st transcode.Step) bool {
	keys, err := c.Keys(st)
	if err != nil {
		c.warn(ctx, "artifact key failed", err)
		return false
	}
	c.mu.Lock()
	for _, key := range keys {
		c.added[key] = true
	}
	c.mu.Unlock()
	return c.restore(ctx, st)
}

// StoreNow stores the artifacts of a step that has run, unless the store has them, and
// waits for it.
func (c *PlanCache) StoreNow(ctx context.Context, st transcode.Step) error {
	defer context.AfterFunc(ctx, func() { c.cancel(context.Cause(ctx)) })()
	for _, a := range st.Artifacts {
		stored, err := c.put(a)
		c.unpin(a)
		if err != nil {
			c.metrics.count(resultError)
			return fmt.Errorf("store artifact: %w", err)
		}
		if stored {
			c.metrics.count(resultStored)
		}
	}
	return nil
}

// findAll returns the keys under which the artifacts of st are stored; ok is false
// when one of them is not.
func (c *PlanCache) findAll(ctx context.Context, st transcode.Step) (keys []string, ok bool) {
	for _, a := range st.Artifacts {
		key, err := c.find(a)
		if err != nil {
			c.warn(ctx, "artifact key failed", err)
			return nil, false
		}
		if key == "" {
			c.metrics.count(resultMissing)
			return nil, false
		}
		keys = append(keys, key)
	}
	return keys, true
}

// find returns the key under which an artifact, or a substitute, is stored; "" when
// none is.
func (c *PlanCache) find(a transcode.Artifact) (string, error) {
	for _, inputs := range append([][]string{a.KeyInputs}, a.Substitutes...) {
		key, err := c.key(c.plan, inputs)
		if err != nil || c.usable(key) {
			return key, err
		}
	}
	return "", nil
}

var errStoreFailed = errors.New("the artifact store has failed before in this run")

// fetch restores the files of an artifact beside their places.
func (c *PlanCache) fetch(ctx context.Context, key string, a transcode.Artifact) ([]move, error) {
	c.mu.Lock()
	failed := c.failed
	c.mu.Unlock()
	if failed {
		return nil, errStoreFailed
	}
	var moves []move
	_, err := c.store.Restore(ctx, c.job, key, c.root, func(stored string) (string, bool) {
		name, ok := fileName(a, stored)
		if !ok || c.root.MkdirAll(filepath.Dir(name), 0o700) != nil {
			return "", false
		}
		moves = append(moves, move{from: name + ".restored", to: name})
		return name + ".restored", true
	})
	if err != nil {
		return nil, err
	}
	return moves, nil
}

// notRestored notes why an artifact could not be restored. This run's own then
// replaces it.
func (c *PlanCache) notRestored(ctx context.Context, st transcode.Step, key string, err error) {
	if ctx.Err() != nil {
		return
	}
	result, failed := resultError, false
	switch {
	case errors.Is(err, artifactstore.ErrMissing):
		result = resultMissing
	case errors.Is(err, artifactstore.ErrBroken):
		result = resultBroken
	case !errors.Is(err, errStoreFailed):
		failed = true
	}
	c.mu.Lock()
	c.failed = c.failed || failed
	c.unusable[key] = true
	c.mu.Unlock()
	c.metrics.count(result)
	c.log.WarnContext(ctx, "artifact not restored", "step", st.ID, "error", err)
}

// remove removes restored files that have not got their names.
func (c *PlanCache) remove(moves []move) {
	for _, m := range moves {
		_ = c.root.Remove(m.from) // it may not be there
	}
}

// Store stores the artifacts of a step that has run, in the background.
func (c *PlanCache) Store(st transcode.Step) {
	if c.store == nil {
		return
	}
	for _, a := range st.Artifacts {
		c.storing.Go(func() {
			defer c.unpin(a)
			if c.storeSlots.Acquire(c.ctx, 1) != nil {
				return
			}
			defer c.storeSlots.Release(1)
			stored, err := c.put(a)
			switch {
			case c.ctx.Err() != nil: // the run has ended
			case err != nil:
				c.metrics.count(resultError)
				c.log.WarnContext(c.ctx, "artifact not stored", "step", st.ID, "error", err)
			case stored:
				c.metrics.count(resultStored)
			}
		})
	}
}

// put stores an artifact, unless the store has it.
func (c *PlanCache) put(a transcode.Artifact) (stored bool, err error) {
	key, err := c.key(c.plan, a.KeyInputs)
	if err != nil || c.usable(key) {
		return false, err
	}
	files, err := filesOf(c.root, a)
	if err != nil {
		return false, err
	}
	size, err := c.store.Put(c.ctx, c.job, key, c.root, files)
	if err != nil {
		return false, err
	}
	c.log.DebugContext(c.ctx, "artifact stored", "files", a.Files, "bytes", size)
	return true, nil
}
