package server

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
)

func TestQueueMetrics(t *testing.T) {
	db := pgtest.New(t)
	sealer, err := seal.ParseKeys([]string{seal.Generate()})
	if err != nil {
		t.Fatal(err)
	}
	store, err := postgres.Open(t.Context(), db.URL, postgres.Options{Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	if _, err := store.Heartbeat(t.Context(), "node-1", time.Minute, nil); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, `INSERT INTO river_job (kind, queue, state, args, max_attempts) SELECT 'transcode', 'transcode', 'available', '{}', 5 FROM generate_series(1, 3)`)
	db.Exec(t, `INSERT INTO api_keys (id, name, prefix, hash) VALUES ('k', '', '', sha256('k'))`)
	db.Exec(t, `INSERT INTO jobs (id, key_id, created_at, status, input_status, request_sealed, river_id) VALUES ('j', 'k', now(), '', '', '', 1)`)
	db.Exec(t, `INSERT INTO tasks (job_id, run, step, kind, attempt, cost, spec_sealed) SELECT 'j', 1, n, 'encode', 1, 1, '' FROM generate_series(1, 2) n`)
	r := prometheus.NewRegistry()
	r.MustRegister(newQueueCollector(store))
	want := `
# HELP copra_queue_jobs Pieces of work in a queue, by River's state.
# TYPE copra_queue_jobs gauge
copra_queue_jobs{queue="transcode",state="available"} 3
# HELP copra_tasks Steps of running jobs that were offered to all workers, by kind and state.
# TYPE copra_tasks gauge
copra_tasks{kind="encode",state="offered"} 2
# HELP copra_workers Worker processes that are alive.
# TYPE copra_workers gauge
copra_workers 1
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "copra_queue_jobs", "copra_tasks", "copra_workers"); err != nil {
		t.Error(err)
	}
	store.Close()
	if _, err := r.Gather(); err != nil {
		t.Errorf("metrics without a database: %v", err)
	}
}
