package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/s3server"
)

// takeoverLimit is after how long another worker must have the work of a killed one: that is
// silent for 10 s, the other asks every 5 s while it has no work, and a busy machine may be
// slow.
const takeoverLimit = 30 * time.Second

// rig is a deployment in which every part can be made to fail: an API, workers that reach
// the S3 server by a proxy each, a proxy before the host of webhooks, and an ffmpeg that can
// be steered.
type rig struct {
	*deployment
	t       testing.TB
	c       client
	name    string // of its bucket, and of its path at the host of webhooks
	gateway *s3server.Server
	hook    *faultProxy
	s3      map[*process]*faultProxy
	node    map[*process]string
	stopped []*process // killed, or ended by the test
}

// newRig starts an API with a database; "": a new one of the shared server.
func newRig(t testing.TB, database string) *rig {
	t.Helper()
	return newRigOf(t, database, "")
}

// newRigOf is newRig with another program than the one under test.
func newRigOf(t testing.TB, database, program string) *rig {
	t.Helper()
	migrated := database == ""
	if migrated {
		database = pgtest.New(t).URL
	}
	d := &deployment{db: database, dir: openDir(t), program: program}
	name := "chaos-" + strings.ToLower(filepath.Base(d.dir))
	r := &rig{deployment: d, t: t, name: name, gateway: s3(t), s3: map[*process]*faultProxy{}, node: map[*process]string{}}
	r.gateway.CreateBucket(t, name)
	if code, _, complaint := finish(t, 10*time.Second, launch{args: []string{"secrets", filepath.Join(d.dir, "secrets")}}); code != 0 {
		t.Fatalf("secrets: %s", complaint)
	}
	d.env = append(steered(t),
		"COPRA_DATABASE_URL="+d.db, "COPRA_SECRET_KEY_FILE="+filepath.Join(d.dir, "secrets", "secret-key"),
		"COPRA_ALLOW_NETWORKS=127.0.0.0/8", "COPRA_LOG_LEVEL=debug", "COPRA_WORK_DIR="+d.workDir())
	if !migrated {
		if code, _, complaint := finish(t, 60*time.Second, launch{program: program, args: []string{"migrate"}, env: d.env}); code != 0 {
			t.Fatalf("migrate: %s", complaint)
		}
	}
	r.startAPI("127.0.0.1:0")
	r.c = d.client(t, "chaos")
	hooks(t)
	r.hook = newFaultProxy(t, common.hooks.srv.URL)
	return r
}

func (r *rig) startAPI(listen string) {
	r.t.Helper()
	r.api = launchFor(r.t, launch{program: r.program, args: []string{"api", "--listen", listen}, env: r.env})
	public, err := r.api.says(startTime, `msg="copra api".* public_url=(http://127\.0\.0\.1:\d+)`)
	if err != nil {
		r.t.Fatal(err)
	}
	r.base = public + "/v2"
}

// worker starts a worker with a few more variables.
func (r *rig) worker(env ...string) *process {
	r.t.Helper()
	proxy := newFaultProxy(r.t, r.gateway.Endpoint)
	env = append(append(slices.Clone(r.env), "COPRA_S3_ENDPOINT="+proxy.url(), "COPRA_S3_PUBLIC_URL="+r.gateway.Endpoint), env...)
	started := func() {} // each program asks ffmpeg for itself
	if r.program == "" {
		started = knownFFmpeg(r.t, r.workDir(), "steered")
	}
	w := launchFor(r.t, launch{program: r.program, args: []string{"worker"}, env: env})
	node, err := w.says(startTime, `msg="copra worker".* node=(\S+)`)
	if err != nil {
		r.t.Fatal(err)
	}
	started()
	// ffmpeg runs in the default sandbox, also when it is held.
	if log := w.stderr.String(); strings.Contains(log, "ffmpeg runs without a sandbox") || strings.Contains(log, "ffmpeg runs as root") {
		r.t.Errorf("the sandbox of ffmpeg is less than it could be: %s", log)
	}
	r.workers, r.s3[w], r.node[w] = append(r.workers, w), proxy, node
	return w
}

// kill kills a process and returns when.
func (r *rig) kill(p *process) time.Time {
	r.t.Helper()
	at := time.Now()
	p.kill(r.t)
	r.stopped = append(r.stopped, p)
	return at
}

// hold has every ffmpeg whose arguments contain a text wait until unhold, see steered.
func (r *rig) hold(text string) { r.t.Helper(); steer(r.t, r.dir, "hold", text) }

func (r *rig) unhold() { r.t.Helper(); unsteer(r.t, r.dir, "hold") }

// pace slows encodes down, see steered.
func (r *rig) pace(speed string) { r.t.Helper(); steer(r.t, r.dir, "pace", speed) }

func (r *rig) unpace() { r.t.Helper(); unsteer(r.t, r.dir, "pace") }

// awaitHeld waits until an ffmpeg is held.
func (r *rig) awaitHeld() {
	r.t.Helper()
	eventually(r.t, 60*time.Second, "ffmpeg is held", func() bool {
		return slices.ContainsFunc(workFiles(r.t, r.workDir()), func(p string) bool { return filepath.Base(p) == "held" })
	})
}

// job returns a request whose results go to S3.
func (r *rig) job(input string, outputs object) object {
	return object{
		"input":        object{"url": input},
		"storage":      object{"service": "s3", "bucket": r.name, "region": s3server.Region, "credentials": s3Credentials(r.gateway)},
		"outputs":      outputs,
		"notification": object{"url": r.hook.url() + "/" + r.name, "events": true},
	}
}

// queryOne returns the one value of a query.
func (r *rig) queryOne(sql string, args ...any) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, r.db)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(ctx)
	var s string
	if err := conn.QueryRow(ctx, sql, args...).Scan(&s); err != nil {
		r.t.Fatalf("%s: %v", sql, err)
	}
	return s
}

// awaitTakeover waits until another worker than the victim has the job, and returns how long
// that was after since, when the victim was stopped.
func (r *rig) awaitTakeover(id string, victim *process, since time.Time) time.Duration {
	r.t.Helper()
	eventually(r.t, 2*takeoverLimit, "another worker has the job", func() bool {
		node := r.queryOne(`SELECT node FROM jobs WHERE id = $1`, id)
		return node != "" && node != r.node[victim]
	})
	return time.Since(since)
}

// verdict is how a scenario went.
type verdict struct {
	result    string // how the jobs ended
	delivered int    // webhooks
	expected  int    // events
}

// settle waits until jobs have ended, and checks what must be true after every fault: a job
// that failed says why, results exist, every event was delivered, and nothing is left.
func (r *rig) settle(limit time.Duration, ids ...string) verdict {
	r.t.Helper()
	var v verdict
	var results []string
	want := map[string]bool{}
	for _, id := range ids {
		j := r.c.wait(r.t, id, limit)
		results = append(results, r.explained(j))
		for _, e := range expectedEvents(j) {
			want[id+" "+e] = true
		}
	}
	v.expected = len(want)
	eventually(r.t, 100*time.Second, "every event has been delivered", func() bool {
		got := hooks(r.t).all(r.name)
		v.delivered = len(got)
		missing := 0
		have := map[string]bool{}
		for i, e := range events(got) {
			if got[i].status/100 == 2 {
				have[got[i].JobID+" "+e] = true
			}
		}
		for e := range want {
			if !have[e] {
				missing++
			}
		}
		return missing == 0
	})
	slices.Sort(results)
	v.result = strings.Join(slices.Compact(results), "; ")
	r.tidy()
	return v
}

// explained returns how a job ended. One that failed must say why.
func (r *rig) explained(j jobDoc) string {
	r.t.Helper()
	if j.Status == "job.completed" {
		for _, o := range j.Outputs {
			if o.Type == "video" {
				r.stored(o.URL)
			}
		}
		return "completed"
	}
	if j.Error != "" {
		return j.Error
	}
	if j.Input.Error != "" {
		return "failed: " + j.Input.Error
	}
	for _, o := range j.Outputs {
		if strings.HasSuffix(o.Status, ".failed") {
			if o.Error == "" {
				r.t.Errorf("an output failed without a word: %s", j.raw)
			}
			return "failed: " + o.Error
		}
	}
	r.t.Errorf("the job failed without a word: %s", j.raw)
	return "failed"
}

// stored fails the test unless a result is where the job says.
func (r *rig) stored(address string) {
	r.t.Helper()
	_, key, ok := strings.Cut(address, r.name+"/")
	if !ok {
		r.t.Errorf("address %s", address)
		return
	}
	if body, _, err := r.gateway.Object(r.name, key); err != nil || len(body) == 0 {
		r.t.Errorf("result %s: %d bytes, %v", key, len(body), err)
	}
}

// expectedEvents returns the events that a job that has ended must have reported.
func expectedEvents(j jobDoc) []string {
	list := []string{j.Status}
	if j.Input.Error == "" {
		list = append(list, "input.transferred")
	}
	for _, o := range j.Outputs {
		switch _, end, _ := strings.Cut(o.Status, "."); end {
		case "encoded", "created", "packaged":
			list = append(list, "output.completed "+o.Key)
		case "failed":
			list = append(list, "output.failed "+o.Key)
		}
	}
	return list
}

// tidy checks that no ffmpeg and no work file is left, and ends the processes.
func (r *rig) tidy() {
	r.t.Helper()
	eventually(r.t, 5*time.Second, "no ffmpeg is left", func() bool {
		return !slices.ContainsFunc(processes(), func(p osProcess) bool { return strings.HasPrefix(p.cwd, r.workDir()) })
	})
	var files []string
	eventually(r.t, 10*time.Second, "work directory is empty", func() bool {
		files = workFiles(r.t, r.workDir())
		return len(files) == 0
	})
	for _, p := range append([]*process{r.api}, r.workers...) {
		if !slices.Contains(r.stopped, p) {
			p.terminate(r.t)
		}
	}
}

// gate serves a file. Requests wait until it is opened if closed says so when they come.
type gate struct {
	net.Listener
	met    chan struct{} // closed when the first request waits
	opened chan struct{} // the test closes it to open the gate
}

func newGate(t testing.TB, file string, closed func() bool) (address string, g *gate) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g = &gate{Listener: l, met: make(chan struct{}), opened: make(chan struct{})}
	var once sync.Once
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-g.opened:
		default:
			if closed() {
				once.Do(func() { close(g.met) })
				select {
				case <-g.opened:
				case <-r.Context().Done():
					return
				}
			}
		}
		http.ServeFile(w, r, file)
	})}
	go srv.Serve(l) //nolint:errcheck // it ends by Close
	t.Cleanup(func() { srv.Close() })
	return "http://" + l.Addr().String() + "/clip" + filepath.Ext(file), g
}

// await waits until a request waits.
func (g *gate) await(t testing.TB) {
	t.Helper()
	select {
	case <-g.met:
	case <-time.After(60 * time.Second):
		t.Fatal("no request has come to the gate")
	}
}

// chaosTable is what TestChaos prints at its end.
var chaosTable struct {
	sync.Mutex
	rows []string
}

// report adds a row. takeover is 0 if no work was taken over.
func report(stage, fault string, v verdict, takeover, seconds time.Duration) {
	took := "-"
	if takeover > 0 {
		took = fmt.Sprintf("%.1f", takeover.Seconds())
	}
	chaosTable.Lock()
	defer chaosTable.Unlock()
	chaosTable.rows = append(chaosTable.rows, fmt.Sprintf("| %-9s | %-44s | %8s | %5.1f | %2d of %-2d | %s |",
		stage, fault, took, seconds.Seconds(), v.delivered, v.expected, v.result))
}

func printChaos(t testing.TB) {
	chaosTable.Lock()
	defer chaosTable.Unlock()
	slices.Sort(chaosTable.rows)
	t.Logf("deliveries are those that came, of those that must:\n| %-9s | %-44s | takeover | s     | events   | result |\n|---|---|---|---|---|---|\n%s",
		"stage", "fault", strings.Join(chaosTable.rows, "\n"))
}
