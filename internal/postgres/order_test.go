package postgres_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/job"
)

// queued returns the numbers of the deliveries that have a River job.
func (f *fixture) queued() (list string) {
	f.t.Helper()
	f.scan(&list, `SELECT coalesce(string_agg(d.n::text, ' ' ORDER BY r.id), '') FROM river_job r
		JOIN deliveries d ON r.args->>'delivery_id' = d.id::text WHERE r.kind = 'notify' AND NOT r.args ? 'replay'`)
	return list
}

func (f *fixture) delivery(n int) (id int64) {
	f.t.Helper()
	f.scan(&id, `SELECT id FROM deliveries WHERE n = $1`, n)
	return id
}

// try saves an attempt of delivery n.
func (f *fixture) try(n int, fault string) {
	f.t.Helper()
	a := job.DeliveryAttempt{At: time.Now(), Status: 200, Error: fault}
	if fault != "" {
		a.Next = time.Now().Add(time.Minute)
	}
	if err := f.SaveAttempt(f.t.Context(), f.delivery(n), a); err != nil {
		f.t.Fatal(err)
	}
}

func TestDeliveriesKeepTheirOrder(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	run := f.process(id) // input.transferred
	f.record(id, run, completed("jpg:300x"))
	f.record(id, run, failed("mp4:720p")) // and job.failed
	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"at first", func() {}, "1"},
		{"1 failed", func() { f.try(1, "500") }, "1"},
		{"1 failed again and stands aside", func() { f.try(1, "500") }, "1 2"},
		{"1 failed a third time", func() { f.try(1, "500") }, "1 2"},
		{"2 delivered", func() { f.try(2, "") }, "1 2 3"},
		{"1 delivered late", func() { f.try(1, "") }, "1 2 3"},
		{"3 given up", func() {
			if err := f.MarkGivenUp(t.Context(), f.delivery(3)); err != nil {
				t.Fatal(err)
			}
		}, "1 2 3 4"},
		{"4 delivered", func() { f.try(4, "") }, "1 2 3 4"},
	}
	for _, s := range steps {
		if s.do(); f.queued() != s.want {
			t.Errorf("%s: queued %s, want %s", s.name, f.queued(), s.want)
		}
	}
	// Without an earlier delivery, the next one is queued at once.
	if _, err := f.RetryJob(t.Context(), f.keyID, id); err != nil {
		t.Fatal(err)
	}
	if _, err := f.CancelJob(t.Context(), f.keyID, id); err != nil {
		t.Fatal(err)
	}
	if f.queued() != "1 2 3 4 5" {
		t.Errorf("queued %s", f.queued())
	}
	// The reaper unblocks too.
	f.exec(`UPDATE deliveries SET state = 'pending', attempts = 0 WHERE n = 4`)
	f.exec(`UPDATE deliveries SET blocked = true WHERE n = 5`)
	f.exec(`DELETE FROM river_job WHERE (args->>'delivery_id')::bigint = $1`, f.delivery(5))
	f.exec(`UPDATE river_job SET state = 'running', attempt = max_attempts, attempted_at = now() - interval '1 hour', attempted_by = '{gone}'
		WHERE (args->>'delivery_id')::bigint = $1`, f.delivery(4))
	if _, err := f.Reap(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if f.queued() != "1 2 3 4 5" {
		t.Errorf("after the reaper: queued %s", f.queued())
	}
}

// TestBlockedForTooLong loses the hand-over from one delivery to the next.
func TestBlockedForTooLong(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	run := f.process(id)
	f.record(id, run, completed("jpg:300x"))
	f.record(id, run, failed("mp4:720p"))
	f.exec(`UPDATE deliveries SET created_at = now() - interval '9 minutes' WHERE n = 2`)
	f.exec(`UPDATE deliveries SET created_at = now() - interval '11 minutes' WHERE n = 3`)
	if _, err := f.Reap(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if f.queued() != "1 3" {
		t.Errorf("queued %s", f.queued())
	}
}

func TestDeliveryLog(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	run := f.process(id)
	f.record(id, run, completed("jpg:300x"))
	f.try(1, "the receiver answered HTTP status 500")
	log := func() []job.DeliveryLog {
		t.Helper()
		all, err := f.Deliveries(t.Context(), f.keyID, id)
		if err != nil || len(all) != 2 {
			t.Fatalf("%+v %v", all, err)
		}
		return all
	}
	all := log()
	if d := all[0]; d.N != 1 || d.Event != job.InputTransferredEvent || d.State != job.DeliveryPending || time.Until(d.NextAt) < 50*time.Second ||
		len(d.Attempts) != 1 || d.Attempts[0].Error != "the receiver answered HTTP status 500" {
		t.Errorf("a failed one: %+v", d)
	}
	if d := all[1]; d.N != 2 || !d.NextAt.IsZero() || d.Attempts != nil {
		t.Errorf("one that waits: %+v", d)
	}
	// A failed replay does not change the retry schedule; a successful one ends it.
	if err := f.SaveAttempt(t.Context(), f.delivery(1), job.DeliveryAttempt{At: time.Now(), Error: "x"}); err != nil {
		t.Fatal(err)
	}
	if d := log()[0]; d.NextAt.IsZero() || d.State != job.DeliveryPending {
		t.Errorf("after a failed replay: %+v", d)
	}
	f.try(1, "")
	if d := log()[0]; !d.NextAt.IsZero() || d.State != job.DeliveryDelivered || d.DeliveredAt.IsZero() || len(d.Attempts) != 3 {
		t.Errorf("delivered: %+v", d)
	}
	delivered := log()[0].DeliveredAt
	f.try(1, "the replay failed")
	if d := log()[0]; !d.NextAt.IsZero() || d.State != job.DeliveryDelivered || d.DeliveredAt != delivered {
		t.Errorf("a failed replay of a delivered one: %+v", d)
	}

	d, err := f.Replay(t.Context(), f.keyID, id, 1)
	if err != nil || d.N != 1 || len(d.Attempts) != 4 {
		t.Errorf("%+v %v", d, err)
	}
	if n := f.count(`river_job WHERE kind = 'notify' AND args->>'replay' = 'true'`); n != 1 {
		t.Errorf("%d replays are queued", n)
	}
	other := f.key("other")
	for name, err := range map[string]error{
		"another key's log":     second(f.Deliveries(t.Context(), other, id)),
		"another key's replay":  second(f.Replay(t.Context(), other, id, 1)),
		"an unknown number":     second(f.Replay(t.Context(), f.keyID, id, 3)),
		"an unknown job's log":  second(f.Deliveries(t.Context(), f.keyID, "no\x00such")),
		"an unknown job's play": second(f.Replay(t.Context(), f.keyID, "nosuch", 1)),
	} {
		if !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSigningSecret(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	f.process(id)
	load := func() job.Secret {
		t.Helper()
		d, err := f.LoadDelivery(t.Context(), f.delivery(1))
		if err != nil {
			t.Fatal(err)
		}
		return d.Signing
	}
	if !load().IsZero() {
		t.Error("a key without a secret signs")
	}
	secret, err := f.RotateSigningSecret(t.Context(), f.keyID)
	if err != nil {
		t.Fatal(err)
	}
	coded, ok := strings.CutPrefix(secret.Reveal(), "whsec_")
	if b, err := base64.StdEncoding.DecodeString(coded); !ok || err != nil || len(b) != 32 {
		t.Errorf("the secret is %d bytes, %v", len(b), err)
	}
	if load() != secret {
		t.Error("the secret that signs is another one")
	}
	if n := f.count(`api_keys WHERE position($1 IN encode(signing_sealed, 'escape')) > 0`, coded); n != 0 {
		t.Error("the secret is readable in the table")
	}
	again, err := f.RotateSigningSecret(t.Context(), f.keyID)
	if err != nil || again == secret || load() != again {
		t.Errorf("a new secret: %v", err)
	}
	keys, err := f.ListKeys(t.Context())
	if err != nil || len(keys) != 1 || !keys[0].HasSigningSecret {
		t.Errorf("listed %+v %v", keys, err)
	}
	// A sealed secret cannot be opened for another key.
	f.exec(`UPDATE jobs SET key_id = $1`, f.key("other"))
	f.exec(`UPDATE api_keys SET signing_sealed = (SELECT signing_sealed FROM api_keys WHERE id = $1)`, f.keyID)
	if _, err := f.LoadDelivery(t.Context(), f.delivery(1)); err == nil {
		t.Error("another key's secret was taken")
	}
	if _, err := f.RotateSigningSecret(t.Context(), "nosuch"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("an unknown key: %v", err)
	}
	if err := f.RevokeKey(t.Context(), f.keyID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.RotateSigningSecret(t.Context(), f.keyID); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a revoked key: %v", err)
	}
}

func TestWatch(t *testing.T) {
	f := open(t)
	id, _, run := f.transcoding("a")
	other, _, otherRun := f.transcoding("b")
	changed, stop := f.Watch(id)
	defer stop()
	idle, stopIdle := f.Watch(id) // never read: holds nobody up
	defer stopIdle()
	wait := func(what string, c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(10 * time.Second):
			t.Fatalf("no word of %s", what)
		}
	}
	wait("the start of listening", changed)
	for i := range 5 {
		if err := f.SetProgress(t.Context(), id, run, map[string]float64{"mp4:720p": float64(i+1) / 10}); err != nil {
			t.Fatal(err)
		}
		wait("progress", changed)
	}
	f.record(id, run, completed("jpg:300x"))
	wait("an event", changed)
	if _, err := f.CancelJob(t.Context(), f.keyID, id); err != nil {
		t.Fatal(err)
	}
	wait("the end", changed)

	// A change of nothing, or of another job, wakes nobody. A later change shows
	// that nothing came before it.
	otherChanged, stopOther := f.Watch(other)
	defer stopOther()
	f.record(other, otherRun, completed("jpg:300x"))
	if err := f.SetProgress(t.Context(), other, otherRun, nil); err != nil {
		t.Fatal(err)
	}
	wait("the other job", otherChanged)
	select {
	case <-changed:
		t.Error("a watcher was woken for another job")
	default:
	}

	// The connection breaks, and is opened again.
	if n := f.count(`pg_stat_activity WHERE query LIKE 'LISTEN copra_job%' AND datname = current_database()
		AND pg_terminate_backend(pid)`); n != 1 {
		t.Errorf("%d connections listen", n)
	}
	wait("the broken connection", changed)
	deadline := time.After(15 * time.Second)
	for listening := 0; listening == 0; {
		select {
		case <-changed: // polls, and the return
			listening = f.count(`pg_stat_activity WHERE query LIKE 'LISTEN copra_job%' AND datname = current_database()`)
		case <-deadline:
			t.Fatal("it does not listen again")
		}
	}
	_ = idle
}

// TestWatchAfterClose checks that a closed store starts no goroutine.
func TestWatchAfterClose(t *testing.T) {
	sealer, err := seal.ParseKeys([]string{seal.Generate()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), pgtest.New(t).URL, postgres.Options{Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, stop := s.Watch("x")
	stop()
	s.Close()
}
