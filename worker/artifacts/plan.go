package artifacts

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"

	artifactstore "github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode"
)

// Plan is what the artifact store does for one plan: it satisfies steps whose
// parts an earlier run has made, and stores those of the others.
type Plan struct {
	*Session
	plan      transcode.Plan
	satisfied map[string]func() bool // by step; settled when first asked
}

// Plan is the view of a plan, whose steps run until ctx ends.
func (p *Session) Plan(ctx context.Context, plan transcode.Plan) *Plan {
	u := &Plan{Session: p, plan: plan, satisfied: map[string]func() bool{}}
	if p.store == nil {
		return u
	}
	for _, st := range plan.Steps {
		if len(st.Artifacts) == 0 {
			continue
		}
		p.mu.Lock()
		for _, part := range st.Artifacts {
			for _, name := range part.Files {
				p.pending[name] = true
			}
		}
		p.mu.Unlock()
		u.satisfied[st.ID] = sync.OnceValue(func() bool { return u.unneeded(st) || u.restore(ctx, st) })
	}
	return u
}

// Satisfied reports whether st need not run, because what it makes has been
// brought from the store, or serves only what has been. It does not wait for
// the steps that st needs.
func (u *Plan) Satisfied(st transcode.Step) bool {
	return u.satisfied[st.ID] != nil && len(u.there()) > 0 && u.satisfied[st.ID]()
}

// unneeded reports whether st only serves steps that are satisfied, as a first pass
// does whose second is there.
func (u *Plan) unneeded(st transcode.Step) bool {
	serves := false
	for _, other := range u.plan.Steps {
		if !slices.Contains(other.Needs, st.ID) {
			continue
		}
		if serves = u.Satisfied(other); !serves {
			return false
		}
	}
	if serves {
		u.unpinStep(st)
	}
	return serves
}

// unpinStep notes that nothing of st is to be kept any more.
func (u *Plan) unpinStep(st transcode.Step) {
	for _, part := range st.Artifacts {
		u.unpin(part)
	}
}

func (p *Session) unpin(part transcode.Artifact) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range part.Files {
		delete(p.pending, name)
	}
}

// Pinned reports whether a file is still to be stored, so that nothing of it may
// be given up yet.
func (p *Session) Pinned(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pending[name]
}

// restore restores all parts of st or none. Files appear under their names when
// all of them are there, whole and verified.
func (u *Plan) restore(ctx context.Context, st transcode.Step) bool {
	keys := make([]string, len(st.Artifacts))
	for i, part := range st.Artifacts {
		var err error
		if keys[i], err = u.find(part); err != nil {
			u.trouble(ctx, "naming a part", err)
			return false
		}
		if keys[i] == "" {
			u.metrics.part("missing")
			return false
		}
	}
	if u.restores.Acquire(ctx, 1) != nil {
		return false
	}
	defer u.restores.Release(1)
	var moves [][2]string // from, to
	for i, part := range st.Artifacts {
		got, err := u.fetch(ctx, keys[i], part)
		moves = append(moves, got...)
		if err != nil {
			u.restoreFailed(ctx, st, keys[i], err)
			u.drop(moves)
			return false
		}
	}
	for _, m := range moves {
		if err := u.root.Rename(m[0], m[1]); err != nil {
			u.trouble(ctx, "placing a restored part", err)
			u.drop(moves)
			return false
		}
	}
	u.unpinStep(st)
	for range st.Artifacts {
		u.metrics.part("restored")
	}
	u.log.Info("step done by an earlier run", "step", st.ID)
	return true
}

// find returns the key under which a part, or what does as well, is there; ""
// when it is not.
func (u *Plan) find(part transcode.Artifact) (string, error) {
	for _, recipe := range append([][]string{part.KeyInputs}, part.Substitutes...) {
		key, err := u.key(u.plan, recipe)
		if err != nil || u.has(key) {
			return key, err
		}
	}
	return "", nil
}

// fetch restores a part beside the places of its files.
func (u *Plan) fetch(ctx context.Context, key string, part transcode.Artifact) (moves [][2]string, err error) {
	u.mu.Lock()
	away := u.away
	u.mu.Unlock()
	if away {
		return nil, errAway
	}
	_, err = u.store.Restore(ctx, u.job, key, u.root, func(name string) (string, bool) {
		to, ok := fileOf(part, name)
		if !ok || u.root.MkdirAll(filepath.Dir(to), 0o700) != nil {
			return "", false
		}
		moves = append(moves, [2]string{to + ".restored", to})
		return to + ".restored", true
	})
	if err != nil {
		return nil, err
	}
	return moves, nil
}

var errAway = errors.New("the artifact store has failed before in this run")

// restoreFailed notes why a part did not come.
func (u *Plan) restoreFailed(ctx context.Context, st transcode.Step, key string, err error) {
	result := "error"
	switch {
	case ctx.Err() != nil:
		return
	case errors.Is(err, artifactstore.ErrMissing):
		result = "missing"
	case errors.Is(err, artifactstore.ErrBroken):
		result = "broken"
	case errors.Is(err, errAway):
	default:
		u.mu.Lock()
		u.away = true
		u.mu.Unlock()
	}
	u.metrics.part(result)
	u.mu.Lock()
	u.refusals[key] = true // this run's is stored in its place
	u.mu.Unlock()
	u.log.Warn("a step is done again, since its part could not be restored", "step", st.ID, "error", err)
}

func (p *Session) drop(moves [][2]string) {
	for _, m := range moves {
		_ = p.root.Remove(m[0]) // it may not be there
	}
}

// Store stores the parts of a step that has run, in the background.
func (u *Plan) Store(st transcode.Step) {
	if u.store == nil {
		return
	}
	for _, part := range st.Artifacts {
		u.keeping.Go(func() {
			defer u.unpin(part)
			if u.keeps.Acquire(u.ctx, 1) != nil {
				return
			}
			defer u.keeps.Release(1)
			kept, err := u.put(part)
			switch {
			case u.ctx.Err() != nil: // the run has ended
			case err != nil:
				u.metrics.part("error")
				u.log.Warn("a part could not be kept", "step", st.ID, "error", err)
			case kept:
				u.metrics.part("kept")
			}
		})
	}
}

// put stores a part, unless it is there.
func (u *Plan) put(part transcode.Artifact) (kept bool, err error) {
	key, err := u.key(u.plan, part.KeyInputs)
	if err != nil || u.has(key) {
		return false, err
	}
	files, err := filesOf(u.root, part)
	if err != nil {
		return false, err
	}
	size, err := u.store.Keep(u.ctx, u.job, key, u.root, files)
	if err == nil {
		u.log.Debug("part kept", "files", part.Files, "bytes", size)
	}
	return err == nil, err
}

// has reports whether an earlier run has stored a part, as far as is known.
func (p *Session) has(key string) bool {
	there := p.there() // which may take its time
	p.mu.Lock()
	defer p.mu.Unlock()
	return there[key] && !p.refusals[key]
}
