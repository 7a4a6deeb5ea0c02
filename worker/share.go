package worker

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/worker/admission"
	"github.com/copra-video/copra/worker/artifacts"
	"github.com/copra-video/copra/worker/execute"
	"github.com/copra-video/copra/worker/tasks"
)

// taskSpec is what another process needs to run a step, besides the request of the job.
// It holds addresses, so it is stored sealed.
type taskSpec struct {
	Plan    transcode.Plan // it has this one step
	Secrets map[transcode.SecretName]string
	Keys    []string // of the artifacts that the run expects
	Program string   // the version of ffmpeg, which these depend on
	Space   uint64   // bytes that the source and the files of the step take at most
	// Whole: the source is fetched before the step runs, and a photo decoded. Else the step
	// reads what it needs of it.
	Whole bool
}

// sharedPlan lets other processes run steps of a plan. It implements execute.Sharer.
type sharedPlan struct {
	p     *planned
	cache *artifacts.PlanCache
	tasks *tasks.Share
	// revoke takes the source back from tasks that run in this process; nil: it was not
	// lent to them.
	revoke func()
}

// share begins to share the steps of the plan. It returns nil if there is no artifact store,
// by which results come back, and for an input that is made of other files, which others
// would have to make too.
func (p *planned) share(ctx context.Context, cache *artifacts.PlanCache) *sharedPlan {
	if !cache.Enabled() || p.spec.Input.Joined() || p.media.Recording != "" {
		return nil
	}
	s := &sharedPlan{p: p, cache: cache}
	s.tasks = tasks.Start(ctx, tasks.Config{
		Store: p.w.tasks, JobID: p.lease.JobID(), Run: p.lease.Fence(), Node: p.w.node, Stale: StaleAfter,
		Spec: s.spec, Log: p.log, Metrics: p.w.metrics.tasks,
	})
	return s
}

// close ends the tasks that are left.
func (s *sharedPlan) close(ctx context.Context) {
	if s == nil {
		return
	}
	nodes := s.tasks.Close()
	if s.revoke != nil {
		s.revoke()
	}
	if len(nodes) > 0 {
		s.p.log.InfoContext(ctx, "steps made elsewhere", "nodes", nodes)
	}
}

// nodesOf returns the other workers that have run steps of output i.
func (s *sharedPlan) nodesOf(i int) []string {
	if s == nil {
		return nil
	}
	return s.tasks.NodesOf(i)
}

// spec returns the taskSpec of a step as JSON. The first call may read the whole source,
// whose identity is part of the keys.
func (s *sharedPlan) spec(_ context.Context, st transcode.Step) ([]byte, error) {
	keys, err := s.cache.Keys(st)
	if err != nil {
		return nil, err
	}
	if s.revoke == nil {
		s.revoke = s.p.w.sources.Lend(s.p.lease.JobID(), s.p.copy)
	}
	plan := s.p.plan.Alone(st)
	spec := taskSpec{
		Plan: plan, Secrets: map[transcode.SecretName]string{}, Keys: keys, Program: s.cache.Program(),
		Space: admission.Need(st.SourceUse(s.p.media).Bytes, spaceOf(s.p.plan, st), true),
		Whole: s.p.fetchFirst(),
	}
	for name, secret := range plan.Secrets {
		spec.Secrets[name] = secret.Reveal()
	}
	return json.Marshal(spec)
}

// spaceOf estimates the disk space that a step takes: its part of that of the plan, in
// proportion to the cost.
func spaceOf(p transcode.Plan, st transcode.Step) transcode.Space {
	var total float64
	for _, other := range p.Steps {
		total += other.Cost
	}
	part := 1.0
	if total > 0 {
		part = st.Cost / total
	}
	return transcode.Space{Bytes: int64(part * float64(p.Space.Bytes)), CachedBytes: int64(part * float64(p.Space.CachedBytes))}
}

// Share implements execute.Sharer.
func (s *sharedPlan) Share(st transcode.Step, progress func(float64)) execute.Shared {
	return &sharedStep{Step: s.tasks.Add(st, progress), cache: s.cache, step: st}
}

// sharedStep implements execute.Shared.
type sharedStep struct {
	*tasks.Step
	cache *artifacts.PlanCache
	step  transcode.Step
}

// State implements execute.Shared.
func (s *sharedStep) State() (execute.SharedState, <-chan struct{}) {
	state, changed := s.Step.State()
	switch state {
	case tasks.Elsewhere:
		return execute.SharedElsewhere, changed
	case tasks.Made:
		return execute.SharedMade, changed
	default:
		return execute.SharedOpen, changed
	}
}

// Restore implements execute.Shared. If it fails, the step is run here.
func (s *sharedStep) Restore(ctx context.Context) bool {
	if s.cache.RestoreNew(ctx, s.step) {
		return true
	}
	s.Unusable()
	return false
}

// decodeTask decodes the spec of a claimed task.
func decodeTask(spec []byte) (taskSpec, error) {
	var t taskSpec
	if err := json.Unmarshal(spec, &t); err != nil {
		return t, fmt.Errorf("decode task: %w", err)
	}
	if len(t.Plan.Steps) != 1 || !t.Plan.Steps[0].Portable() {
		return t, fmt.Errorf("decode task: it is not one portable step")
	}
	t.Plan.Secrets = transcode.Secrets{}
	for name, value := range t.Secrets {
		t.Plan.Secrets[name] = job.NewSecret(value)
	}
	return t, nil
}
