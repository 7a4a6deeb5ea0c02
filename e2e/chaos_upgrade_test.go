package e2e

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// upgraded are upgrades under load: the program before the newest migration, built from
// this repository, works beside the one under test on one database.
var upgraded = []scenario{
	{stage: "all", fault: "upgrade, old and new side by side", slow: true, run: func(t *testing.T) (verdict, time.Duration) {
		db := newDatabase(t)
		r := newRigOf(t, db.srv.URL(), olderProgram(t))
		before := r.schema()
		old, oldAPI, oldClient := r.worker("COPRA_SLOTS=2"), r.api, r.c
		r.pace(slowly)
		spec := longJob(t, "")
		encoded := r.c.create(t, r.job(spec["input"].(object)["url"].(string), object{"mp4:240p": object{"path": "/encoded.mp4"}})).ID
		eventually(t, time.Minute, "the old worker encodes", func() bool { return encoding(r.workDir()) })

		// The schema grows under the old processes.
		if code, _, complaint := finish(t, time.Minute, launch{args: []string{"migrate"}, env: r.env}); code != 0 {
			t.Fatalf("migrate: %s", complaint)
		}
		if after := r.schema(); after == before {
			t.Fatalf("the schema of the older program is %s too", after)
		}
		sound := func(path string) object { return r.job(short(t), object{"mp3": object{"path": path}}) }
		accepted := r.c.create(t, sound("/accepted-by-old.mp3")).ID
		r.doneBy(accepted, old)

		// A new API beside the old one: the old worker does its jobs.
		r.program = ""
		r.startAPI("127.0.0.1:0")
		r.c = client{r.base, r.c.key}
		given := r.c.create(t, sound("/by-old.mp3")).ID
		r.doneBy(given, old)
		if j := oldClient.get(t, given); j.Status != "job.completed" {
			t.Errorf("the old API says %s of a job that the new one has accepted", j.Status)
		}

		// A new worker takes over what the old one hands back, and does what the old API accepts.
		fresh := r.worker("COPRA_SLOTS=2")
		since := time.Now()
		signal(t, old, syscall.SIGTERM)
		old.await(t, 10*time.Second)
		r.stopped = append(r.stopped, old)
		took := r.awaitTakeover(encoded, old, since)
		r.unpace()
		late := oldClient.create(t, sound("/by-new.mp3")).ID
		r.doneBy(late, fresh)
		v := r.settle(2*time.Minute, encoded, accepted, given, late)
		oldAPI.terminate(t)
		if v.result != "completed" {
			t.Errorf("the jobs ended %s", v.result)
		}
		return v, took
	}},
}

// schema returns the number of the newest migration.
func (r *rig) schema() string {
	return r.queryOne(`SELECT max(version_id)::text FROM goose_db_version`)
}

// doneBy waits until a job is completed, and fails unless w did it.
func (r *rig) doneBy(id string, w *process) {
	r.t.Helper()
	if j := r.c.wait(r.t, id, 2*time.Minute); j.Status != "job.completed" {
		r.t.Errorf("%s", j.raw)
	}
	if node := r.queryOne(`SELECT node FROM jobs WHERE id = $1`, id); node != r.node[w] {
		r.t.Errorf("job %s was done by %s and not by %s", id, node, r.node[w])
	}
}

// olderProgram builds the program as it was before the newest migration.
func olderProgram(t testing.TB) string {
	t.Helper()
	list, err := filepath.Glob("../migrations/*.sql")
	if err != nil || len(list) < 2 {
		t.Fatalf("migrations: %d, %v", len(list), err)
	}
	newest := "migrations/" + filepath.Base(list[len(list)-1])
	run := func(cmd *exec.Cmd) string {
		t.Helper()
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%q: %v\n%s", cmd.Args, err, complaint.String())
		}
		return strings.TrimSpace(string(out))
	}
	git := func(args ...string) string {
		return run(exec.CommandContext(t.Context(), "git", append([]string{"-C", ".."}, args...)...))
	}
	added := git("log", "--diff-filter=A", "--format=%H", "-1", "--", newest)
	if added == "" {
		t.Fatalf("git knows no commit that added %s: the test needs the history of the repository", newest)
	}
	tree := filepath.Join(openDir(t), "older")
	archive := filepath.Join(t.TempDir(), "older.tar")
	git("archive", "--prefix=older/", "--output="+archive, added+"^")
	run(exec.CommandContext(t.Context(), "tar", "-C", filepath.Dir(tree), "-xf", archive))
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", tree+"/copra", "./cmd/copra")
	build.Dir = tree
	run(build)
	return tree + "/copra"
}
