package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/job"
)

func TestListJobs(t *testing.T) {
	f := open(t)
	var want []string
	for range 5 {
		want = append([]string{f.create(request).ID}, want...)
	}
	// Jobs with the same time are all listed, in some stable order.
	f.exec(`UPDATE jobs SET created_at = created_at - interval '1 hour' WHERE id = $1`, want[4])
	mine := f.keyID
	f.keyID = f.key("other")
	f.create(request)
	f.keyID = mine

	var got []string
	cursor, pages := "", 0
	for pages < 10 {
		jobs, next, err := f.ListJobs(t.Context(), f.keyID, job.ListQuery{Limit: 2, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			got = append(got, j.ID)
			diff(t, "a listed job", f.get(j.ID), j)
		}
		f.create(request) // shifts no page
		pages++
		if cursor = next; next == "" {
			break
		}
	}
	diff(t, "the pages", want, got)

	f.exec(`UPDATE jobs SET created_at = '2026-01-01'`)
	seen := map[string]bool{}
	for cursor = ""; ; {
		jobs, next, err := f.ListJobs(t.Context(), f.keyID, job.ListQuery{Limit: 1, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			seen[j.ID] = true
		}
		if cursor = next; next == "" {
			break
		}
	}
	if len(seen) != 5+pages {
		t.Errorf("%d of %d jobs of one moment", len(seen), 5+pages)
	}
	observed.Row(t, "12.1 GET /v2/jobs?status=&limit=&cursor=&q=&metadata=")
}

func TestListByStatus(t *testing.T) {
	f := open(t)
	f.create(request)
	id := f.create(request).ID
	if _, err := f.CancelJob(t.Context(), f.keyID, id); err != nil {
		t.Fatal(err)
	}
	jobs, next, err := f.ListJobs(t.Context(), f.keyID, job.ListQuery{Status: job.JobFailed})
	if err != nil || next != "" || len(jobs) != 1 || jobs[0].ID != id {
		t.Errorf("got %+v, %q, %v", jobs, next, err)
	}
	if jobs, _, err := f.ListJobs(t.Context(), f.keyID, job.ListQuery{Status: "no\x00such"}); err != nil || len(jobs) != 0 {
		t.Errorf("an unknown status: %+v %v", jobs, err)
	}
	for _, bad := range []string{"x", "!!", "LTEuYQ", "enp6enp6enp6enp6Lng", "MS4A"} {
		_, _, err := f.ListJobs(t.Context(), f.keyID, job.ListQuery{Cursor: bad})
		if e, ok := errors.AsType[*job.Error](err); !ok || e.Reason != job.CursorNotValid {
			t.Errorf("cursor %q: %v", bad, err)
		}
	}
	observed.Row(t, "errors.md cursor_not_valid")
}

func TestCancel(t *testing.T) {
	f := open(t)
	id, riverID, run := f.transcoding("a")
	f.record(id, run, completed("jpg:300x"))
	if _, err := f.CancelJob(t.Context(), f.key("other"), id); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("another key cancels: %v", err)
	}
	st, err := f.CancelJob(t.Context(), f.keyID, id)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "read back", st, f.get(id))
	if st.Status != job.JobFailed || st.Error != "cancelled" || st.Outputs[0].Stage != job.Aborted || st.Outputs[1].Stage != job.Done {
		t.Errorf("ended as %+v", st)
	}
	e := completed("mp4:720p")
	e.At = time.Now()
	if _, err := f.Record(t.Context(), id, run, e); !errors.Is(err, job.ErrLeaseLost) {
		t.Errorf("the run records: %v", err)
	}
	if n := f.count(`river_job WHERE id = $1 AND metadata ? 'cancel_attempted_at'`, riverID); n != 1 {
		t.Error("River was not told")
	}
	_, err = f.CancelJob(t.Context(), f.keyID, id)
	if e, ok := errors.AsType[*job.Error](err); !ok || e.Reason != job.JobFinished {
		t.Errorf("once more: %v", err)
	}
	if n := f.count(`deliveries WHERE event = 'job.failed'`); n != 1 {
		t.Errorf("%d times job.failed", n)
	}

	waiting := f.create(request).ID
	if _, err := f.CancelJob(t.Context(), f.keyID, waiting); err != nil {
		t.Fatal(err)
	}
	if n := f.count(`river_job WHERE id = $1 AND state = 'cancelled'`, f.riverJob(waiting)); n != 1 {
		t.Error("the probe that waits was not cancelled")
	}
	observed.Row(t, "12.1 DELETE /v2/jobs/:id")
	observed.Row(t, "errors.md job_finished")
}
