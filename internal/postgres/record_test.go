package postgres_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

func probed() job.Event {
	return job.Event{Kind: job.InputProbedEvent, At: time.Now(), Metadata: metadata}
}

func completed(key string) job.Event {
	return job.Event{Kind: job.OutputCompletedEvent, Output: key, Result: job.Result{URL: "https://x/" + key, Metadata: compact}}
}

func failed(key string) job.Event {
	return job.Event{Kind: job.OutputFailedEvent, Output: key, Error: "bad \x00 \xff tag", Reason: job.InputDamaged}
}

// process brings a new job to the point where its outputs are encoded.
func (f *fixture) process(id string) (run int64) {
	f.t.Helper()
	run = f.claim(id, "probe-node")
	f.record(id, run, job.Event{Kind: job.JobStartedEvent})
	if err := f.RecordProbed(f.t.Context(), id, run, probed()); err != nil {
		f.t.Fatal(err)
	}
	run = f.claim(id, "encode-node")
	f.record(id, run, job.Event{Kind: job.InputTransferredEvent})
	return run
}

// webhooks returns the deliveries with the progress in their bodies.
func (f *fixture) webhooks() string {
	f.t.Helper()
	rows, err := f.Pool().Query(f.t.Context(), `SELECT body FROM deliveries ORDER BY n`)
	if err != nil {
		f.t.Fatal(err)
	}
	bodies, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		f.t.Fatal(err)
	}
	var sent []string
	for _, b := range bodies {
		var n struct {
			Event string
			Data  struct{ Progress string }
		}
		if err := json.Unmarshal([]byte(b), &n); err != nil {
			f.t.Fatalf("%s: %v", b, err)
		}
		sent = append(sent, n.Event+" "+n.Data.Progress)
	}
	return strings.Join(sent, ", ")
}

func TestRecordWholeJob(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	run := f.process(id)
	if n := f.count(`river_job WHERE kind = 'transcode' AND queue = 'transcode'`); n != 1 {
		t.Errorf("%d transcodes", n)
	}
	for _, e := range []job.Event{
		{Kind: job.OutputStageEvent, Output: "mp4:720p", Stage: job.Encoding},
		completed("mp4:720p"), failed("jpg:300x"),
	} {
		want := f.record(id, run, e)
		diff(t, "read back after "+string(e.Kind), want, f.get(id))
	}
	end := f.get(id)
	if end.Status != job.JobFailed || end.CompletedAt.IsZero() || end.Outputs[1].Error != "bad  \uFFFD tag" {
		t.Errorf("ended as %+v", end)
	}
	if string(end.Input.Metadata) != string(metadata) {
		t.Errorf("metadata came back as %s", end.Input.Metadata)
	}

	sent := f.webhooks()
	if want := "input.transferred 100%, output.completed 33%, output.failed 66%, job.failed 100%"; sent != want {
		t.Errorf("webhooks:\n got %s\nwant %s", sent, want)
	}
	var history string
	f.scan(&history, `SELECT string_agg(seq || ' ' || kind, ', ' ORDER BY seq) FROM events`)
	if want := "1 job.started, 2 input.probed, 3 input.transferred, 4 output.stage, 5 output.completed, 6 output.failed, 7 job.failed"; history != want {
		t.Errorf("events:\n got %s\nwant %s", history, want)
	}
	if n := f.count(`river_job r JOIN deliveries d ON r.args = jsonb_build_object('delivery_id', d.id) WHERE r.kind = 'notify'`); n != 1 {
		t.Errorf("%d notify jobs; one at a time keeps the order", n)
	}
}

func TestRecordRepeatIsNothing(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	run := f.process(id)
	all := []job.Event{completed("mp4:720p"), completed("jpg:300x")}
	want := f.record(id, run, all...)
	events, deliveries, notifies := f.count(`events`), f.count(`deliveries`), f.count(`river_job`)
	for range 3 {
		diff(t, "after a repeat", want, f.record(id, run, all...))
		f.record(id, run, job.Event{Kind: job.InputTransferredEvent}, failed("mp4:720p"))
		if err := f.RecordProbed(t.Context(), id, run, probed()); err != nil {
			t.Error(err)
		}
	}
	if a, b, c := f.count(`events`), f.count(`deliveries`), f.count(`river_job`); a != events || b != deliveries || c != notifies {
		t.Errorf("repeats added %d events, %d deliveries, %d River jobs", a-events, b-deliveries, c-notifies)
	}
}

func TestRecordAtOnce(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	run := f.process(id)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			key := []string{"mp4:720p", "jpg:300x"}[i%2]
			e := completed(key)
			e.At = time.Now()
			if _, err := f.Record(t.Context(), id, run, e); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := f.count(`deliveries WHERE event = 'job.completed'`); n != 1 {
		t.Errorf("%d times job.completed", n)
	}
	if n := f.count(`deliveries`); n != 4 {
		t.Errorf("%d webhooks", n)
	}
}

func TestRecordAllOrNothing(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	run := f.process(id)
	before, events := f.get(id), f.count(`events`)
	_, err := f.Record(t.Context(), id, run, completed("mp4:720p"), completed("no such"))
	if err == nil || !strings.Contains(err.Error(), "no such") {
		t.Errorf("an unknown output: %v", err)
	}
	diff(t, "after the error", before, f.get(id))
	if n := f.count(`events`); n != events {
		t.Errorf("%d new events", n-events)
	}
}

func TestFence(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	old := f.process(id)
	riverID := f.riverJob(id)
	f.exec(`UPDATE river_job SET state = 'available' WHERE id = $1`, riverID)
	attempt := f.fetch(riverID, "b", 0)
	for name, c := range map[string]struct {
		river   int64
		attempt int
	}{"an attempt that is over": {riverID, attempt - 1}, "another River job": {riverID - 1, 1}, "none": {1 << 40, 1}} {
		if _, err := f.Claim(t.Context(), id, c.river, c.attempt, "x"); !errors.Is(err, job.ErrLeaseLost) {
			t.Errorf("claim for %s: %v", name, err)
		}
	}
	run, err := f.Claim(t.Context(), id, riverID, attempt, "b")
	if err != nil || run <= old {
		t.Fatalf("claim: run %d after %d, %v", run, old, err)
	}
	before, deliveries := f.get(id), f.count(`deliveries`)
	for name, err := range map[string]error{
		"Record":       second(f.Record(t.Context(), id, old, completed("mp4:720p"))),
		"RecordProbed": f.RecordProbed(t.Context(), id, old, probed()),
		"SetProgress":  f.SetProgress(t.Context(), id, old, map[string]float64{"mp4:720p": 0.9}),
	} {
		if !errors.Is(err, job.ErrLeaseLost) {
			t.Errorf("%s of the old run: %v", name, err)
		}
	}
	diff(t, "after the old run's tries", before, f.get(id))
	if n := f.count(`deliveries`); n != deliveries {
		t.Errorf("the old run notified %d times", n-deliveries)
	}
	f.record(id, run, completed("mp4:720p"), completed("jpg:300x"))
	if _, err := f.Claim(t.Context(), id, riverID, attempt, "b"); !errors.Is(err, job.ErrLeaseLost) {
		t.Errorf("claim after the end: %v", err)
	}
	if _, err := f.Claim(t.Context(), "vdq1fShawHzyz3", riverID, attempt, "b"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("claim of nothing: %v", err)
	}
}

// A probe may run again after it has queued the transcode, because its worker died
// before it could tell River. It must not take the job from the transcode.
func TestProbeDoesNotTakeFromTranscode(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	probe := f.riverJob(id)
	f.process(id)
	f.exec(`UPDATE river_job SET state = 'available' WHERE id = $1`, probe)
	if _, err := f.Claim(t.Context(), id, probe, f.fetch(probe, "b", 0), "b"); !errors.Is(err, job.ErrLeaseLost) {
		t.Errorf("claim: %v", err)
	}
}

func second[A, B any](_ A, b B) B { return b }

func TestSetProgress(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	run := f.process(id)
	f.record(id, run, completed("jpg:300x"))
	if err := f.SetProgress(t.Context(), id, run, map[string]float64{"mp4:720p": 0.5, "jpg:300x": 0.1, "none": 1}); err != nil {
		t.Fatal(err)
	}
	st := f.get(id)
	if st.Outputs[0].Progress != 0.5 || st.Outputs[1].Progress != 1 || st.LiveProgress() != 50 {
		t.Errorf("progress %v %v, in all %d", st.Outputs[0].Progress, st.Outputs[1].Progress, st.LiveProgress())
	}
	if err := f.SetProgress(t.Context(), id, run, nil); err != nil {
		t.Errorf("a mere sign of life: %v", err)
	}
	f.record(id, run, completed("mp4:720p"))
	if err := f.SetProgress(t.Context(), id, run, nil); !errors.Is(err, job.ErrLeaseLost) {
		t.Errorf("after the end: %v", err)
	}
}

func TestInputFailed(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	run := f.claim(id, "a")
	st := f.record(id, run, job.Event{Kind: job.InputFailedEvent, Error: "It is not there."})
	diff(t, "read back", st, f.get(id))
	if st.Status != job.JobFailed || st.Outputs[0].Stage != job.Aborted || f.count(`deliveries WHERE event = 'job.failed'`) != 1 || f.count(`deliveries`) != 1 {
		t.Errorf("ended as %+v", st)
	}
}

func TestDeliveries(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	f.process(id)
	var did int64
	f.scan(&did, `SELECT id FROM deliveries`)
	d, err := f.LoadDelivery(t.Context(), did)
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		JobID string `json:"job_id"`
		Event string
	}
	if err := json.Unmarshal(d.Body, &body); err != nil || body.JobID != id || body.Event != "input.transferred" {
		t.Errorf("body %s: %v", d.Body, err)
	}
	if d.JobID != id || d.N != 1 || d.Done || d.Notification.URL.Reveal() != "https://hook.example.com/canary-hook" || d.Notification.Params["token"] != "canary-param" {
		t.Errorf("loaded %+v", d)
	}
	for i := range 2 {
		a := job.DeliveryAttempt{At: time.Now(), Status: 500 + i, Error: "x\x00", Duration: 1500 * time.Microsecond}
		if err := f.SaveAttempt(t.Context(), did, a); err != nil {
			t.Fatal(err)
		}
	}
	var log string
	f.scan(&log, `SELECT string_agg(format('%s:%s:%s:%s', n, status, error, duration_ms), ' ' ORDER BY n) FROM delivery_attempts`)
	if log != "1:500:x:1 2:501:x:1" {
		t.Errorf("log %s", log)
	}
	if err := f.SaveAttempt(t.Context(), did, job.DeliveryAttempt{At: time.Now(), Status: 200}); err != nil {
		t.Fatal(err)
	}
	if err := f.MarkGivenUp(t.Context(), did); err != nil {
		t.Fatal(err)
	}
	if d, err := f.LoadDelivery(t.Context(), did); err != nil || !d.Done {
		t.Errorf("done %v, %v", d.Done, err)
	}
	if n := f.count(`deliveries WHERE state = 'delivered' AND attempts = 3`); n != 1 {
		t.Error("a delivered webhook was given up")
	}
	for name, err := range map[string]error{
		"LoadDelivery": second(f.LoadDelivery(t.Context(), 9999)),
		"SaveAttempt":  f.SaveAttempt(t.Context(), 9999, job.DeliveryAttempt{}),
		"MarkGivenUp":  f.MarkGivenUp(t.Context(), 9999),
	} {
		if !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%s of an unknown delivery: %v", name, err)
		}
	}
}

// No table contains a secret of a request, in any state of the job.
func TestSecretsAreSealed(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	run := f.process(id)
	f.record(id, run, completed("mp4:720p"), failed("jpg:300x"))
	rows, err := f.Pool().Query(t.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`)
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil || len(tables) < 10 {
		t.Fatalf("%d tables: %v", len(tables), err)
	}
	for _, table := range tables {
		// encode(..., 'escape') returns the text in a bytea; its plain form is hex.
		var dump string
		f.scan(&dump, fmt.Sprintf(`SELECT coalesce(string_agg(r::text, E'\n'), '') FROM %q r`, table))
		if table == "jobs" {
			var sealed string
			f.scan(&sealed, `SELECT encode(request_sealed, 'escape') FROM jobs`)
			dump += sealed
		}
		if i := strings.Index(dump, "canary"); i >= 0 {
			t.Errorf("table %s shows %.60q", table, dump[i:])
		}
	}
	if f.count(`deliveries`) == 0 || f.count(`events`) == 0 {
		t.Error("there was nothing to look through")
	}
}

// Each attempt finds the same notes, which are recorded once.
func TestNoteOnce(t *testing.T) {
	f := open(t)
	id, _, run := f.transcoding("a")
	note := func(output, text string) job.Event {
		return job.Event{Kind: job.OutputNoteEvent, Output: output, Note: text}
	}
	f.record(id, run, note("mp4:720p", "one"), note("jpg:300x", "one"))
	f.record(id, run, note("mp4:720p", "one"), note("mp4:720p", "two"), note("jpg:300x", "one"))
	if n := f.count(`events WHERE kind = 'output.note' AND job_id = $1`, id); n != 3 {
		t.Errorf("%d notes, want 3", n)
	}
}
