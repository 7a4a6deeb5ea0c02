package postgres_test

import (
	"os"
	"strings"
	"testing"
)

// TestAutoscaleQuery: the queries by which the chart scales workers count work
// that waits, runs or is due, and one pod's worth for webhooks.
func TestAutoscaleQuery(t *testing.T) {
	f := open(t)
	query := func(file string) string {
		text, err := os.ReadFile("../../deploy/helm/copra/files/" + file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), "\n", " ") // as the chart has it
	}
	insert := func(queue, state, due string) {
		t.Helper()
		_, err := f.Pool().Exec(t.Context(), `
			INSERT INTO river_job (kind, args, max_attempts, queue, state, scheduled_at, finalized_at)
			VALUES ('x', '{}', 5, $1, $2::river_job_state, now() + $3::interval, CASE WHEN $2 IN ('completed', 'cancelled', 'discarded') THEN now() END)`, queue, state, due)
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(all, encodes int64) {
		t.Helper()
		for file, want := range map[string]int64{"queue.sql": all, "queue-encode.sql": encodes} {
			var got int64
			if err := f.Pool().QueryRow(t.Context(), query(file)).Scan(&got); err != nil || got != want {
				t.Errorf("%s counts %d, want %d: %v", file, got, want, err)
			}
		}
	}
	want(0, 0)
	for _, state := range []string{"completed", "cancelled", "discarded"} {
		insert("transcode", state, "0")
	}
	insert("notify", "retryable", "1 hour")
	insert("transcode", "scheduled", "1 hour")
	want(0, 0)
	insert("probe", "available", "0")
	insert("transcode", "available", "0")
	insert("transcode", "running", "0")
	insert("transcode", "retryable", "-1 second")
	insert("transcode", "scheduled", "10 seconds")
	insert("task", "available", "0")
	want(6, 6)
	for range 50 {
		insert("notify", "available", "0")
	}
	want(7, 6)
}
