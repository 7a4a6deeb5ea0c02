package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/testmedia"
)

// TestBackup: a job that was accepted before a backup is done after the restore, for
// the same API key, and what had ended is still there. The commands are those of
// docs/operations.md.
func TestBackup(t *testing.T) {
	dump, restore := testmedia.Tool(t, "pg_dump"), testmedia.Tool(t, "pg_restore")
	clip := testmedia.Clip(t, testmedia.Short)
	source := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(clip))))
	defer source.Close()
	db := pgtest.New(t)
	s := startServerAt(t, db.URL)
	waiting := s.create(fmt.Sprintf(`{"input":{"url":%q},"storage":{"service":"coconut"},"outputs":{"jpg:64x":{"path":"/a.jpg"}}}`, source.URL+"/"+filepath.Base(clip)))
	ended := s.create(jobFor(source.URL+"/none.mp4", "http://127.0.0.1:1/"))
	if status, answer := s.do("DELETE", "/jobs/"+ended, ""); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}

	file, other := filepath.Join(t.TempDir(), "copra.dump"), pgtest.Empty(t)
	for _, command := range [][]string{
		{dump, "-Fc", "-f", file, db.URL},
		{restore, "--clean", "--if-exists", "-d", other.URL, file},
	} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", filepath.Base(command[0]), err, out)
		}
	}
	if err := postgres.Migrate(t.Context(), other.URL, nil); err != nil {
		t.Fatal(err)
	}

	st := s.srv.settings
	st.DatabaseURL, st.Listen, st.PublicURL = other.URL, "127.0.0.1:0", ""
	again := &server{t: t, srv: NewAPI(st, slog.New(slog.NewTextHandler(t.Output(), nil))), token: s.token}
	if err := again.srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := again.srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	again.base = again.srv.settings.PublicURL + "/v2"
	if j := again.get(ended); j.Status != "job.failed" || j.Error != "cancelled" {
		t.Errorf("the job that had ended: %+v", j)
	}
	again.startWorker()
	eventually(t, "the job that waited", func() bool { return again.get(waiting).Status == "job.completed" })
}
