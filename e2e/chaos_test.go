package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// scenario is one fault at one stage.
type scenario struct {
	stage, fault string
	slow         bool // it takes long, or another is of its kind: it runs with COPRA_CHAOS=1 alone
	run          func(t *testing.T) (v verdict, takeover time.Duration)
}

// TestChaos breaks every part of a deployment of real processes at every stage. After each
// fault every accepted job must end completed or failed with a reason, every event must have
// been delivered, and nothing may be left. With COPRA_CHAOS=1, which make chaos sets, the
// slow scenarios run too.
func TestChaos(t *testing.T) {
	testmedia.Long(t)
	t.Parallel()
	t.Cleanup(func() { printChaos(t) })
	for _, group := range [][]scenario{killed, owners, away, full, resumed, spread, upgraded} {
		for _, s := range group {
			if s.slow && os.Getenv("COPRA_CHAOS") == "" {
				continue
			}
			t.Run(s.stage+": "+s.fault, func(t *testing.T) {
				t.Parallel()
				begin := time.Now()
				v, takeover := s.run(t)
				if takeover > takeoverLimit {
					t.Errorf("another worker had the work after %s only", takeover)
				}
				report(s.stage, s.fault, v, takeover, time.Since(begin))
			})
		}
	}
}

var small = object{"mp4:240p": object{"path": "/a.mp4"}, "jpg:100x": object{"path": "/a.jpg"}}

// workerKilled is the fault of most scenarios of killed.
const workerKilled = "worker killed"

// killed are kills of the worker that has a job, at each stage.
var killed = []scenario{
	{stage: "probe", fault: workerKilled, slow: true, run: func(t *testing.T) (verdict, time.Duration) {
		return killAtGate(t, func(*rig) bool { return true })
	}},
	{stage: "download", fault: workerKilled, slow: true, run: func(t *testing.T) (verdict, time.Duration) {
		// A download leaves a file, and a probe does not.
		return killAtGate(t, func(r *rig) bool { files, _ := leftovers(r.workDir()); return len(files) > 0 })
	}},
	{stage: "encode", fault: workerKilled, slow: true, run: func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		r.pace(slowly)
		spec := longJob(t, "")
		return killAt(r, r.job(spec["input"].(object)["url"].(string), spec["outputs"].(object)), func(string) {
			eventually(t, 60*time.Second, "ffmpeg encodes", func() bool { return encoding(r.workDir()) })
		}, r.unpace)
	}},
	{stage: "mux", fault: workerKilled, slow: true, run: func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		r.hold("-c copy")
		return killAt(r, r.job(short(t), small), func(string) { r.awaitHeld() }, r.unhold)
	}},
	{stage: "package", fault: workerKilled, slow: true, run: func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		r.hold("-c copy")
		stream := object{"httpstream": object{"hls": object{"path": "/hls"}, "variants": []string{"mp4:240p"}}}
		return killAt(r, r.job(short(t), stream), func(string) { r.awaitHeld() }, r.unhold)
	}},
	{stage: "upload", fault: workerKilled, run: func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		var proxy *faultProxy
		return killAtWith(r, r.job(short(t), small), func(w *process) {
			proxy = r.s3[w]
			proxy.set(hangs, http.MethodPut)
		}, func(string) {
			eventually(t, 60*time.Second, "an upload hangs", func() bool { return proxy.hits() > 0 })
		}, func() { proxy.set(works, "") })
	}},
	{stage: "notify", fault: workerKilled, run: func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		first := r.worker()
		r.hook.set(hangs, "")
		id := r.c.create(t, r.job(short(t), small)).ID
		eventually(t, 60*time.Second, "a webhook hangs", func() bool { return r.hook.hits() > 0 })
		r.worker()
		at := r.kill(first)
		r.hook.set(works, "")
		eventually(t, 2*takeoverLimit, "the webhook comes", func() bool { return r.hook.takenSince(at) > 0 })
		took := time.Since(at)
		return r.settle(60*time.Second, id), took
	}},
}

// killAt kills the worker that has the job when at has returned. Another worker is ready.
// Then it calls release, for what was held.
func killAt(r *rig, spec object, at func(id string), release func()) (verdict, time.Duration) {
	return killAtWith(r, spec, func(*process) {}, at, release)
}

// killAtWith is killAt with something to prepare at the first worker.
func killAtWith(r *rig, spec object, prepare func(*process), at func(id string), release func()) (verdict, time.Duration) {
	r.t.Helper()
	first := r.worker()
	prepare(first)
	id := r.c.create(r.t, spec).ID
	at(id)
	r.worker()
	since := r.kill(first)
	release()
	took := r.awaitTakeover(id, first, since)
	return r.settle(90*time.Second, id), took
}

// killAtGate kills the worker while it reads the input: at the first request for which closed
// says so.
func killAtGate(t *testing.T, closed func(*rig) bool) (verdict, time.Duration) {
	r := newRig(t, "")
	address, g := newGate(t, testmedia.Clip(t, testmedia.Short), func() bool { return closed(r) })
	return killAt(r, r.job(address, small), func(string) { g.await(t) }, func() { close(g.opened) })
}

// owners are workers that are stopped, replaced, and continue: for a moment two of them run
// the job.
var owners = []scenario{
	{stage: "encode", fault: "worker stopped, replaced, and back", run: func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		r.pace(slowly)
		spec := longJob(t, "")
		return twoOwners(r, r.job(spec["input"].(object)["url"].(string), object{"mp4:240p": object{"path": "/a.mp4"}}),
			func(*process) {
				eventually(t, 60*time.Second, "ffmpeg encodes", func() bool { return encoding(r.workDir()) })
			})
	}},
	{stage: "mux", fault: "worker stopped, replaced, and back", slow: true, run: func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		r.hold("-c copy")
		return twoOwners(r, r.job(short(t), small), func(*process) { r.awaitHeld() })
	}},
	{stage: "upload", fault: "worker stopped, replaced, and back", slow: true, run: func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		stream := object{"httpstream": object{"hls": object{"path": "/hls"}, "variants": []string{"mp4:240p"}}}
		return twoOwners(r, r.job(short(t), stream), func(w *process) {
			r.s3[w].set(hangs, http.MethodPut)
			eventually(t, 60*time.Second, "an upload hangs", func() bool { return r.s3[w].hits() > 0 })
		})
	}},
	{stage: "encode", fault: "stopped as segments go up, replaced, and back", slow: true, run: func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		return twoOwners(r, r.job(slowStream(r)), func(w *process) {
			r.s3[w].set(hangs, http.MethodPut)
			eventually(t, 60*time.Second, "an upload hangs", func() bool { return r.s3[w].hits() > 0 })
			if !encoding(r.workDir()) {
				t.Error("the encode had ended before the first upload")
			}
		})
	}},
}

// twoOwners stops the worker that has a job until another has taken it over, and continues it
// while that one is about to publish. It must publish nothing and end its ffmpeg.
func twoOwners(r *rig, spec object, reached func(*process)) (verdict, time.Duration) {
	t := r.t
	t.Helper()
	first := r.worker()
	id := r.c.create(t, spec).ID
	reached(first)
	second := r.worker()
	r.s3[second].set(hangs, http.MethodPut)
	stopped := time.Now()
	signal(t, first, syscall.SIGSTOP)
	r.unpace()
	took := r.awaitTakeover(id, first, stopped)
	r.unhold()
	eventually(t, 60*time.Second, "the second worker uploads", func() bool { return r.s3[second].hits() > 0 })
	woken := time.Now()
	signal(t, first, syscall.SIGCONT)
	r.s3[first].set(works, "")
	of := filepath.Join(r.workDir(), "run-"+r.node[first]) + "/"
	eventually(t, 5*time.Second, "the first worker has ended its run", func() bool {
		for _, p := range processes() {
			if len(p.cwd) > len(of) && p.cwd[:len(of)] == of {
				return false
			}
		}
		files, _ := leftovers(of)
		return len(files) == 0
	})
	if n := r.s3[first].takenSince(woken); n != 0 {
		t.Errorf("%d uploads by a worker that had lost its job", n)
	}
	select {
	case <-first.done:
		t.Error("the first worker has ended")
	default:
	}
	r.s3[second].set(works, "")
	return r.settle(90*time.Second, id), took
}

func signal(t testing.TB, p *process, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// full are full disks, and an ffmpeg that makes no progress.
var full = []scenario{
	{stage: "encode", fault: "ffmpeg stopped", run: func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		r.pace(slowly)
		r.worker("COPRA_FFMPEG_STALL_TIMEOUT=6s")
		spec := longJob(t, "")
		id := r.c.create(t, r.job(spec["input"].(object)["url"].(string), object{
			"mp4:240p": object{"path": "/a.mp4"}, "mp3": object{"path": "/a.mp3"},
		})).ID
		eventually(t, 60*time.Second, "ffmpeg is stopped", func() bool {
			for _, p := range processes() {
				if isEncoder(p, r.workDir()) {
					if st, err := os.Stat(fmt.Sprintf("/proc/%d", p.pid)); os.Getuid() == 0 && (err != nil || st.Sys().(*syscall.Stat_t).Uid == 0) {
						t.Errorf("ffmpeg runs as root: %v", err)
					}
					return syscall.Kill(p.pid, syscall.SIGSTOP) == nil
				}
			}
			return false
		})
		r.unpace()
		return r.settle(30*time.Second, id), 0
	}},
	{stage: "download", fault: "work directory full, then not", slow: true, run: func(t *testing.T) (verdict, time.Duration) {
		return diskFull(t, "size=2m", func(*rig) string { return "" })
	}},
	{stage: "encode", fault: "work directory full, then not", run: func(t *testing.T) (verdict, time.Duration) {
		return diskFull(t, "size=3m", func(*rig) string { return "-map" })
	}},
	{stage: "encode", fault: "work directory too small", slow: true, run: func(t *testing.T) (verdict, time.Duration) {
		r := newRig(t, "")
		tmpfs(t, r.workDir(), "size=700k")
		r.worker()
		spec := longJob(t, "")
		id := r.c.create(t, r.job(spec["input"].(object)["url"].(string), object{"mp4:1080p::quality=5": object{"path": "/a.mp4"}})).ID
		return r.settle(3*time.Minute, id), 0
	}},
}

// diskFull fills the disk of the work directory at the start, or when an ffmpeg starts whose
// arguments contain the text of when, and frees the space after the first attempt.
func diskFull(t *testing.T, options string, when func(*rig) string) (verdict, time.Duration) {
	r := newRig(t, "")
	tmpfs(t, r.workDir(), options)
	filler := filepath.Join(r.workDir(), "filler")
	fill := func() {
		if err := os.WriteFile(filler, make([]byte, 4<<20), 0o600); err == nil {
			t.Fatal("the disk is not full")
		}
	}
	r.worker()
	text := when(r)
	if text == "" {
		fill()
	} else {
		r.hold(text)
	}
	id := r.c.create(t, r.job(short(t), small)).ID
	if text != "" {
		r.awaitHeld()
		fill()
		r.unhold()
	}
	eventually(t, 30*time.Second, "an attempt has failed", func() bool {
		return r.queryOne(`SELECT count(*)::text FROM river_job WHERE cardinality(errors) > 0`) != "0"
	})
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	v := r.settle(90*time.Second, id)
	if v.result != "completed" {
		t.Errorf("the job ended %s", v.result)
	}
	return v, 0
}

// tmpfs mounts a small file system at dir.
func tmpfs(t testing.TB, dir, options string) {
	t.Helper()
	if os.Getuid() != 0 {
		testmedia.Missing(t, "only root can mount a small disk")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		testmedia.Missing(t, "no small disk can be mounted: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}
