package postgres_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/job"
)

// fixture is a store with a database of its own and an API key.
type fixture struct {
	*postgres.Store
	t      *testing.T
	url    string
	sealer *seal.Sealer
	keyID  string
}

func open(t *testing.T) *fixture {
	t.Helper()
	db := pgtest.New(t)
	sealer, err := seal.ParseKeys([]string{seal.Generate()})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, url: db.URL, sealer: sealer}
	f.Store = f.another()
	f.keyID = f.key("main")
	return f
}

// another opens the same database as another process does.
func (f *fixture) another() *postgres.Store {
	f.t.Helper()
	s, err := postgres.Open(f.t.Context(), f.url, postgres.Options{Sealer: f.sealer})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(s.Close)
	return s
}

func (f *fixture) key(name string) string {
	f.t.Helper()
	k, _, err := f.CreateKey(f.t.Context(), name, job.Secret{})
	if err != nil {
		f.t.Fatal(err)
	}
	return k.ID
}

const request = `{
	"input": {"url": "https://user:canary-input@media.example.com/in.mp4?token=canary-query"},
	"storage": {"service": "s3", "bucket": "b", "region": "us-east-1",
		"credentials": {"access_key_id": "canary-access", "secret_access_key": "canary-secret"}},
	"outputs": {"mp4:720p": {"path": "/a.mp4"}, "jpg:300x": {"path": "/a.jpg"}},
	"notification": {"type": "http", "url": "https://hook.example.com/canary-hook", "events": true, "metadata": true,
		"params": {"token": "canary-param"}}
}`

func (f *fixture) newJob(body string) job.Submission {
	f.t.Helper()
	spec, err := coconut.DecodeJob([]byte(body))
	if err != nil {
		f.t.Fatal(err)
	}
	return job.Submission{KeyID: f.keyID, Request: []byte(body), Spec: spec}
}

func (f *fixture) create(body string) job.State {
	f.t.Helper()
	st, err := f.CreateJob(f.t.Context(), f.newJob(body))
	if err != nil {
		f.t.Fatal(err)
	}
	return st
}

func (f *fixture) get(id string) job.State {
	f.t.Helper()
	st, err := f.GetJob(f.t.Context(), f.keyID, id)
	if err != nil {
		f.t.Fatal(err)
	}
	return st
}

// riverJob returns the current River job of a job.
func (f *fixture) riverJob(id string) (riverID int64) {
	f.t.Helper()
	f.scan(&riverID, `SELECT river_id FROM jobs WHERE id = $1`, id)
	return riverID
}

// fetch does what River does when a node fetches a job, at a time in the past, and
// returns the number of the attempt.
func (f *fixture) fetch(riverID int64, node string, ago time.Duration) (attempt int) {
	f.t.Helper()
	f.scan(&attempt, `UPDATE river_job SET state = 'running', attempt = attempt + 1, attempted_at = now() - $3::interval,
		attempted_by = array_append(attempted_by, $2) WHERE id = $1 AND state = 'available' RETURNING attempt`, riverID, node, ago)
	return attempt
}

// claim fetches the River job of a job and begins a run.
func (f *fixture) claim(id, node string) (run int64) {
	f.t.Helper()
	riverID := f.riverJob(id)
	run, err := f.Claim(f.t.Context(), id, riverID, f.fetch(riverID, node, 0), node)
	if err != nil {
		f.t.Fatal(err)
	}
	return run
}

func (f *fixture) record(id string, run int64, events ...job.Event) job.State {
	f.t.Helper()
	for i := range events {
		events[i].At = time.Now()
	}
	st, err := f.Record(f.t.Context(), id, run, events...)
	if err != nil {
		f.t.Fatal(err)
	}
	return st
}

func (f *fixture) scan(dst any, sql string, args ...any) {
	f.t.Helper()
	if err := f.Pool().QueryRow(context.WithoutCancel(f.t.Context()), sql, args...).Scan(dst); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.Pool().Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

func (f *fixture) count(sql string, args ...any) (n int) {
	f.t.Helper()
	f.scan(&n, `SELECT count(*) FROM `+sql, args...)
	return n
}

var metadata = json.RawMessage(`{"streams":[{"z":1,"a":"\u0000 and <&>"}],  "format":{"duration":"1.0"}}`)

// compact is metadata without the spaces, which are not kept in results.
var compact = json.RawMessage(bytes.ReplaceAll(metadata, []byte(",  "), []byte(",")))

func diff(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
