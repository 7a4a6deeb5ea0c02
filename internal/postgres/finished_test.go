package postgres_test

import (
	"testing"
	"time"
)

func TestFinishedForGood(t *testing.T) {
	f := open(t)
	waiting := f.create(request).ID
	done, _, run := f.transcoding("a")
	f.record(done, run, completed("jpg:300x"), completed("mp4:720p"))
	failedJob, _, run := f.transcoding("a")
	f.record(failedJob, run, completed("jpg:300x"), failed("mp4:720p"))
	cancelled := f.create(request).ID
	if _, err := f.CancelJob(t.Context(), f.keyID, cancelled); err != nil {
		t.Fatal(err)
	}
	retried, _, run := f.transcoding("a")
	f.record(retried, run, completed("jpg:300x"), failed("mp4:720p"))
	if _, err := f.RetryJob(t.Context(), f.keyID, retried); err != nil {
		t.Fatal(err)
	}
	ids := []string{waiting, done, failedJob, cancelled, retried, "unknown"}
	want := map[string]bool{waiting: false, done: true, failedJob: false, cancelled: false, retried: false}
	over := func(keep time.Duration) map[string]bool {
		t.Helper()
		got, err := f.FinishedForGood(t.Context(), ids, keep)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	diff(t, "kept for an hour", want, over(time.Hour))
	want[failedJob], want[cancelled] = true, true
	diff(t, "not kept", want, over(0))
	f.exec(`UPDATE jobs SET completed_at = completed_at - interval '2 hours'`)
	diff(t, "kept for an hour, after two", want, over(time.Hour))
	if got, err := f.FinishedForGood(t.Context(), nil, 0); err != nil || len(got) != 0 {
		t.Errorf("of none: %v, %v", got, err)
	}
}
