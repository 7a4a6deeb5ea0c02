package worker

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/worker/admission"
	"github.com/copra-video/copra/worker/artifacts"
	"github.com/copra-video/copra/worker/execute"
)

// planned is the phase in which the steps are known, and every file that they read
// is in the work directory.
type planned struct {
	*fetched
	outputs []*job.Output // nil: not in this plan
	plan    transcode.Plan
}

// plan plans the outputs and fetches the watermarks and captions that they need. An
// output for which one of them cannot be used is recorded as failed and left out of the plan.
func (f *fetched) plan(ctx context.Context, outputs []*job.Output, opts transcode.Options) (*planned, error) {
	outputs = slices.Clone(outputs)
	plan := transcode.Build(outputs, f.media, opts)
	missing := false
	for _, fetch := range plan.Fetches {
		err := f.w.input.Fetch(ctx, fetch, plan.Secrets[fetch.URL], f.dir, fetchFailure)
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
		missing = true
		for _, i := range fetch.Outputs {
			f.log.WarnContext(ctx, "file not fetched", "file", fetch.Name, "output", outputs[i].Key, "reason", outputFailure(err).Reason, "error", err)
			if err := f.failOutput(ctx, outputs[i].Key, err); err != nil {
				return nil, err
			}
			outputs[i] = nil
		}
	}
	if missing {
		plan = transcode.Build(outputs, f.media, opts)
	}
	return &planned{fetched: f, outputs: outputs, plan: plan}, nil
}

// makeOutputs makes and publishes all outputs. Outputs that fail on a device are
// made in software: the device may be lost, or its encoder refuse what the software
// takes. The next job tries the device again, since one bad input must not take it
// from all that follow. Outputs that fail in chunks are made
// in one piece. Outputs that fail in a step that several share are planned once
// more, each alone, so that only those fail that are at fault. So are outputs that
// fail where the input was entered by seeking: then it is decoded from its start.
func (f *fetched) makeOutputs(ctx context.Context, space *admission.Reservation) error {
	f.readIndex(ctx)
	early, err := f.startEarly(ctx)
	if err != nil {
		return err
	}
	defer early.close()
	f.early = early
	opts := f.planning()
	if err := f.weigh(ctx, &opts); err != nil {
		return err
	}
	if err := f.copy.Err(); err != nil {
		return &inputError{err}
	}
	p, err := f.plan(ctx, f.outputs, opts)
	if err != nil {
		return err
	}
	if err := p.recordNotes(ctx); err != nil {
		return err
	}
	failed, err := p.run(ctx, space)
	if err == nil && len(failed) > 0 && p.usesDevice() {
		p.noteFallback(ctx, failed)
		opts.Encoder.Use, opts.NoDevices = "software", true
		p, failed, err = f.again(ctx, space, p, failed, opts, "software")
	}
	if err == nil && len(failed) > 0 && opts.ChunkSeconds > 0 {
		opts.ChunkSeconds = 0
		p, failed, err = f.again(ctx, space, p, failed, opts, "one_piece")
	}
	if err == nil && len(failed) > 0 {
		opts.Isolate, opts.NoSeek = true, true
		_, _, err = f.again(ctx, space, p, failed, opts, "isolate")
	}
	return err
}

// readIndex finds out where the input can be entered, if an output may make use of that.
// Without an answer more of the input is decoded.
func (f *fetched) readIndex(ctx context.Context) {
	uses := func(o *job.Output) bool {
		return o != nil && (o.Type == job.TypeImage || f.spec.Settings.EarlyPlayback || f.spec.Settings.Copy != "" ||
			o.Video != nil && o.Video.Copy != "" || o.Stream != nil && o.Stream.Copy != "")
	}
	if !slices.ContainsFunc(f.outputs, uses) {
		return
	}
	if err := f.copy.Index(ctx, &f.media); err != nil {
		f.log.DebugContext(ctx, "index of the input not read", "error", err)
	}
}

// weigh measures how chunks share a bitrate, if any do, for which all of the input is
// fetched. If the input cannot be measured, they share it equally.
func (f *fetched) weigh(ctx context.Context, opts *transcode.Options) (err error) {
	stream := transcode.Build(f.outputs, f.media, *opts).Weighed
	if stream == nil {
		return nil
	}
	if err := f.fetch(ctx); ctx.Err() != nil {
		return context.Cause(ctx)
	} else if err != nil {
		return &inputError{err}
	}
	opts.Weights, err = f.w.media.Weights(ctx, f.dir, transcode.SourceName, *stream, f.w.stall)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		f.log.WarnContext(ctx, "input not weighed", "error", err)
	}
	return nil
}

// again plans the outputs that have failed once more, and runs the plan. fallback
// names the way for the metric.
func (f *fetched) again(ctx context.Context, space *admission.Reservation, p *planned, failed []int, opts transcode.Options, fallback string) (*planned, []int, error) {
	f.log.WarnContext(ctx, "outputs planned again", "outputs", len(failed), "fallback", fallback)
	f.w.metrics.fallback(fallback)
	outputs := make([]*job.Output, len(p.outputs))
	for _, i := range failed {
		outputs[i] = p.outputs[i]
	}
	execute.RemoveFiles(f.dir, p.plan, f.cache.Pinned)
	next, err := f.plan(ctx, outputs, opts)
	if err != nil {
		return nil, nil, err
	}
	failed, err = next.run(ctx, space)
	return next, failed, err
}

// usesDevice reports whether a step encodes on a device.
func (p *planned) usesDevice() bool {
	return slices.ContainsFunc(p.plan.Steps, func(st transcode.Step) bool { return len(st.Devices) > 0 })
}

// onDevice reports whether a step of output i encodes on a device.
func (p *planned) onDevice(i int) bool {
	return slices.ContainsFunc(p.plan.Steps, func(st transcode.Step) bool {
		return len(st.Devices) > 0 && slices.Contains(st.Outputs, i)
	})
}

// noteFallback records of outputs that the device has failed.
func (p *planned) noteFallback(ctx context.Context, failed []int) {
	var events []job.Event
	for _, i := range failed {
		if p.onDevice(i) {
			events = append(events, job.Event{Kind: job.OutputNoteEvent, Output: p.outputs[i].Key, Note: "The device failed, so it is encoded in software."})
		}
	}
	if len(events) == 0 {
		return
	}
	if err := p.lease.Record(ctx, events...); err != nil {
		p.log.WarnContext(ctx, "event not recorded", "error", err)
	}
}

// recordNotes records of each output that is not made in chunks although the job
// asks for it, why, and with what it is encoded where that is worth a word.
func (p *planned) recordNotes(ctx context.Context) error {
	var events []job.Event
	for _, note := range p.plan.Notes {
		for _, i := range note.Outputs {
			p.log.InfoContext(ctx, "note", "output", p.outputs[i].Key, "note", note.Text)
			events = append(events, job.Event{Kind: job.OutputNoteEvent, Output: p.outputs[i].Key, Note: note.Text})
		}
	}
	for _, one := range p.plan.OnePiece {
		for _, i := range one.Outputs {
			p.log.InfoContext(ctx, "made in one piece", "output", p.outputs[i].Key, "reason", one.Reason)
			events = append(events, job.Event{Kind: job.OutputNoteEvent, Output: p.outputs[i].Key, Note: "Made in one piece: " + one.Reason})
		}
	}
	if len(events) == 0 {
		return nil
	}
	return p.lease.Record(ctx, events...)
}

// run runs the steps of the plan and completes each output as soon as its own steps
// are done. It returns the indices of the outputs that another plan may make, about
// which nothing is recorded yet. Every other output is recorded as completed or
// failed. An error means that the run cannot go on.
//
// The CPU slots and the reserved disk space are released when the last step has
// ended, since uploads need neither; the slots before, when only a speech service is
// waited for.
func (p *planned) run(ctx context.Context, space *admission.Reservation) (again []int, err error) {
	n, release, err := p.w.slots.Acquire(ctx, p.plan)
	if err != nil {
		return nil, err
	}
	release = sync.OnceFunc(release)
	defer release()
	p.log.DebugContext(ctx, "slots acquired", "slots", n)
	if err := p.recordEncoding(ctx); err != nil {
		return nil, err
	}
	if err := p.fetchSource(); err != nil {
		return nil, err
	}
	defer p.recordArrival(ctx)()
	p.slot.SetEncoded(false)
	cache := p.cache.ForPlan(ctx, p.plan)
	shared := p.share(ctx, cache)
	defer shared.close(ctx)
	runs := p.w.jobLog(p.lease.JobID(), p.lease.Fence(), 0)
	defer runs.close()
	settings := p.execution(ctx, cache, shared)
	settings.Ran = func(st transcode.Step, r ffmpeg.Report) { runs.ran(ctx, st, r) }
	steps := execute.Start(ctx, p.dir, p.plan, settings)
	var wg sync.WaitGroup
	wg.Go(func() {
		left := steps.WaitEncoded()
		release()
		if left { // the rest waits for a speech service, and other jobs need not
			p.slot.SetEncoded(true)
			defer p.slot.WaitForOthers()()
		}
		steps.WaitAll()
		space.Release() // uploads write no files
		p.slot.SetEncoded(true)
	})
	var mu sync.Mutex
	var errs []error
	for i, o := range p.outputs {
		if o == nil {
			continue
		}
		wg.Go(func() {
			retry, err := p.completeOutput(ctx, steps, shared, i, o)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				p.stop(err)
			}
			if retry {
				again = append(again, i)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return again, errors.Join(errs...)
}

// execution returns what the steps need. A progress report that finds the lease lost
// stops the run.
func (p *planned) execution(ctx context.Context, cache *artifacts.PlanCache, shared *sharedPlan) execute.Config {
	keys := make([]string, len(p.spec.Outputs))
	for i, o := range p.spec.Outputs {
		keys[i] = o.Key
	}
	c := execute.Config{
		Media: p.w.media, Cache: cache, Source: p.copy, StallTimeout: p.w.stall, Keys: keys,
		Progress: func(done map[string]float64) {
			if err := p.lease.SetProgress(ctx, done); errors.Is(err, job.ErrLeaseLost) {
				p.stop(err)
			}
		},
		Speech: p.w.speech, Note: p.note,
		Log: p.log, Metrics: p.w.metrics.execute,
	}
	if shared != nil {
		c.Sharer = shared
	}
	return c
}

// note records a sentence on the outputs of a step.
func (p *planned) note(ctx context.Context, st transcode.Step, text string) {
	var events []job.Event
	for _, i := range st.Outputs {
		if o := p.outputs[i]; o != nil {
			events = append(events, job.Event{Kind: job.OutputNoteEvent, Output: o.Key, Note: text})
		}
	}
	if err := p.lease.Record(ctx, events...); err != nil {
		p.log.WarnContext(ctx, "event not recorded", "error", err)
	}
}

// recordEncoding records of every output in the plan that it is being encoded.
func (p *planned) recordEncoding(ctx context.Context) error {
	var events []job.Event
	for i, o := range p.outputs {
		if o != nil && p.plan.Results[i].Err == nil {
			events = append(events, job.Event{Kind: job.OutputStageEvent, Output: o.Key, Stage: job.Encoding})
		}
	}
	if len(events) == 0 {
		return nil
	}
	return p.lease.Record(ctx, events...)
}
