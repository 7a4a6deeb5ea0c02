package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/job"
)

// many is the number of queued jobs, and of finished ones.
const many = 3000

// fill adds jobs of the key with outputs, events and deliveries, as after years of
// use.
func (f *fixture) fill() {
	like := f.create(request).ID
	f.exec(`
		INSERT INTO river_job (args, kind, max_attempts, queue, priority, state, finalized_at)
		SELECT jsonb_build_object('job_id', 'filled' || n), CASE WHEN n % 2 = 0 THEN 'probe' ELSE 'transcode' END, 5,
			CASE WHEN n % 2 = 0 THEN 'probe' ELSE 'transcode' END, 2,
			(CASE WHEN n <= $1 THEN 'available' ELSE 'completed' END)::river_job_state, CASE WHEN n > $1 THEN now() END
		FROM generate_series(1, 3 * $1::int) n`, many)
	f.exec(`
		INSERT INTO jobs (id, key_id, created_at, completed_at, status, input_status, request_sealed, river_id, last_event)
		SELECT 'filled' || n, key_id, now() - n * interval '1 second', CASE WHEN n > $1 THEN now() END,
			CASE WHEN n > $1 THEN 'job.completed' ELSE 'job.starting' END, 'input.starting', request_sealed,
			(SELECT min(id) FROM river_job) + n, 5
		FROM jobs, generate_series(1, 2 * $1::int) n WHERE id = $2`, many, like)
	f.exec(`
		INSERT INTO outputs (job_id, idx, key, type, format, stage)
		SELECT j.id, o.idx, o.key, o.type, o.format, o.stage FROM jobs j, outputs o WHERE o.job_id = $1 AND j.id <> $1`, like)
	f.exec(`INSERT INTO events (job_id, seq, kind, at, data) SELECT id, n, 'job.started', now(), '{}' FROM jobs, generate_series(1, 3) n WHERE id <> $1`, like)
	f.exec(`INSERT INTO deliveries (job_id, n, event, body, state) SELECT id, 1, 'job.completed', '{}', 'delivered' FROM jobs WHERE completed_at IS NOT NULL`)
	f.exec(`INSERT INTO delivery_attempts (delivery_id, n, at, duration_ms) SELECT id, 1, now(), 1 FROM deliveries`)
	f.exec(`VACUUM ANALYZE`)
}

// TestNoTableIsReadWhole runs the operations of requests and workers on full tables,
// and asks PostgreSQL for sequential scans. It leaves out the operations that look
// at everything that is queued: QueueDepth and ReapStranded.
func TestNoTableIsReadWhole(t *testing.T) {
	f := open(t)
	sealer, err := seal.ParseKeys([]string{seal.Generate()})
	if err != nil {
		t.Fatal(err)
	}
	f.Close() // its sealer is not ours
	reopen := func() {
		if f.Store, err = postgres.Open(t.Context(), f.url, postgres.Options{Sealer: sealer}); err != nil {
			t.Fatal(err)
		}
	}
	reopen()
	f.fill()
	deep := ""
	for next := " "; next != ""; {
		if _, next, err = f.ListJobs(t.Context(), f.keyID, job.ListQuery{Limit: 100, Cursor: deep}); err != nil {
			t.Fatal(err)
		}
		if next != "" {
			deep = next
		}
	}
	var delivery int64
	list := func(l job.ListQuery) func() error {
		return func() error {
			_, _, err := f.ListJobs(t.Context(), f.keyID, l)
			return err
		}
	}
	operations := []struct {
		what string
		do   func() error
	}{
		{"nothing", func() error { return nil }},
		{"get", func() error { _, err := f.GetJob(t.Context(), f.keyID, "filled77"); return err }},
		{"history", func() error { _, err := f.History(t.Context(), f.keyID, "filled77", 0); return err }},
		{"deliveries", func() error { _, err := f.Deliveries(t.Context(), f.keyID, fmt.Sprint("filled", many+77)); return err }},
		{"deliveries of a key", func() error {
			_, _, err := f.ListDeliveries(t.Context(), f.keyID, job.DeliveryQuery{Bodies: true})
			return err
		}},
		{"deliveries of a key without any", func() error { _, _, err := f.ListDeliveries(t.Context(), "nobody", job.DeliveryQuery{}); return err }},
		{"first page", list(job.ListQuery{Limit: 20})},
		{"deep page", list(job.ListQuery{Limit: 20, Cursor: deep})},
		{"page by status", list(job.ListQuery{Limit: 20, Status: job.JobCompleted})},
		{"deep page by status", list(job.ListQuery{Limit: 20, Status: job.JobCompleted, Cursor: deep})},
		{"page by a status that no job has", list(job.ListQuery{Limit: 20, Status: job.JobFailed})},
		{"create", func() error { _, err := f.CreateJob(t.Context(), f.newJob(request)); return err }},
		{"begin and end", func() error {
			id := f.create(request).ID
			run := f.claim(id, "node")
			f.record(id, run, job.Event{Kind: job.JobStartedEvent})
			f.record(id, run, job.Event{Kind: job.InputFailedEvent, Error: "It is no good."})
			f.scan(&delivery, `SELECT max(id) FROM deliveries`)
			id = f.create(request).ID
			return f.SetProgress(t.Context(), id, f.claim(id, "node"), map[string]float64{"mp4:720p": 0.5})
		}},
		{"load", func() error {
			d, err := f.LoadDelivery(t.Context(), delivery)
			if err == nil {
				_, err = f.Load(t.Context(), d.JobID)
			}
			return err
		}},
		{"deliver", func() error {
			return f.SaveAttempt(t.Context(), delivery, job.DeliveryAttempt{At: time.Now(), Status: 200})
		}},
		{"heartbeat", func() error {
			b, err := f.Heartbeat(t.Context(), "node", time.Minute, queue.All())
			if err == nil && !b.Due {
				t.Error("nothing is due in a full queue")
			}
			return err
		}},
		{"admit", func() error { _, err := f.AcquireRunSlot(t.Context(), "filled77", 77); return err }},
	}
	conn, err := pgx.Connect(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var before map[string]int64
	for _, op := range operations {
		if err := op.do(); err != nil {
			t.Errorf("%s: %v", op.what, err)
		}
		f.Close()
		after := scans(t, conn)
		for table, n := range after {
			if before != nil && n > before[table] {
				t.Errorf("%s: all of %s is read", op.what, table)
			}
		}
		before = after
		reopen()
	}
	f.Close()
}

// scans counts the sequential scans by table. PostgreSQL counts those of a
// connection when it is closed.
func scans(t *testing.T, conn *pgx.Conn) map[string]int64 {
	t.Helper()
	for others := 1; others > 0; {
		err := conn.QueryRow(t.Context(), `
			SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&others)
		if err != nil {
			t.Fatal(err)
		}
	}
	rows, err := conn.Query(t.Context(), `
		SELECT relname, seq_scan FROM pg_stat_user_tables
		WHERE relname IN ('jobs', 'outputs', 'events', 'deliveries', 'delivery_attempts', 'river_job')`)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	var table string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&table, &n}, func() error { counts[table] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	return counts
}
