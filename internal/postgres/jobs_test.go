package postgres_test

import (
	"errors"
	"regexp"
	"sync"
	"testing"

	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/job"
)

func TestMigrateAtOnce(t *testing.T) {
	db := pgtest.Empty(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := postgres.Migrate(t.Context(), db.URL, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := postgres.Migrate(t.Context(), db.URL, nil); err != nil {
		t.Errorf("once more: %v", err)
	}
	db.Exec(t, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`)
	if err := postgres.Migrate(t.Context(), db.URL, nil); err == nil || !regexp.MustCompile(`newer copra`).MatchString(err.Error()) {
		t.Errorf("a schema from the future: %v", err)
	}
}

func TestInspect(t *testing.T) {
	db := pgtest.Empty(t)
	empty, err := postgres.Inspect(t.Context(), db.URL)
	if err != nil || empty.Pending < 2 || !regexp.MustCompile(`^[0-9][0-9.]*`).MatchString(empty.Version) {
		t.Errorf("empty: %+v %v", empty, err)
	}
	again, err := postgres.Inspect(t.Context(), db.URL)
	if err != nil || again != empty {
		t.Errorf("looking has changed it: %+v %v", again, err)
	}
	if info, err := postgres.Inspect(t.Context(), pgtest.New(t).URL); err != nil || info.Pending != 0 {
		t.Errorf("migrated: %+v %v", info, err)
	}
}

func TestOpenBad(t *testing.T) {
	sealer, err := seal.ParseKeys([]string{seal.Generate()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = postgres.Open(t.Context(), "postgres://u:hunter2@host:notaport/x", postgres.Options{Sealer: sealer})
	if err == nil || regexp.MustCompile(`hunter2`).MatchString(err.Error()) {
		t.Errorf("a bad address: %v", err)
	}
	_, err = postgres.Open(t.Context(), pgtest.Empty(t).URL, postgres.Options{Sealer: sealer})
	if err == nil || !regexp.MustCompile(`copra migrate`).MatchString(err.Error()) {
		t.Errorf("without a schema: %v", err)
	}
}

func TestCreateAndGet(t *testing.T) {
	f := open(t)
	made := f.create(request)
	if !regexp.MustCompile(`^[A-Za-z0-9]{14}$`).MatchString(made.ID) {
		t.Errorf("id %q", made.ID)
	}
	diff(t, "read back", made, f.get(made.ID))
	if made.Status != job.JobStarting || len(made.Outputs) != 2 || made.Outputs[0].Key != "mp4:720p" {
		t.Errorf("made %+v", made)
	}
	if n := f.count(`river_job WHERE kind = 'probe' AND queue = 'probe' AND args = jsonb_build_object('job_id', $1::text)`, made.ID); n != 1 {
		t.Errorf("%d probes", n)
	}
	rec, err := f.Load(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if string(rec.Request) != request || rec.State.ID != made.ID || !rec.AcceptedAt.Equal(made.CreatedAt) {
		t.Errorf("loaded %d bytes of job %q, accepted at %v", len(rec.Request), rec.State.ID, rec.AcceptedAt)
	}
}

func TestForeignJobIsNotThere(t *testing.T) {
	f := open(t)
	made, other := f.create(request), f.key("other")
	for name, c := range map[string]struct{ key, id string }{
		"another key": {other, made.ID},
		"unknown id":  {f.keyID, "vdq1fShawHzyz3"},
		"no id":       {f.keyID, ""},
		"a NUL":       {f.keyID, "a\x00b\xff"},
	} {
		if _, err := f.GetJob(t.Context(), c.key, c.id); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIdempotency(t *testing.T) {
	f := open(t)
	n := f.newJob(request)
	n.IdempotencyKey = "once"
	var mu sync.Mutex
	ids := map[string]int{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			st, err := f.CreateJob(t.Context(), n)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[st.ID]++
		})
	}
	wg.Wait()
	if len(ids) != 1 {
		t.Errorf("50 posts made %d jobs", len(ids))
	}
	if a, b := f.count(`jobs`), f.count(`river_job`); a != 1 || b != 1 {
		t.Errorf("%d jobs, %d River jobs", a, b)
	}

	other := f.newJob(`{"input":{"url":"https://example.com/2.mp4"},"storage":{"service":"coconut"},"outputs":{"mp4":{"path":"/a"}}}`)
	other.IdempotencyKey = "once"
	_, err := f.CreateJob(t.Context(), other)
	if e, ok := errors.AsType[*job.Error](err); !ok || e.Reason != job.IdempotencyKeyReused {
		t.Errorf("another body: %v", err)
	}
	other.KeyID = f.key("other")
	if _, err := f.CreateJob(t.Context(), other); err != nil {
		t.Errorf("the same idempotency key of another API key: %v", err)
	}
	observed.Row(t, "12.1 Idempotency-Key")
	observed.Row(t, "errors.md idempotency_key_reused")
}

func TestPriority(t *testing.T) {
	f := open(t)
	n := f.newJob(request)
	n.Spec.Settings.Priority = 10
	st, err := f.CreateJob(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	run := f.claim(st.ID, "a")
	if err := f.RecordProbed(t.Context(), st.ID, run, probed()); err != nil {
		t.Fatal(err)
	}
	if n := f.count(`river_job WHERE priority = 1`); n != 2 {
		t.Errorf("%d River jobs have the priority", n)
	}
}

func TestKeys(t *testing.T) {
	f := open(t)
	k, token, err := f.CreateKey(t.Context(), "first", job.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^k-[0-9a-f]{32}$`).MatchString(token.Reveal()) || k.Prefix != token.Reveal()[:6] {
		t.Errorf("token of an odd form, prefix %q", k.Prefix)
	}
	if got, err := f.Authenticate(t.Context(), token.Reveal()); err != nil || got.ID != k.ID || got.Name != "first" {
		t.Errorf("authenticate: %v %v", got, err)
	}
	for _, bad := range []string{"", "k-", token.Reveal() + "0", token.Reveal()[1:], "\x00"} {
		if _, err := f.Authenticate(t.Context(), bad); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	again, _, err := f.CreateKey(t.Context(), "again", token)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "the same token again", k, again)
	for _, weak := range []string{"short", "has a space in it, it has", "has:a:colon:in:it"} {
		if _, _, err := f.CreateKey(t.Context(), "", job.NewSecret(weak)); err == nil {
			t.Errorf("%q was accepted", weak)
		}
	}

	if err := f.RevokeKey(t.Context(), "k-"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("revoke by what all begin with: %v", err)
	}
	if err := f.RevokeKey(t.Context(), "%%%"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("revoke by a pattern: %v", err)
	}
	if err := f.RevokeKey(t.Context(), k.Prefix); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), token.Reveal()); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("after revoking: %v", err)
	}
	if _, _, err := f.CreateKey(t.Context(), "", token); err == nil {
		t.Error("a revoked key was made again")
	}
	keys, err := f.ListKeys(t.Context())
	if err != nil || len(keys) != 2 || keys[0].RevokedAt.IsZero() || !keys[1].RevokedAt.IsZero() {
		t.Errorf("list: %+v %v", keys, err)
	}
}
