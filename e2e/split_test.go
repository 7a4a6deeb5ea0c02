package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/pgtest"
)

// deployment is the program on several machines: an API and workers with one
// database and one volume.
type deployment struct {
	db      string
	dir     string
	env     []string
	api     *process
	workers []*process
	base    string
	program string // that starts from now on; "": the one under test
}

// deploy starts an API and workers.
func deploy(t testing.TB, workers int) *deployment {
	t.Helper()
	d := newDeployment(t, pgtest.New(t).URL)
	d.start(t, workers)
	return d
}

// deployEmpty migrates an empty database, by three processes at once, and starts an
// API and workers.
func deployEmpty(t testing.TB, workers int) *deployment {
	t.Helper()
	d := newDeployment(t, pgtest.Empty(t).URL)
	var migrations []*process
	for range 3 {
		migrations = append(migrations, launchFor(t, launch{args: []string{"migrate"}, env: d.env}))
	}
	for _, m := range migrations {
		m.await(t, 60*time.Second)
		if m.cmd.ProcessState.ExitCode() != 0 {
			t.Fatalf("migrate: %s", m.stderr.String())
		}
	}
	d.start(t, workers)
	return d
}

func newDeployment(t testing.TB, db string) *deployment {
	t.Helper()
	d := &deployment{db: db, dir: openDir(t)}
	if code, _, complaint := finish(t, 10*time.Second, launch{args: []string{"secrets", filepath.Join(d.dir, "secrets")}}); code != 0 {
		t.Fatalf("secrets: %s", complaint)
	}
	d.env = append(steered(t),
		"COPRA_DATABASE_URL="+d.db, "COPRA_SECRET_KEY_FILE="+filepath.Join(d.dir, "secrets", "secret-key"),
		"COPRA_STORAGE_DIR="+filepath.Join(d.dir, "storage"), "COPRA_ALLOW_NETWORKS=127.0.0.0/8", "COPRA_LOG_LEVEL=debug")
	return d
}

func (d *deployment) start(t testing.TB, workers int) {
	t.Helper()
	d.api = launchFor(t, launch{args: []string{"api", "--listen", "127.0.0.1:0"}, env: d.env})
	public, err := d.api.says(startTime, `msg="copra api".* public_url=(http://127\.0\.0\.1:\d+)`)
	if err != nil {
		t.Fatal(err)
	}
	d.base = public + "/v2"
	d.env = append(d.env, "COPRA_PUBLIC_URL="+public)
	for range workers {
		d.startWorker(t)
	}
}

// startWorker starts a worker. All share one work directory.
func (d *deployment) startWorker(t testing.TB) *process {
	t.Helper()
	started := knownFFmpeg(t, d.workDir(), "steered")
	w := launchFor(t, launch{args: []string{"worker", "--metrics-listen", "127.0.0.1:0"}, env: append(d.env, "COPRA_WORK_DIR="+d.workDir())})
	if _, err := w.says(startTime, `msg="copra worker".* node=(\S+)`); err != nil {
		t.Fatal(err)
	}
	started()
	d.workers = append(d.workers, w)
	return w
}

func (d *deployment) workDir() string { return filepath.Join(d.dir, "work") }

// keys runs `copra keys`, which must succeed.
func (d *deployment) keys(t testing.TB, args ...string) string {
	t.Helper()
	code, out, complaint := finish(t, 20*time.Second, launch{program: d.program, args: append([]string{"keys"}, args...), env: d.env})
	if code != 0 {
		t.Fatalf("keys %q: %d %s", args, code, complaint)
	}
	return out
}

func (d *deployment) client(t testing.TB, name string) client {
	t.Helper()
	return client{d.base, strings.TrimSpace(d.keys(t, "create", "--name", name))}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	d := deployEmpty(t, 2)
	one, two := d.client(t, "one"), d.client(t, "two")

	t.Run("ready", func(t *testing.T) {
		for _, path := range []string{"/healthz", "/readyz", "/metrics", "/openapi.yaml"} {
			fetch(t, strings.TrimSuffix(d.base, "/v2")+path)
		}
	})
	var mine jobDoc
	t.Run("job", func(t *testing.T) {
		mine = one.completed(t, 60*time.Second, jobOf(short(t), object{"mp4:240p": object{"path": "/a.mp4"}}))
		probe(t, mine.output(t, "mp4:240p").URL).lasts(t, "mp4", 1, 0.1)
	})
	t.Run("keys", func(t *testing.T) {
		if regexp.MustCompile(`^k-[0-9a-f]{32}$`).FindString(one.key) == "" {
			t.Errorf("key %q", one.key)
		}
		for _, path := range []string{"/jobs/" + mine.ID, "/metadata/jobs/" + mine.ID, "/metadata/jobs/" + mine.ID + "/input"} {
			if status, body, _ := two.send(t, http.MethodGet, path, nil); status != http.StatusNotFound || len(body) != 0 {
				t.Errorf("%s of another key: %d %s", path, status, body)
			}
		}
		list := d.keys(t, "list")
		m := regexp.MustCompile(`(?m)^(\S+) +(\S+)\.\.\. +two `).FindStringSubmatch(list)
		if m == nil || !strings.HasPrefix(two.key, m[2]) || strings.Contains(list, two.key) {
			t.Fatalf("keys list:\n%s", list)
		}
		d.keys(t, "revoke", m[1])
		if status, body, _ := two.send(t, http.MethodGet, "/jobs/"+mine.ID, nil); status != http.StatusUnauthorized || !strings.Contains(string(body), "authentication_failed") {
			t.Errorf("a revoked key: %d %s", status, body)
		}
		if code, _, complaint := finish(t, 20*time.Second, launch{args: []string{"keys", "revoke", "nothing"}, env: d.env}); code != 1 || complaint == "" {
			t.Errorf("revoke of no key: %d %s", code, complaint)
		}
		one.get(t, mine.ID)
	})
	whole := t
	t.Run("worker killed", func(t *testing.T) {
		steer(t, d.dir, "pace", slowly)
		j := one.create(t, longJob(t, "takeover"))
		awaitEncoding(t, d.workDir(), "takeover")
		victim := d.busyWorker(t)
		victim.kill(t)
		unsteer(t, d.dir, "pace")
		eventually(t, 5*time.Second, "no ffmpeg of the killed worker is left", func() bool {
			for _, p := range processes() {
				if p.name() == "ffmpeg" && strings.Contains(p.cwd, "-"+pid(victim)+"-") && strings.HasPrefix(p.cwd, d.workDir()) {
					return false
				}
			}
			return true
		})
		if done := one.wait(t, j.ID, 90*time.Second); done.Status != "job.completed" {
			t.Errorf("%s", done.raw)
		}
		longJobEvents(t, "takeover", true)
		// The next start deletes the work files that the killed worker left.
		d.startWorker(whole)
		eventually(t, 10*time.Second, "work directory is empty", func() bool { return len(workFiles(t, d.workDir())) == 0 })
	})
	t.Run("end", func(t *testing.T) {
		d.api.terminate(t)
		for _, w := range d.workers {
			select {
			case <-w.done:
			default:
				w.terminate(t)
			}
		}
		left, err := os.ReadDir(d.workDir())
		left = slices.DeleteFunc(left, func(e os.DirEntry) bool { return e.Name() == capabilityFile })
		if err != nil || len(left) != 0 {
			t.Errorf("left in the work directory: %v, %v", left, err)
		}
	})
}

// busyWorker is the worker that encodes.
func (d *deployment) busyWorker(t testing.TB) *process {
	t.Helper()
	for _, p := range processes() {
		for _, w := range d.workers {
			if p.parent == w.cmd.Process.Pid && p.name() == "ffmpeg" {
				return w
			}
		}
	}
	t.Fatal("no worker encodes")
	return nil
}

// A server whose schema is older than the program says so.
func TestNotMigrated(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	if code, _, complaint := finish(t, 10*time.Second, launch{args: []string{"secrets", dir}}); code != 0 {
		t.Fatalf("secrets: %s", complaint)
	}
	env := []string{"COPRA_DATABASE_URL=" + pgtest.Empty(t).URL, "COPRA_SECRET_KEY_FILE=" + filepath.Join(dir, "secret-key")}
	for _, args := range [][]string{{"api", "--listen", "127.0.0.1:0"}, {"worker"}, {"keys", "list"}} {
		code, _, complaint := finish(t, 30*time.Second, launch{args: args, env: env})
		if code != 1 || !strings.Contains(complaint, "copra migrate") {
			t.Errorf("%q on an empty database: %d %s", args, code, complaint)
		}
	}
}

func pid(p *process) string { return strconv.Itoa(p.cmd.Process.Pid) }
