package e2e

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// taskStands stops the ffmpeg of a task, whose worker goes on. It is ended after the stall timeout,
// and the chunk is made all the same.
func taskStands(t *testing.T) (verdict, time.Duration) {
	r := newRig(t, "")
	slow := func() { r.pace("1") } // half a minute for a chunk
	k := r.encodingTask(folderStore(r), inputs(t).add(testmedia.Clip(t, chunked)), slow, "COPRA_FFMPEG_STALL_TIMEOUT=6s")
	pid := 0
	eventually(t, 60*time.Second, "ffmpeg of the task is stopped", func() bool {
		for _, p := range processes() {
			if isEncoder(p, r.workDir()) && strings.Contains(p.cwd, "run-"+r.node[k.other]+"/") {
				pid = p.pid
				return syscall.Kill(p.pid, syscall.SIGSTOP) == nil
			}
		}
		return false
	})
	since := time.Now()
	r.unpace()
	eventually(t, 60*time.Second, "the ffmpeg that stands still is ended", func() bool { return syscall.Kill(pid, 0) != nil })
	t.Logf("it was ended after %s", time.Since(since).Round(100*time.Millisecond))
	v := k.end()
	if n := runsOf(k); n != "1" {
		t.Errorf("the job has begun %s times", n)
	}
	return v, 0
}

// runsOf is how often a worker has begun with the job.
func runsOf(k *task) string {
	k.t.Helper()
	return k.queryOne(`SELECT count(*)::text FROM events WHERE job_id = $1 AND kind = 'job.started'`, k.id)
}

// taskDatabaseAway stops the database while two chunks are encoded, which end meanwhile. The run
// and what was made are kept.
func taskDatabaseAway(t *testing.T) (verdict, time.Duration) {
	p := newDatabase(t)
	r := newRig(t, p.srv.URL())
	k := r.encodingTask(folderStore(r), inputs(t).add(testmedia.Clip(t, chunked)), func() { r.hold("libx264") })
	p.stop()
	k.unhold()
	wait(20 * time.Second)
	p.start()
	v := k.end()
	if n := runsOf(k); n != "1" {
		t.Errorf("the job has begun %s times", n)
	}
	return v, 0
}

// heavy is a film of three chunks without sound, each of some megabytes.
var heavy = testmedia.Recipe{Name: "heavy.mp4", Args: []string{
	"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10:duration=100,noise=alls=40:allf=t",
	"-c:v", "libx264", "-preset", "ultrafast", "-b:v", "2M", "-g", "20", "-pix_fmt", "yuv420p", "-movflags", "+faststart"}}

// taskBytes counts what the worker of tasks fetches of the input: little more than its chunks.
func taskBytes(t *testing.T) (verdict, time.Duration) {
	r := newRig(t, "")
	file := testmedia.Clip(t, heavy)
	// Of a server that says nothing by which a version of a file is known.
	k := r.encodingTask(folderStore(r), inputs(t).add(file), func() { r.hold("libx264") })
	owner, other := r.metrics(k.owner), r.metrics(k.other)
	k.unhold()
	if j := k.c.wait(t, k.id, 90*time.Second); j.Status != "job.completed" {
		t.Errorf("%s", j.raw)
	}
	var fetched float64
	eventually(t, 30*time.Second, "what was fetched is counted", func() bool {
		fetched = other.metric(t, "copra_worker_fetched_bytes_total", "")
		return fetched > 0
	})
	chunks := owner.metric(t, "copra_tasks_total", `result="elsewhere"`)
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	share := fetched / float64(st.Size())
	t.Logf("%.0f chunks, %.2f of %.1f MB", chunks, share, float64(st.Size())/1e6)
	// The longest chunk is 40 s of 100 s. Its warm-up and the index come in addition.
	if chunks < 1 || share > min(0.95, 0.48*chunks) {
		t.Errorf("the worker of %.0f chunks has fetched %.2f of the input", chunks, share)
	}
	return k.end(), 0
}

// earlyKilled kills the worker when its early stream can be played and the ladder is being encoded.
// The address that players have leads to the ladder in the end.
func earlyKilled(t *testing.T) (verdict, time.Duration) {
	r := newRig(t, "")
	spec := r.job(inputs(t).add(testmedia.Clip(t, fitting)), object{"httpstream": object{
		"variants": []string{"mp4:160x::quality=1", "mp4:240x::quality=1"}, "hls": object{"path": "/hls"},
	}})
	spec["settings"] = object{"early_playback": true}
	const master = "hls/early/master.m3u8"
	playable := func(id string) int {
		n, err := strconv.Atoi(r.queryOne(`SELECT count(*)::text FROM events WHERE job_id = $1 AND kind = 'stream.playable'`, id))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	job := ""
	v, took := killAtWith(r, spec, func(*process) { r.hold("libx264") }, func(id string) {
		job = id
		eventually(t, 60*time.Second, "the stream can be played", func() bool { return playable(id) > 0 })
		r.awaitHeld()
		if early, _, err := r.gateway.Object(r.name, master); err != nil || strings.Contains(string(early), "160x") {
			t.Errorf("the early playlist: %v\n%s", err, early)
		}
	}, r.unhold)
	if v.result != "completed" {
		t.Errorf("the job ended %s", v.result)
	}
	if n := playable(job); n != 1 {
		t.Errorf("stream.playable was recorded %d times", n)
	}
	last, _, err := r.gateway.Object(r.name, master)
	if n := strings.Count(string(last), "#EXT-X-STREAM-INF"); err != nil || n != 2 {
		t.Errorf("the address of the early stream leads to %d variants: %v\n%s", n, err, last)
	}
	for _, key := range r.gateway.Keys(t, r.name) {
		if strings.HasSuffix(key, ".m3u8") {
			if body, _, err := r.gateway.Object(r.name, key); err != nil || !strings.HasSuffix(key, "master.m3u8") && !strings.HasSuffix(string(body), "#EXT-X-ENDLIST\n") {
				t.Errorf("%s has no end: %v\n%s", key, err, body)
			}
		}
	}
	return v, took
}
