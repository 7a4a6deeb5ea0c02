package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/job"
)

func hasReason(err error, reason job.Reason) bool {
	e, ok := errors.AsType[*job.Error](err)
	return ok && e.Reason == reason
}

func TestRetry(t *testing.T) {
	f := open(t)
	id, riverID, run := f.transcoding("a")
	if _, err := f.RetryJob(t.Context(), f.keyID, id); !hasReason(err, job.JobNotFinished) {
		t.Errorf("a running job: %v", err)
	}
	f.record(id, run, completed("jpg:300x"), failed("mp4:720p"))
	before := f.get(id)
	if _, err := f.RetryJob(t.Context(), f.key("other"), id); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("another key retries: %v", err)
	}
	st, err := f.RetryJob(t.Context(), f.keyID, id)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "read back", st, f.get(id))
	if st.Status != job.JobStarting || st.Outputs[0].Stage != job.Waiting || st.Outputs[1].Stage != job.Done {
		t.Errorf("put back to %+v", st)
	}
	diff(t, "what was done", before.Outputs[1], st.Outputs[1])
	if _, err := f.RetryJob(t.Context(), f.keyID, id); !hasReason(err, job.JobNotFinished) {
		t.Errorf("twice: %v", err)
	}
	next := f.riverJob(id)
	if n := f.count(`river_job WHERE id = $1 AND kind = 'transcode' AND state = 'available'`, next); n != 1 || next == riverID {
		t.Error("no new transcode was queued")
	}
	// The earlier run can no longer write.
	e := completed("mp4:720p")
	e.At = time.Now()
	if _, err := f.Record(t.Context(), id, run, e); !errors.Is(err, job.ErrLeaseLost) {
		t.Errorf("the old run records: %v", err)
	}
	run = f.claim(id, "b")
	rec, err := f.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if !rec.AcceptedAt.After(rec.State.CreatedAt) {
		t.Errorf("the retry began at %v, the job at %v", rec.AcceptedAt, rec.State.CreatedAt)
	}
	f.record(id, run, job.Event{Kind: job.JobStartedEvent}, job.Event{Kind: job.InputTransferredEvent}, completed("mp4:720p"))
	if end := f.get(id); end.Status != job.JobCompleted || end.Outputs[0].Error != "" {
		t.Errorf("ended as %+v", end)
	}
	if _, err := f.RetryJob(t.Context(), f.keyID, id); !hasReason(err, job.NothingToRetry) {
		t.Errorf("a completed job: %v", err)
	}
	var history, sent string
	f.scan(&history, `SELECT string_agg(seq || ' ' || kind, ', ' ORDER BY seq) FROM events WHERE seq > 3`)
	if want := "4 job.failed, 5 job.retried, 6 job.started, 7 input.transferred, 8 output.completed, 9 job.completed"; history != want {
		t.Errorf("events:\n got %s\nwant %s", history, want)
	}
	f.scan(&sent, `SELECT string_agg(n || ' ' || event, ', ' ORDER BY n) FROM deliveries`)
	if want := "1 output.completed, 2 output.failed, 3 job.failed, 4 input.transferred, 5 output.completed, 6 job.completed"; sent != want {
		t.Errorf("webhooks:\n got %s\nwant %s", sent, want)
	}
	observed.Row(t, "12.1 POST /v2/jobs/:id/retry")
	observed.Row(t, "errors.md job_not_finished")
	observed.Row(t, "errors.md nothing_to_retry")
}

func TestRetryBeginsAtTheProbe(t *testing.T) {
	f := open(t)
	input := job.Event{Kind: job.InputFailedEvent, Error: "HTTP status code: 404"}
	never := f.create(request).ID
	f.record(never, f.claim(never, "a"), input)
	after, _, run := f.transcoding("a")
	f.record(after, run, input)
	cancelled := f.create(request).ID
	if _, err := f.CancelJob(t.Context(), f.keyID, cancelled); err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]string{"never probed": never, "failed after the probe": after, "cancelled before": cancelled} {
		st, err := f.RetryJob(t.Context(), f.keyID, id)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, name, st, f.get(id))
		if st.Input.Metadata != nil || st.Input.Error != "" || st.Error != "" {
			t.Errorf("%s: %+v", name, st.Input)
		}
		if n := f.count(`river_job WHERE id = $1 AND kind = 'probe' AND state = 'available'`, f.riverJob(id)); n != 1 {
			t.Errorf("%s: no new probe was queued", name)
		}
	}
	// The metadata of the new probe is stored.
	f.process(after)
	if string(f.get(after).Input.Metadata) != string(metadata) {
		t.Error("the metadata of the second probe is missing")
	}
}

func TestHistory(t *testing.T) {
	f := open(t)
	id, _, run := f.transcoding("a")
	f.record(id, run, job.Event{Kind: job.JobStartedEvent}, job.Event{Kind: job.OutputStageEvent, Output: "mp4:720p", Stage: job.Encoding}, completed("jpg:300x"))
	if err := f.SetProgress(t.Context(), id, run, map[string]float64{"mp4:720p": 0.25}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.History(t.Context(), f.key("other"), id, 0); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("another key: %v", err)
	}
	h, err := f.History(t.Context(), f.keyID, id, 0)
	if err != nil {
		t.Fatal(err)
	}
	if h.State.Status != job.JobProcessing || h.State.Outputs[0].Progress != 0.25 || h.State.LiveProgress() != 41 || len(h.Events) != 4 {
		t.Errorf("read %+v", h)
	}
	last := h.Events[3]
	want := completed("jpg:300x")
	if last.N != 4 || last.Output != "jpg:300x" || last.Result.Metadata != nil || last.Result.URL != want.Result.URL || last.At.IsZero() {
		t.Errorf("the last event is %+v", last)
	}
	if h.Events[2].Stage != job.Encoding || h.Events[0].Metadata != nil {
		t.Errorf("events %+v", h.Events)
	}
	if h, err = f.History(t.Context(), f.keyID, id, 3); err != nil || len(h.Events) != 1 || h.Events[0].N != 4 {
		t.Errorf("after 3: %+v %v", h.Events, err)
	}
}

// TestHistoryOfReasons checks that the reason of a failure is stored with its event,
// and that events can be read whose reason is missing or unknown.
func TestHistoryOfReasons(t *testing.T) {
	f := open(t)
	id, _, run := f.transcoding("a")
	f.record(id, run, failed("jpg:300x"), failed("mp4:720p"))
	reason := func() job.Reason {
		h, err := f.History(t.Context(), f.keyID, id, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range h.Events {
			if e.Output == "jpg:300x" && e.Error != "" {
				return e.Reason
			}
		}
		t.Fatalf("no failure in %+v", h.Events)
		return 0
	}
	if got := reason(); got != job.InputDamaged {
		t.Errorf("read back %q", got)
	}
	for _, stored := range []string{`{"error": "It is no good."}`, `{"error": "It is no good.", "reason": "of_a_later_version"}`} {
		f.exec(`UPDATE events SET data = $2 WHERE job_id = $1 AND output = 'jpg:300x'`, id, stored)
		if got := reason(); got != 0 {
			t.Errorf("%s: %q", stored, got)
		}
	}
}
