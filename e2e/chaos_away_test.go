package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/internal/pgserver"
)

// away are faults of what a deployment needs: S3, the hosts of webhooks, the API and the
// database.
var away = []scenario{
	{stage: "upload", fault: "S3 answers 503 for 3 s", run: s3Fault(fails, 3*time.Second)},
	{stage: "upload", fault: "S3 cuts connections for 3 s", slow: true, run: s3Fault(cuts, 3*time.Second)},
	{stage: "upload", fault: "S3 hangs for 10 s", slow: true, run: s3Fault(hangs, 10*time.Second)},
	{stage: "upload", fault: "S3 away for 10 s", slow: true, run: s3Fault("away", 10*time.Second)},
	{stage: "upload", fault: "S3 answers 503 for 90 s", slow: true, run: s3Fault(fails, 90*time.Second)},
	{stage: "upload", fault: "S3 away for 120 s", slow: true, run: s3Fault("away", 2*time.Minute)},
	{stage: "upload", fault: "S3 away, cancelled", slow: true, run: cancelledWait},
	{stage: "notify", fault: "webhook's host answers 500 once", slow: true, run: hookFault(errors500, time.Second)},
	{stage: "notify", fault: "webhook's host away for 3 s", run: hookFault("away", 3*time.Second)},
	{stage: "notify", fault: "webhook's host hangs for 8 s", slow: true, run: hookFault(hangs, 8*time.Second)},
	{stage: "post", fault: "API killed, again and again", run: apiKilled},
	{stage: "encode", fault: "PostgreSQL restarted", run: func(t *testing.T) (verdict, time.Duration) {
		return databaseAway(t, func(p *ownDatabase) { p.restart(); p.restart() })
	}},
	{stage: "encode", fault: "PostgreSQL stopped for 5 s", slow: true, run: databaseFrozen(5 * time.Second)},
	{stage: "encode", fault: "PostgreSQL stopped for 30 s", slow: true, run: databaseFrozen(30 * time.Second)},
	{stage: "encode", fault: "PostgreSQL down for 20 s", slow: true, run: func(t *testing.T) (verdict, time.Duration) {
		return databaseAway(t, func(p *ownDatabase) { p.stop(); wait(20 * time.Second); p.start() })
	}},
}

// wait lets a fault last for d. How long it lasts is part of the scenario.
func wait(d time.Duration) { <-time.After(d) }

// s3Fault makes uploads fail, for some time after the first that did. Nothing is encoded
// twice. If the fault lasts longer than a minute, another job with another storage gets the
// only slot of the worker meanwhile.
func s3Fault(fault string, lasts time.Duration) func(t *testing.T) (verdict, time.Duration) {
	return func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		proxy := r.s3[r.worker("COPRA_SLOTS=1")]
		if fault == "away" {
			r.hold("-map")
		} else {
			proxy.set(fault, http.MethodPut)
		}
		id := r.c.create(t, r.job(short(t), object{
			"mp4:240p": object{"path": "/a.mp4"}, "jpg:100x": object{"path": "/a.jpg"},
			"httpstream": object{"hls": object{"path": "/hls"}, "variants": []string{"mp4:240p"}},
		})).ID
		if fault == "away" {
			r.awaitHeld()
			proxy.away()
			r.unhold()
		} else {
			eventually(t, 60*time.Second, "an upload meets the fault", func() bool { return proxy.hits() > 0 })
		}
		ids, run, over := []string{id}, r.run(id), time.After(lasts)
		if lasts > time.Minute {
			other := r.job(short(t), object{"mp3": object{"path": "/other.mp3"}})
			other["storage"].(object)["service"], other["storage"].(object)["endpoint"] = "s3other", r.gateway.Endpoint
			ids = append(ids, r.c.create(t, other).ID)
			if j := r.c.wait(t, ids[1], lasts); j.Status != "job.completed" {
				t.Errorf("another job: %s", j.raw)
			}
			select {
			case <-over:
				t.Error("another job had to wait for the storage of the first")
			default:
			}
		}
		<-over
		if fault == "away" {
			proxy.back()
		} else {
			proxy.set(works, "")
		}
		v := r.settle(3*time.Minute, ids...)
		if v.result != "completed" {
			t.Errorf("the job ended %s", v.result)
		}
		if last := r.run(id); last != run {
			t.Errorf("run %s of the job was followed by run %s", run, last)
		}
		return v, 0
	}
}

// run returns the fencing token of the last run of a job. If it has not changed, nothing was
// encoded twice.
func (r *rig) run(id string) string {
	r.t.Helper()
	return r.queryOne(`SELECT run::text FROM jobs WHERE id = $1`, id)
}

// cancelledWait cancels a job while its results wait for the storage.
func cancelledWait(t *testing.T) (verdict, time.Duration) {
	r := newRig(t, "")
	w := r.worker()
	r.hold("-map")
	id := r.c.create(t, r.job(short(t), small)).ID
	r.awaitHeld()
	r.s3[w].away()
	r.unhold()
	if _, err := w.says(2*time.Minute, `upload waiting for storage`); err != nil {
		t.Fatal(err)
	}
	if status, body, _ := r.c.send(t, http.MethodDelete, "/jobs/"+id, nil); status != http.StatusOK {
		t.Errorf("cancel: %d %s", status, body)
	}
	eventually(t, 2*time.Second, "the results are gone", func() bool { return len(workFiles(t, r.workDir())) == 0 })
	r.s3[w].back()
	return r.settle(30*time.Second, id), 0
}

// hookFault makes deliveries fail for some time. The webhooks of another job, which go past
// the proxy, must not be delayed by it.
func hookFault(fault string, lasts time.Duration) func(t *testing.T) (verdict, time.Duration) {
	return func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		r.worker()
		if fault == "away" {
			r.hook.away()
		} else {
			r.hook.set(fault, "")
		}
		id := r.c.create(t, r.job(short(t), small)).ID
		other := r.job(short(t), small)
		other["notification"] = object{"url": hooks(t).url(r.name + "-other"), "events": true}
		r.c.create(t, other)
		if fault == "away" {
			eventually(t, 60*time.Second, "a delivery was tried", func() bool {
				return r.queryOne(`SELECT count(*)::text FROM deliveries WHERE attempts > 0 AND state = 'pending'`) != "0"
			})
		} else {
			eventually(t, 60*time.Second, "a delivery meets the fault", func() bool { return r.hook.hits() > 0 })
		}
		wait(lasts)
		hooks(t).await(t, r.name+"-other", "job.completed", 30*time.Second)
		if fault == "away" {
			r.hook.back()
		} else {
			r.hook.set(works, "")
		}
		return r.settle(60*time.Second, id), 0
	}
}

// apiKilled kills the API while transactions of POSTs are open, several times.
// Clients repeat with their Idempotency-Key until they hear 201.
func apiKilled(t *testing.T) (verdict, time.Duration) {
	const clients = 12
	r := newRig(t, "")
	r.worker()
	listen := strings.TrimSuffix(strings.TrimPrefix(r.base, "http://"), "/v2")
	ids := make([]string, clients)
	unlock := r.lockJobs()
	var wg sync.WaitGroup
	for i := range clients {
		spec := r.job(short(t), object{"mp3": object{"path": fmt.Sprintf("/%d.mp3", i)}})
		wg.Go(func() { ids[i] = mustPost(t, r.c, spec, fmt.Sprintf("order-%d", i)) })
	}
	for range 3 {
		eventually(t, 30*time.Second, "POSTs wait for the database", func() bool {
			return r.queryOne(`SELECT (count(*) > 3)::text FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT granted AND d.datname = current_database()`) == "true"
		})
		r.kill(r.api)
		unlock()
		unlock = r.lockJobs()
		r.startAPI(listen)
	}
	unlock()
	wg.Wait()
	v := r.settle(90*time.Second, ids...)
	if n := r.queryOne(`SELECT count(*) || ' ' || count(DISTINCT idempotency_key) FROM jobs`); n != fmt.Sprintf("%d %[1]d", clients) {
		t.Errorf("jobs and their keys: %s", n)
	}
	return v, 0
}

// lockJobs makes every statement on the table jobs wait until unlock is called.
func (r *rig) lockJobs() (unlock func()) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	conn, err := pgx.Connect(ctx, r.db)
	if err == nil {
		_, err = conn.Exec(ctx, `BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE`)
	}
	if err != nil {
		cancel()
		r.t.Fatal(err)
	}
	return func() {
		conn.Close(ctx)
		cancel()
	}
}

// mustPost repeats a POST until the answer is 201, and returns the job's id.
func mustPost(t testing.TB, c client, spec object, key string) string {
	body := string(must(t, spec))
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		req, err := http.NewRequest(http.MethodPost, c.base+"/jobs", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return ""
		}
		req.SetBasicAuth(c.key, "")
		req.Header.Set("Idempotency-Key", key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			wait(50 * time.Millisecond)
			continue
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		switch {
		case err == nil && resp.StatusCode == http.StatusCreated:
			return parseJob(t, answer).ID
		case resp.StatusCode < 500:
			t.Errorf("POST answered %d: %s", resp.StatusCode, answer)
			return ""
		}
		wait(50 * time.Millisecond)
	}
	t.Error("no 201 in a minute")
	return ""
}

// ownDatabase is a PostgreSQL server of one test.
type ownDatabase struct {
	t   testing.TB
	dir string
	srv *pgserver.Server
}

func newDatabase(t testing.TB) *ownDatabase {
	t.Helper()
	p := &ownDatabase{t: t, dir: filepath.Join(openDir(t), "pg")}
	p.start()
	t.Cleanup(func() {
		if p.srv != nil {
			p.signal(syscall.SIGCONT)
			p.stop()
		}
	})
	return p
}

func (p *ownDatabase) start() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// A process that another test forks just now has the lock of the folder open until it
	// execs.
	var err error
	for range 50 {
		if p.srv, err = pgserver.Start(ctx, pgserver.Options{Dir: p.dir, Bin: os.Getenv("COPRA_PG_BIN"), MaxConnections: 100, Unsafe: true}); err == nil {
			return
		}
		wait(100 * time.Millisecond)
	}
	p.t.Fatal(err)
}

func (p *ownDatabase) stop() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := p.srv.Stop(ctx); err != nil {
		p.t.Error(err)
	}
	p.srv = nil
}

func (p *ownDatabase) restart() {
	p.t.Helper()
	p.stop()
	p.start()
}

// signal sends a signal to the server and all its children.
func (p *ownDatabase) signal(s syscall.Signal) {
	pid := p.srv.PID()
	_ = syscall.Kill(pid, s)
	for _, c := range processes() {
		if c.parent == pid {
			_ = syscall.Kill(c.pid, s)
		}
	}
}

// databaseFrozen stops the processes of the database for some time.
func databaseFrozen(lasts time.Duration) func(t *testing.T) (verdict, time.Duration) {
	return func(t *testing.T) (verdict, time.Duration) {
		return databaseAway(t, func(p *ownDatabase) {
			p.signal(syscall.SIGSTOP)
			wait(lasts)
			p.signal(syscall.SIGCONT)
		})
	}
}

// databaseAway has fault do something to the database while one job is being encoded and
// others are in other stages. No run may be replaced by it.
func databaseAway(t *testing.T, fault func(*ownDatabase)) (verdict, time.Duration) {
	p := newDatabase(t)
	r := newRig(t, p.srv.URL())
	r.worker("COPRA_SLOTS=2")
	r.pace("0.5") // eight seconds of encode
	spec := longJob(t, "")
	ids := []string{r.c.create(t, r.job(spec["input"].(object)["url"].(string), spec["outputs"].(object))).ID}
	eventually(t, 60*time.Second, "ffmpeg encodes", func() bool { return encoding(r.workDir()) })
	for i := range 3 {
		ids = append(ids, r.c.create(t, r.job(short(t), object{"mp3": object{"path": fmt.Sprintf("/%d.mp3", i)}})).ID)
	}
	run := r.run(ids[0])
	fault(p)
	since := time.Now()
	eventually(t, 60*time.Second, "the API answers", func() bool {
		status, _, err := tryGet(r.c, "/jobs/"+ids[0])
		return err == nil && status == http.StatusOK
	})
	t.Logf("the API answers again after %s", time.Since(since).Round(10*time.Millisecond))
	v := r.settle(2*time.Minute, ids...)
	if v.result != "completed" {
		t.Errorf("the jobs ended %s", v.result)
	}
	if last := r.run(ids[0]); last != run {
		t.Errorf("run %s, which encoded, was followed by run %s", run, last)
	}
	return v, 0
}

func tryGet(c client, path string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return 0, nil, err
	}
	req.SetBasicAuth(c.key, "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

func must(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
