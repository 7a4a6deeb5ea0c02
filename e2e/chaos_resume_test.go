package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// resumed are faults after the encode with an artifact store, and faults of that store.
var resumed = []scenario{
	{stage: "mux", fault: "worker killed, artifacts in a folder", slow: true, run: resumes(folderStore, "-c copy", small, 2)},
	{stage: "mux", fault: "worker killed, artifacts in S3", slow: true, run: resumes(bucketStore, "-c copy", small, 2)},
	{stage: "package", fault: "worker killed, artifacts in a folder", slow: true, run: resumes(folderStore, "-c copy", ladder, 1)},
	{stage: "package", fault: "worker killed, artifacts in S3", run: resumes(bucketStore, "-c copy", ladder, 1)},
	{stage: "upload", fault: "worker killed, artifacts in a folder", slow: true, run: resumes(folderStore, "", small, 2)},
	{stage: "upload", fault: "worker killed, artifacts in S3", slow: true, run: resumes(bucketStore, "", small, 2)},
	{stage: "encode", fault: "worker killed between two passes", slow: true, run: resumes(folderStore, "pass 2", twoPasses, 1)},
	{stage: "mux", fault: "worker killed, artifacts damaged", slow: true, run: damagedArtifacts},
	{stage: "upload", fault: "results refused, retried", run: refusedAndRetried},
	{stage: "encode", fault: "artifact store full", run: storeFull},
	{stage: "encode", fault: "artifact store away", slow: true, run: storeFault("away")},
	{stage: "encode", fault: "artifact store answers 503", slow: true, run: storeFault(fails)},
	{stage: "encode", fault: "artifact store hangs", slow: true, run: storeFault(hangs)},
	{stage: "mux", fault: "artifact store hangs, worker stops", slow: true, run: stoppedWhileStoring},
}

var (
	ladder    = object{"httpstream": object{"hls": object{"path": "/hls"}, "variants": []string{"mp4:240p", "mp4:160x"}}}
	twoPasses = object{"mp4:240p_300k::2pass": object{"path": "/a.mp4"}}
)

// artifactStore is an artifact store of a rig.
type artifactStore struct {
	env   []string
	count func() int // of its artifacts
}

func folderStore(r *rig) artifactStore {
	dir := filepath.Join(r.dir, "artifacts")
	return artifactStore{[]string{"COPRA_ARTIFACT_STORE=" + dir}, func() int { return len(artifactFiles(r)) }}
}

func artifactFiles(r *rig) []string {
	found, err := filepath.Glob(filepath.Join(r.dir, "artifacts", "*", "*", "*.part"))
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

func bucketStore(r *rig) artifactStore { return bucketStoreAt(r, r.gateway.Endpoint) }

func bucketStoreAt(r *rig, endpoint string) artifactStore {
	bucket := r.name + "-artifacts"
	r.gateway.CreateBucket(r.t, bucket)
	return artifactStore{[]string{
		"COPRA_ARTIFACT_STORE=s3://" + bucket + "/some/prefix", "COPRA_ARTIFACT_S3_ENDPOINT=" + endpoint,
		"COPRA_ARTIFACT_S3_ACCESS_KEY=" + r.gateway.AccessKey, "COPRA_ARTIFACT_S3_SECRET_KEY=" + r.gateway.SecretKey,
	}, func() int { return len(r.gateway.Keys(r.t, bucket)) }}
}

// counting starts a worker, and returns a client for its metrics.
func (r *rig) counting(s artifactStore) (w *process, m client) {
	r.t.Helper()
	w = r.worker(append([]string{"COPRA_METRICS_LISTEN=127.0.0.1:0"}, s.env...)...)
	return w, r.metrics(w)
}

// metrics returns a client for the metrics of a worker that was started with them.
func (r *rig) metrics(w *process) client {
	r.t.Helper()
	listen, err := w.says(startTime, `msg="copra worker metrics".* listen=(\S+)`)
	if err != nil {
		r.t.Fatal(err)
	}
	return client{base: "http://" + listen + "/v2"}
}

func encodesOf(t testing.TB, m client) float64 { return m.metric(t, "copra_worker_encodes_total", "") }

func artifactsOf(t testing.TB, m client, result string) float64 {
	return m.metric(t, "copra_artifacts_total", `result="`+result+`"`)
}

// resumes kills the worker when so many artifacts of a job are in the store: at the ffmpeg
// whose arguments contain a text, or without a text at the upload. The next worker encodes
// nothing twice.
func resumes(kind func(*rig) artifactStore, text string, outputs object, artifacts int) func(t *testing.T) (verdict, time.Duration) {
	return func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		store := kind(r)
		first, _ := r.counting(store)
		if text == "" {
			r.s3[first].set(hangs, http.MethodPut)
		} else {
			r.hold(text)
		}
		id := r.c.create(t, r.job(short(t), outputs)).ID
		if text == "" {
			eventually(t, 60*time.Second, "an upload hangs", func() bool { return r.s3[first].hits() > 0 })
		} else {
			r.awaitHeld()
		}
		eventually(t, 60*time.Second, "the artifacts are stored", func() bool { return store.count() >= artifacts })
		_, metrics := r.counting(store)
		since := r.kill(first)
		r.unhold()
		took := r.awaitTakeover(id, first, since)
		if j := r.c.wait(t, id, 60*time.Second); j.Status != "job.completed" {
			t.Errorf("%s", j.raw)
		}
		want := 0.0
		if text == "pass 2" {
			want = 1
		}
		// The first worker may have published the pictures, which are not restored then.
		encoded, restored := encodesOf(t, metrics), artifactsOf(t, metrics, "restored")
		if encoded != want || restored == 0 || restored > float64(artifacts) {
			t.Errorf("the second worker has started %g encoders, not %g, and restored %g of %d artifacts", encoded, want, restored, artifacts)
		}
		eventually(t, 10*time.Second, "no artifact is left", func() bool { return store.count() == 0 })
		return r.settle(60*time.Second, id), took
	}
}

// damagedArtifacts damages what is in the store. It is not used, and the job completes.
func damagedArtifacts(t *testing.T) (verdict, time.Duration) {
	r := newRig(t, "")
	store := folderStore(r)
	first, _ := r.counting(store)
	r.hold("-c copy")
	id := r.c.create(t, r.job(short(t), small)).ID
	r.awaitHeld()
	eventually(t, 60*time.Second, "the artifacts are stored", func() bool { return store.count() == 2 })
	for _, p := range artifactFiles(r) {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 0x10
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, metrics := r.counting(store)
	since := r.kill(first)
	r.unhold()
	took := r.awaitTakeover(id, first, since)
	v := r.c.wait(t, id, 60*time.Second)
	if broken := artifactsOf(t, metrics, "broken"); v.Status != "job.completed" || broken < 1 || artifactsOf(t, metrics, "restored") != 0 {
		t.Errorf("%g artifacts were found broken: %s", broken, v.raw)
	}
	return r.settle(60*time.Second, id), took
}

// refusedAndRetried has a job fail because its results are refused, and retries it when they
// are accepted. Nothing is encoded twice.
func refusedAndRetried(t *testing.T) (verdict, time.Duration) {
	r := newRig(t, "")
	store := folderStore(r)
	var open atomic.Bool
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		if !open.Load() {
			http.Error(w, "no", http.StatusForbidden)
		}
	}))
	t.Cleanup(host.Close)
	_, metrics := r.counting(store)
	spec := r.job(short(t), object{"mp4:240p": object{"url": host.URL + "/a.mp4?X-Amz-Signature=x"}, "mp3": object{"url": host.URL + "/a.mp3?X-Amz-Signature=x"}})
	delete(spec, "storage")
	id := r.c.create(t, spec).ID
	if j := r.c.wait(t, id, 60*time.Second); j.Status != "job.failed" {
		t.Fatalf("%s", j.raw)
	}
	eventually(t, 20*time.Second, "the artifacts are stored", func() bool { return store.count() == 2 })
	encoded := encodesOf(t, metrics)
	open.Store(true)
	if status, body, _ := r.c.send(t, http.MethodPost, "/jobs/"+id+"/retry", nil); status/100 != 2 {
		t.Fatalf("retry: %d %s", status, body)
	}
	j := r.c.wait(t, id, 60*time.Second)
	if twice := encodesOf(t, metrics) - encoded; j.Status != "job.completed" || twice != 0 {
		t.Errorf("%g encoders were started again: %s", twice, j.raw)
	}
	eventually(t, 10*time.Second, "no artifact is left", func() bool { return store.count() == 0 })
	r.tidy()
	return verdict{result: strings.TrimPrefix(j.Status, "job.")}, 0
}

// storeFull has an artifact store on a disk that is too small.
func storeFull(t *testing.T) (verdict, time.Duration) {
	r := newRig(t, "")
	dir := filepath.Join(r.dir, "artifacts")
	tmpfs(t, dir, "size=64k")
	_, metrics := r.counting(folderStore(r))
	id := r.c.create(t, r.job(inputs(t).add(testmedia.Clip(t, testmedia.Standard)), object{"mp4:720p::quality=5": object{"path": "/a.mp4"}})).ID
	r.c.wait(t, id, 60*time.Second)
	if n := artifactsOf(t, metrics, "error"); n == 0 {
		t.Error("artifacts that could not be stored are not counted")
	}
	v := r.settle(60*time.Second, id)
	mustComplete(t, v)
	return v, 0
}

func mustComplete(t testing.TB, v verdict) {
	t.Helper()
	if v.result != "completed" {
		t.Errorf("the job ended %s", v.result)
	}
}

// storeFault has the artifact store fail from the start of a job to its end.
func storeFault(fault string) func(t *testing.T) (verdict, time.Duration) {
	return func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		proxy := newFaultProxy(t, r.gateway.Endpoint)
		_, metrics := r.counting(bucketStoreAt(r, proxy.url()))
		if fault == "away" {
			proxy.away()
		} else {
			proxy.set(fault, "")
		}
		id := r.c.create(t, r.job(short(t), small)).ID
		r.c.wait(t, id, 60*time.Second)
		if n := artifactsOf(t, metrics, "error"); n == 0 {
			t.Error("artifacts that could not be stored are not counted")
		}
		proxy.set(works, "")
		if fault == "away" {
			proxy.back()
		}
		v := r.settle(60*time.Second, id)
		mustComplete(t, v)
		return v, 0
	}
}

// stoppedWhileStoring stops the worker while the store does not finish to take an artifact.
// The worker ends in time all the same.
func stoppedWhileStoring(t *testing.T) (verdict, time.Duration) {
	r := newRig(t, "")
	proxy := newFaultProxy(t, r.gateway.Endpoint)
	store := bucketStoreAt(r, proxy.url())
	first, _ := r.counting(store)
	proxy.set(hangs, http.MethodPut)
	r.hold("-c copy")
	id := r.c.create(t, r.job(short(t), small)).ID
	r.awaitHeld()
	eventually(t, 60*time.Second, "the storing of an artifact hangs", func() bool { return proxy.hits() > 0 })
	since := time.Now()
	first.terminate(t)
	r.stopped = append(r.stopped, first)
	r.unhold()
	r.worker()
	took := r.awaitTakeover(id, first, since)
	v := r.settle(60*time.Second, id)
	mustComplete(t, v)
	return v, took
}
