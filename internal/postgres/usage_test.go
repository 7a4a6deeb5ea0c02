package postgres_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/copra-video/copra/job"
)

// TestUsage: what jobs took and made is summed up by day and key, and stays when old
// jobs are deleted.
func TestUsage(t *testing.T) {
	f := open(t)
	finish := func(fails bool) string {
		id := f.create(request).ID
		run := f.claim(id, "a")
		f.record(id, run, job.Event{Kind: job.InputTransferredEvent})
		if err := f.LogRun(t.Context(), id, job.FFmpegRun{Node: "a", At: time.Now(), CPU: 2 * time.Second}); err != nil {
			t.Fatal(err)
		}
		f.record(id, run, job.Event{Kind: job.OutputCompletedEvent, Output: "mp4:720p", Result: job.Result{Bytes: 1000,
			Metadata: json.RawMessage(`{"streams":[{"codec_type":"video","width":1280,"height":720}],"format":{"duration":"90"}}`)}})
		if fails {
			f.record(id, run, job.Event{Kind: job.OutputFailedEvent, Output: "jpg:300x", Error: "No."})
		} else {
			f.record(id, run, completed("jpg:300x"))
		}
		return id
	}
	old := finish(false)
	finish(false)
	finish(true)
	today := time.Now()
	usage := func(key string) []job.Usage {
		t.Helper()
		list, err := f.Usage(t.Context(), key, today.AddDate(0, 0, -40), today.AddDate(0, 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	f.exec(`UPDATE jobs SET completed_at = completed_at - interval '30 days' WHERE id = $1`, old)
	day := func(d time.Time) time.Time { return d.UTC().Truncate(24 * time.Hour) }
	want := []job.Usage{
		{Day: day(today.AddDate(0, 0, -30)), KeyID: f.keyID, Key: "main", Jobs: 1, Played: job.Played{HD: 90}, UploadedBytes: 1000, CPUSeconds: 2},
		{Day: day(today), KeyID: f.keyID, Key: "main", Jobs: 2, Failed: 1, Played: job.Played{HD: 90}, UploadedBytes: 2000, CPUSeconds: 4},
	}
	diff(t, "usage", want, usage(f.keyID))
	diff(t, "of all keys", want, usage(job.AnyKey))
	diff(t, "of another key", []job.Usage{}, usage(f.key("other")))

	sweep := func(n int64) {
		t.Helper()
		if got, err := f.SweepJobs(t.Context(), 20*24*time.Hour); err != nil || got != n {
			t.Errorf("%d jobs were deleted, want %d: %v", got, n, err)
		}
	}
	sweep(0) // its webhooks are not delivered yet
	f.exec(`UPDATE deliveries SET state = 'given_up' WHERE job_id = $1`, old)
	sweep(1)
	sweep(0)
	diff(t, "after the sweep", want, usage(f.keyID))
	// What a key says holds for its own jobs, longer or shorter.
	f.exec(`UPDATE deliveries SET state = 'given_up'`)
	f.exec(`UPDATE jobs SET completed_at = completed_at - interval '30 days' WHERE completed_at > now() - interval '1 day' AND status = 'job.completed'`)
	f.limitKey(job.Limits{Keep: 90 * 24 * time.Hour})
	sweep(0)
	f.limitKey(job.Limits{})
	if n := f.count(`jobs`); n != 2 {
		t.Errorf("%d jobs are left", n)
	}
}
