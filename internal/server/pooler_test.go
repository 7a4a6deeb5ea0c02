package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/testmedia"
)

// TestJobThroughPgBouncer: an API and a worker that hear nothing from each other
// bring a job to its end, and its events arrive meanwhile.
func TestJobThroughPgBouncer(t *testing.T) {
	clip := testmedia.Clip(t, testmedia.Short)
	source := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(clip))))
	defer source.Close()
	h := &hook{}
	receiver := httptest.NewServer(h)
	defer receiver.Close()
	s := startServerAt(t, pgtest.New(t).PgBouncer(t, "transaction", false).URL)
	if !s.srv.store.Pooler().Deaf {
		t.Fatal("PgBouncer was not found")
	}
	s.startWorkerApart()

	begin := time.Now()
	id := s.create(fmt.Sprintf(`{"input":{"url":%q},"storage":{"service":"coconut"},"outputs":{"jpg:64x":{"path":"/a.jpg"}},
		"notification":{"type":"http","url":%q}}`, source.URL+"/"+filepath.Base(clip), receiver.URL))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	early, events := 0, 0
	for stream := s.stream(ctx, id, ""); ; events++ {
		m := stream.next()
		if m.event == "" {
			break
		}
		if s.get(id).Status != "job.completed" {
			early++
		}
	}
	t.Logf("the job's end was told %v after the request", time.Since(begin))
	eventually(t, "the webhook", func() bool { return len(h.all()) == 1 })
	t.Logf("the webhook came after %v", time.Since(begin))
	if j := s.get(id); j.Status != "job.completed" || early == 0 {
		t.Errorf("%d of %d events came before the end; %+v", early, events, j)
	}
}

// startWorkerApart starts a worker with connections of its own, as in another
// process.
func (s *server) startWorkerApart() {
	s.t.Helper()
	st := s.srv.settings
	st.MetricsListen, st.WorkDir = "", s.t.TempDir()
	w := &server{t: s.t, srv: newServer("copra", st, slog.New(slog.NewTextHandler(s.t.Output(), nil)), []part{(*Server).connect})}
	if err := w.srv.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := w.srv.Stop(); err != nil {
			s.t.Error(err)
		}
	})
	w.startWorker()
}

// BenchmarkJobBehindPgBouncer is the time from POST to the webhook of the end of a job of
// one picture, by an API and a worker apart: what PgBouncer in transaction mode adds.
//
//	go test -run '^$' -bench BehindPgBouncer -benchtime 10x ./internal/server
func BenchmarkJobBehindPgBouncer(b *testing.B) {
	clip := testmedia.Clip(b, testmedia.Short)
	source := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(clip))))
	defer source.Close()
	for name, address := range map[string]func(*pgtest.Database) string{
		"direct": func(d *pgtest.Database) string { return d.URL },
		"pooled": func(d *pgtest.Database) string { return d.PgBouncer(b, "transaction", true).URL },
	} {
		b.Run(name, func(b *testing.B) {
			h := &hook{}
			receiver := httptest.NewServer(h)
			defer receiver.Close()
			s := startServerAt(b, address(pgtest.New(b)))
			s.startWorkerApart()
			var took []time.Duration
			for b.Loop() {
				begin, before := time.Now(), len(h.all())
				s.create(fmt.Sprintf(`{"input":{"url":%q},"storage":{"service":"coconut"},"outputs":{"jpg:64x":{"path":"/a.jpg"}},
					"notification":{"type":"http","url":%q}}`, source.URL+"/"+filepath.Base(clip), receiver.URL))
				eventually(b, "the webhook", func() bool { return len(h.all()) > before })
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2].Seconds(), "s/median")
			b.ReportMetric(took[len(took)-1].Seconds(), "s/most")
		})
	}
}
