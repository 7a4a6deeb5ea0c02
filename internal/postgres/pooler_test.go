package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/internal/testtime"
	"github.com/copra-video/copra/job"
)

// TestPooler: what a pooler takes away is found at the start, and everything works
// without it.
func TestPooler(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode     string
		prepared bool
		deaf     bool
	}{
		{mode: "transaction", deaf: true},
		{mode: "transaction", prepared: true, deaf: true},
		{mode: "session"},
	} {
		t.Run(fmt.Sprintf("%s, prepared statements %t", c.mode, c.prepared), func(t *testing.T) {
			t.Parallel()
			db := pgtest.Empty(t)
			pooler := db.PgBouncer(t, c.mode, c.prepared)
			if c.prepared && !pooler.Prepares {
				return // an old version, which the first row has too
			}
			migrateAtOnce(t, pooler.URL)
			db.Exec(t, `DO $$ BEGIN IF EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) THEN RAISE 'a lock stays'; END IF; END $$`)
			var log bytes.Buffer
			s := openAt(t, pooler.URL, slog.New(slog.NewTextHandler(&log, nil)))
			want := postgres.Pooler{Found: true, Deaf: c.deaf, Unprepared: c.deaf && !pooler.Prepares}
			if s.Pooler() != want {
				t.Errorf("found %+v, want %+v", s.Pooler(), want)
			}
			if warned := strings.Contains(log.String(), "level=WARN"); warned != c.deaf {
				t.Errorf("log: %s", log.String())
			}
			info, err := postgres.Inspect(t.Context(), pooler.URL)
			if err != nil || info.Pooler != want || info.Pending != 0 {
				t.Errorf("doctor: %+v %v", info, err)
			}
			// Several processes prepare the same statements on the same connections.
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { useStore(t, openAt(t, pooler.URL, nil)) })
			}
			wg.Wait()
		})
	}
}

// migrateAtOnce migrates as several pods do.
func migrateAtOnce(t *testing.T, address string) {
	t.Helper()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := postgres.Migrate(t.Context(), address, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func openAt(t *testing.T, address string, log *slog.Logger) *postgres.Store {
	t.Helper()
	sealer, err := seal.ParseKeys([]string{seal.Generate()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), address, postgres.Options{Sealer: sealer, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// useStore accepts jobs, and watches them while they are cancelled.
func useStore(t *testing.T, s *postgres.Store) {
	f := &fixture{Store: s, t: t}
	f.keyID = f.key("x")
	for range 3 {
		id := f.create(request).ID
		changed, stop := f.Watch(id)
		begin := time.Now()
		if _, err := f.CancelJob(t.Context(), f.keyID, id); err != nil {
			t.Error(err)
		}
		for range 100 { // there are others that change
			<-changed
			if f.get(id).Status == job.JobFailed {
				break
			}
		}
		testtime.Within(t, "the change", begin, 3*time.Second)
		stop()
	}
}

// TestNoPooler: a connection of its own is not taken for a pooler's.
func TestNoPooler(t *testing.T) {
	t.Parallel()
	if p := open(t).Pooler(); p != (postgres.Pooler{}) {
		t.Errorf("found %+v", p)
	}
}

// TestPoolerOthersListen: a pooler of transactions is known for one also while its connection
// passes on the notifications that somebody else has asked for.
func TestPoolerOthersListen(t *testing.T) {
	t.Parallel()
	db := pgtest.Empty(t)
	pooler := db.PgBouncer(t, "transaction", false)
	connect := func(address string) *pgx.Conn {
		c, err := pgx.Connect(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(context.WithoutCancel(t.Context())) })
		return c
	}
	if _, err := connect(pooler.URL).Exec(t.Context(), `LISTEN others`, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	speaker := connect(db.URL)
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := speaker.Exec(t.Context(), `NOTIFY others`); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 3 {
		info, err := postgres.Inspect(t.Context(), pooler.URL)
		if want := (postgres.Pooler{Found: true, Deaf: true, Unprepared: true}); err != nil || info.Pooler != want {
			t.Fatalf("%+v %v", info, err)
		}
	}
}
