package worker

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// This suite tests the order of effects. It breaks a run in each phase and in each
// way, and says which effects follow. Work and the packages below it are the real
// ones. The database, the storage and FFmpeg are fakes, and time is that of a synctest
// bubble.

// transcodePhases are those of a transcode, in their order.
var transcodePhases = []phase{
	{name: "claim", job: streamJob, effect: "claim", fails: dbRefuses, passes: errDisconnect, full: dbFull},
	{name: "load", job: streamJob, effect: "load", fails: dbRefuses, passes: errDisconnect, full: dbFull},
	{name: "resolve", job: streamJob, effect: "hls:queued", sharedEffect: "film:queued+hls:queued", fails: dbRefuses, passes: errDisconnect, times: 2, full: dbFull},
	{name: "check", job: streamJob, effect: "check", fails: job.Errorf(job.StorageRefused, "The bucket does not exist."), passes: errAway, full: errNoSpace},
	{name: "fetch", job: streamJob, effect: "fetch:in", fails: job.Errorf(job.InputNotFound, "There is no such file."), passes: errBroken, times: 2,
		full: job.Errorf(job.ServerDiskFull, "No room.")},
	{name: "plan", job: markedJob, effect: "open:logo", sharedJob: mixedJob, fails: job.Errorf(job.InputURLNotValid, "There is no such file."), passes: errBroken, full: errNoSpace},
	{name: "step", job: streamJob, effect: "encode", fails: &ffmpeg.RunError{ExitCode: 1}, passes: &ffmpeg.RunError{Cause: errors.New("cannot start")},
		full: &ffmpeg.RunError{ExitCode: 1, Tail: "No space left on device"}},
	{name: "package", job: streamJob, effect: "hls:packaging", fails: dbRefuses, passes: errDisconnect, times: 2, full: dbFull},
	{name: "verify", job: streamJob, effect: "verify:hls", fails: job.Errorf(job.OutputNotValid, "The result is damaged."), passes: errBroken, full: errNoSpace},
	{name: "upload", job: streamJob, effect: "put:2", fails: job.Errorf(job.StorageRefused, "The bucket is not yours."), passes: errAway, times: 2, full: errNoSpace},
	{name: "record", job: streamJob, effect: "hls:completed+job.completed", fails: dbRefuses, passes: errDisconnect, times: 2, full: dbFull},
}

// undisturbed are the effects of a run in which nothing breaks.
var undisturbed = map[string]string{
	streamJob: "claim load job.started hls:queued check open:in fetch:in input.transferred hls:encoding exists:master put:1 encode segment " +
		"hls:packaging verify:hls put:2 put:stream put:iframes put:master hls:completed+job.completed",
	sharedJob: "claim load job.started film:queued+hls:queued check open:in fetch:in input.transferred film:encoding+hls:encoding exists:master put:1 encode " +
		"mux verify:film put:film film:completed segment hls:packaging verify:hls put:2 put:stream put:iframes put:master hls:completed+job.completed",
	markedJob: "claim load job.started film:queued check open:in fetch:in input.transferred open:logo fetch:logo probe:logo " +
		"film:encoding encode mux verify:film put:film film:completed+job.completed",
}

const (
	allOfStream = "1 2 iframes master stream"

	// failed are the effects of a failure when only the first segment is stored.
	failed = "delete:1 hls:failed+job.failed"
)

// transcodeOutcomes are the outcomes of a transcode, by phase. In then, "..." is the rest
// of an undisturbed run, and an effect with "!" has failed.
var transcodeOutcomes = map[string]map[kind]outcome{
	// Without a lease nothing can be recorded: River tries again.
	"claim": {
		fails:     {then: "claim!", returns: "error"},
		shared:    {then: "claim!", returns: "error"},
		passes:    {then: "claim!", returns: "error"},
		last:      {then: "claim!", returns: "error"},
		full:      {then: "claim!", returns: "error"},
		cancelled: {then: "claim!", returns: "cancelled"},
		lost:      {then: "claim!", returns: "done"},
		stopped:   {then: "claim!", returns: "error"},
	},
	"load": {
		fails:     {then: "load!", returns: "error"},
		shared:    {then: "load!", returns: "error"},
		passes:    {then: "load!", returns: "error"},
		last:      {then: "load!", returns: "error"},
		full:      {then: "load!", returns: "error"},
		cancelled: {then: "load!", returns: "cancelled"},
		lost:      {then: "load job.started!", returns: "done"},
		stopped:   {then: "load!", returns: "error"},
	},
	// A statement is repeated while the database is away or full. A statement that
	// the database rejects ends the run. On the last attempt the job fails, if the
	// database accepts that.
	"resolve": {
		fails:     {then: "hls:queued!", returns: "error"},
		shared:    {then: "film:queued+hls:queued!", returns: "error"},
		passes:    {then: "hls:queued! hls:queued ...", left: allOfStream, returns: "done"},
		last:      {then: "hls:queued! hls:failed+job.failed", returns: "done"},
		full:      {then: "hls:queued! hls:queued ...", left: allOfStream, returns: "done"},
		cancelled: {then: "hls:queued!", returns: "cancelled"},
		lost:      {then: "hls:queued!", returns: "done"},
		stopped:   {then: "hls:queued!", returns: "stopped"},
	},
	// Only a refusal fails the outputs. Every other error may pass until the upload.
	"check": {
		fails:     {then: "check! hls:failed+job.failed", returns: "done"},
		shared:    {then: "check! film:failed+hls:failed+job.failed", returns: "done"},
		passes:    {then: "check! ...", left: allOfStream, returns: "done"},
		last:      {then: "check! ...", left: allOfStream, returns: "done"},
		full:      {then: "check! ...", left: allOfStream, returns: "done"},
		cancelled: {then: "check!", returns: "cancelled"},
		lost:      {then: "check open:in fetch:in input.transferred!", returns: "done"},
		stopped:   {then: "check!", returns: "stopped"},
	},
	// An error of the input fails the job, at once or after repeated downloads. A full
	// disk is an error of this server.
	"fetch": {
		fails:     {then: "fetch:in! input.failed+job.failed", returns: "done"},
		shared:    {then: "fetch:in! input.failed+job.failed", returns: "done"},
		passes:    {then: "fetch:in! fetch:in ...", left: allOfStream, returns: "done"},
		last:      {then: "fetch:in! input.failed+job.failed", returns: "done"},
		full:      {then: "fetch:in!", returns: "error"},
		cancelled: {then: "fetch:in!", returns: "cancelled"},
		lost:      {then: "fetch:in input.transferred!", returns: "done"},
		stopped:   {then: "fetch:in!", returns: "stopped"},
	},
	// A watermark that cannot be used fails its own output, whatever the error.
	"plan": {
		fails: {then: "open:logo! film:failed+job.failed", returns: "done"},
		shared: {then: "open:logo! film:failed hls:encoding exists:master put:1 encode segment " +
			"hls:packaging verify:hls put:2 put:stream put:iframes put:master hls:completed+job.failed", left: allOfStream, returns: "done"},
		passes:    {then: "open:logo! film:failed+job.failed", returns: "done"},
		last:      {then: "open:logo! film:failed+job.failed", returns: "done"},
		full:      {then: "open:logo! film:failed+job.failed", returns: "done"},
		cancelled: {then: "open:logo!", returns: "cancelled"},
		lost:      {then: "open:logo fetch:logo probe:logo film:encoding!", returns: "done"},
		stopped:   {then: "open:logo!", returns: "stopped"},
	},
	// Uploaded segments are deleted before the failure is recorded. They stay when
	// another run follows or has begun.
	"step": {
		fails: {then: "encode! " + failed + " segment!", returns: "done"},
		// The outputs are planned again, each alone. Here neither is better.
		shared: {then: "encode! segment! film:encoding+hls:encoding encode! encode! | film:failed | put:1 delete:1 hls:failed segment! | job.failed",
			returns: "done"},
		passes:    {then: "encode! segment!", left: "1", returns: "error"},
		last:      {then: "encode! " + failed + " segment!", returns: "done"},
		full:      {then: "encode! segment!", left: "1", returns: "error"},
		cancelled: {then: "encode! segment!", left: "1", returns: "cancelled"},
		lost:      {then: "encode segment!", left: "1", returns: "done"},
		stopped:   {then: "encode! segment!", left: "1", returns: "stopped"},
	},
	// An error of the database says nothing about an output.
	"package": {
		fails:     {then: "hls:packaging!", left: "1", returns: "error"},
		shared:    {then: "hls:packaging!", left: "1 film", returns: "error"},
		passes:    {then: "hls:packaging! hls:packaging ...", left: allOfStream, returns: "done"},
		last:      {then: "hls:packaging!", left: "1", returns: "error"},
		full:      {then: "hls:packaging! hls:packaging ...", left: allOfStream, returns: "done"},
		cancelled: {then: "hls:packaging!", left: "1", returns: "cancelled"},
		lost:      {then: "hls:packaging!", left: "1", returns: "done"},
		stopped:   {then: "hls:packaging!", left: "1", returns: "stopped"},
	},
	// A lost lease is noticed within two seconds. Until then results may be stored;
	// nothing is recorded.
	"verify": {
		fails:     {then: "verify:hls! " + failed, returns: "done"},
		shared:    {then: "verify:hls! " + failed, left: "film", returns: "done"},
		passes:    {then: "verify:hls! " + failed, returns: "done"},
		last:      {then: "verify:hls! " + failed, returns: "done"},
		full:      {then: "verify:hls!", left: "1", returns: "error"},
		cancelled: {then: "verify:hls!", left: "1", returns: "cancelled"},
		lost:      {then: "verify:hls put:2 put:stream put:iframes put:master hls:completed+job.completed!", left: allOfStream, returns: "done"},
		stopped:   {then: "verify:hls!", left: "1", returns: "stopped"},
	},
	// An object that the storage may have in spite of its error is deleted too.
	"upload": {
		fails:     {then: "put:2! delete:1 delete:2 hls:failed+job.failed", returns: "done"},
		shared:    {then: "put:2! delete:1 delete:2 hls:failed+job.failed", left: "film", returns: "done"},
		passes:    {then: "put:2! put:2 ...", left: allOfStream, returns: "done"},
		last:      {then: "put:2! delete:1 delete:2 hls:failed+job.failed", returns: "done"},
		full:      {then: "put:2!", left: "1", returns: "error"},
		cancelled: {then: "put:2!", left: "1", returns: "cancelled"},
		lost:      {then: "put:2 put:stream put:iframes put:master hls:completed+job.completed!", left: allOfStream, returns: "done"},
		stopped:   {then: "put:2!", left: "1", returns: "stopped"},
	},
	// Results that cannot be recorded stay: the next run replaces them.
	"record": {
		fails:     {then: "hls:completed+job.completed!", left: allOfStream, returns: "error"},
		shared:    {then: "hls:completed+job.completed!", left: "1 2 film iframes master stream", returns: "error"},
		passes:    {then: "hls:completed+job.completed! hls:completed+job.completed", left: allOfStream, returns: "done"},
		last:      {then: "hls:completed+job.completed!", left: allOfStream, returns: "error"},
		full:      {then: "hls:completed+job.completed! hls:completed+job.completed", left: allOfStream, returns: "done"},
		cancelled: {then: "hls:completed+job.completed!", left: allOfStream, returns: "cancelled"},
		lost:      {then: "hls:completed+job.completed!", left: allOfStream, returns: "done"},
		stopped:   {then: "hls:completed+job.completed!", left: allOfStream, returns: "stopped"},
	},
}

// probePhases are those of a probe, in their order.
var probePhases = []phase{
	{name: "claim", job: streamJob, effect: "claim", fails: dbRefuses, passes: errDisconnect, full: dbFull},
	{name: "load", job: streamJob, effect: "load", fails: dbRefuses, passes: errDisconnect, full: dbFull},
	{name: "open", job: streamJob, effect: "open:in", fails: job.Errorf(job.InputNotFound, "There is no such file."), passes: errBroken,
		full: job.Errorf(job.ServerDiskFull, "No room.")},
	{name: "probe", job: streamJob, effect: "probe", fails: job.Errorf(job.InputNotValid, "The input is no media file."), passes: errBroken, full: errNoSpace},
	{name: "record", job: streamJob, effect: "input.probed", fails: dbRefuses, passes: errDisconnect, times: 2, full: dbFull},
}

const undisturbedProbe = "claim load job.started open:in fetch:in probe input.probed"

// probeOutcomes are the outcomes of a probe, by phase. It fails the job if the input
// cannot be transcoded, or cannot be read on the last attempt.
var probeOutcomes = map[string]map[kind]outcome{
	"claim": {
		fails:     {then: "claim!", returns: "error"},
		passes:    {then: "claim!", returns: "error"},
		last:      {then: "claim!", returns: "error"},
		full:      {then: "claim!", returns: "error"},
		cancelled: {then: "claim!", returns: "cancelled"},
		lost:      {then: "claim!", returns: "done"},
		stopped:   {then: "claim!", returns: "error"},
	},
	"load": {
		fails:     {then: "load!", returns: "error"},
		passes:    {then: "load!", returns: "error"},
		last:      {then: "load!", returns: "error"},
		full:      {then: "load!", returns: "error"},
		cancelled: {then: "load!", returns: "cancelled"},
		lost:      {then: "load job.started!", returns: "done"},
		stopped:   {then: "load!", returns: "error"},
	},
	"open": {
		fails:     {then: "open:in! input.failed+job.failed", returns: "done"},
		passes:    {then: "open:in!", returns: "error"},
		last:      {then: "open:in! input.failed+job.failed", returns: "done"},
		full:      {then: "open:in!", returns: "error"},
		cancelled: {then: "open:in!", returns: "cancelled"},
		lost:      {then: "open:in fetch:in probe input.probed!", returns: "done"},
		stopped:   {then: "open:in!", returns: "stopped"},
	},
	"probe": {
		fails:     {then: "probe! input.failed+job.failed", returns: "done"},
		passes:    {then: "probe!", returns: "error"},
		last:      {then: "probe! input.failed+job.failed", returns: "done"},
		full:      {then: "probe!", returns: "error"},
		cancelled: {then: "probe!", returns: "cancelled"},
		lost:      {then: "probe input.probed!", returns: "done"},
		stopped:   {then: "probe!", returns: "stopped"},
	},
	"record": {
		fails:     {then: "input.probed!", returns: "error"},
		passes:    {then: "input.probed! input.probed", returns: "done"},
		last:      {then: "input.probed! input.failed+job.failed", returns: "done"},
		full:      {then: "input.probed! input.probed", returns: "done"},
		cancelled: {then: "input.probed!", returns: "cancelled"},
		lost:      {then: "input.probed!", returns: "done"},
		stopped:   {then: "input.probed!", returns: "stopped"},
	},
}

func TestOrderOfTranscode(t *testing.T) {
	for _, p := range transcodePhases {
		for _, k := range []kind{fails, shared, passes, last, full, cancelled, lost, stopped} {
			t.Run(p.name+"/"+string(k), func(t *testing.T) { testOrder(t, p, k, transcodeOnce, undisturbed[p.request(k)], transcodeOutcomes) })
		}
	}
}

func TestOrderOfProbe(t *testing.T) {
	for _, p := range probePhases {
		for _, k := range []kind{fails, passes, last, full, cancelled, lost, stopped} {
			t.Run(p.name+"/"+string(k), func(t *testing.T) { testOrder(t, p, k, probeOnce, undisturbedProbe, probeOutcomes) })
		}
	}
}

// testOrder breaks a run. It checks that the effects before are those of an undisturbed
// run, and that the others are as the outcome says.
func testOrder(t *testing.T, p phase, k kind, work workFunc, undisturbed string, outcomes map[string]map[kind]outcome) {
	want, ok := outcomes[p.name][k]
	if !ok {
		t.Fatal("the table has no outcome")
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, p.request(k))
		r.breakAt(p, k)
		err := r.work(work, k == last)
		before, then := r.split(p.effectOf(k))
		got := outcome{then: strings.Join(then, " "), left: strings.Join(r.storage.keys(), " "), returns: returned(err)}
		way := strings.Fields(undisturbed)
		if undisturbed != "" {
			if diff := cmp.Diff(way[:min(len(before), len(way))], before); diff != "" {
				t.Errorf("before it broke (-want +got):\n%s", diff)
			}
			want.then = strings.Replace(want.then, "...", strings.Join(way[min(len(before)+1, len(way)):], " "), 1)
		}
		if strings.Contains(want.then, "|") {
			got.then = byOutput(then)
		}
		if got != want {
			t.Errorf("from when it broke:\n got %+v\nwant %+v", got, want)
		}
	})
}

func TestUndisturbed(t *testing.T) {
	for request, want := range undisturbed {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, request)
			if err := r.work(transcodeOnce, false); err != nil || strings.Join(r.journal.effects, " ") != want {
				t.Errorf("%v\n got %s\nwant %s", err, strings.Join(r.journal.effects, " "), want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, streamJob)
		if err := r.work(probeOnce, false); err != nil || strings.Join(r.journal.effects, " ") != undisturbedProbe {
			t.Errorf("%v\n got %s\nwant %s", err, strings.Join(r.journal.effects, " "), undisturbedProbe)
		}
	})
}
