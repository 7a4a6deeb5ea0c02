package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// The bounds for TestHostileMedia, in bytes. What one input may cost is bounded
// in internal/hostile, which tries hundreds of them.
const (
	hostileFFmpeg  = 1536 << 20
	hostileServer  = 512 << 20
	hostileWorkDir = 128 << 20 // of the jobs that run at once
)

// Hostile inputs through the server: real clips that are cut off or damaged, and
// bombs, which claim or unpack to enormous sizes. Each job must end in time,
// with a result that plays or with a plain reason, and within the bounds on
// memory and disk.
func TestHostileMedia(t *testing.T) {
	testmedia.Long(t)
	t.Parallel()
	srv, dir := shared(t), openDir(t)
	points := 1
	if os.Getenv("COPRA_CHAOS") != "" {
		points = 10
	}
	inputsByName := map[string]string{}
	add := func(name string, data []byte) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		inputsByName[name] = inputs(t).add(path)
	}
	for _, clip := range []testmedia.Recipe{testmedia.Short, testmedia.WebM, testmedia.LateStart} {
		whole := contents(t, testmedia.Clip(t, clip))
		for i, data := range testmedia.Cuts(whole, points) {
			add(fmt.Sprintf("cut-%02d-%s", i, clip.Name), data)
		}
		for i, data := range testmedia.Flips(whole, points) {
			add(fmt.Sprintf("flip-%02d-%s", i, clip.Name), data)
		}
	}
	for name, data := range testmedia.Bombs(t) {
		add(name, data)
	}

	ids, begin, most := map[string]string{}, time.Now(), watchCosts(t, srv.cmd.Process.Pid, filepath.Join(srv.data, "work"))
	for name, address := range inputsByName {
		ids[name] = srv.create(t, jobOf(address, object{"mp4:64x36": object{"path": "/a.mp4"}, "jpg:64x": object{"path": "/a.jpg"}})).ID
	}
	good := 0
	for name, id := range ids {
		j := srv.wait(t, id, 3*time.Minute)
		t.Logf("%s: %s", name, outcome(j))
		if j.Input.Error != "" {
			plain(t, j.Input.Error, "")
			continue
		}
		for _, o := range j.Outputs {
			switch {
			case o.Error != "":
				plain(t, o.Error, "")
			case o.Type == "video":
				good++
				if f := probe(t, o.URL); f.count("video") != 1 {
					t.Errorf("%s: %+v", name, f.Streams)
				}
			}
		}
		if j.Status == "job.failed" && j.Outputs[0].Error == "" && j.Outputs[1].Error == "" {
			t.Errorf("%s failed without a word: %s", name, j.raw)
		}
	}
	c := most()
	t.Logf("%d inputs, %d videos, %s; at most an ffmpeg had %d of %d MiB, the server %d of %d, work directory %d of %d",
		len(ids), good, time.Since(begin).Round(time.Second), c.ffmpeg>>20, hostileFFmpeg>>20, c.server>>20, hostileServer>>20, c.workDir>>20, hostileWorkDir>>20)
	if c.ffmpeg > hostileFFmpeg || c.server > hostileServer || c.workDir > hostileWorkDir {
		t.Error("that is more than it may cost")
	}
	if good == 0 {
		t.Error("no damaged clip was good for anything")
	}
}

func outcome(j jobDoc) string {
	if j.Input.Error != "" {
		return j.Input.Error
	}
	for _, o := range j.Outputs {
		if o.Error != "" {
			return o.Key + ": " + o.Error
		}
	}
	return j.Status
}

// costs are bytes: the most memory that a process in the work directory has had and that the
// server has, and the most that lay in the work directory.
type costs struct{ ffmpeg, server, workDir int64 }

// watchCosts follows the costs of a server until it is asked for the most.
func watchCosts(t testing.TB, server int, workDir string) (most func() costs) {
	t.Helper()
	end, told := make(chan struct{}), make(chan costs)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		var top costs
		for {
			select {
			case <-tick.C:
			case <-end:
				told <- top
				return
			}
			top.server = max(top.server, memory(server, "VmRSS:"))
			for _, p := range processes() {
				if strings.HasPrefix(p.cwd, workDir) {
					top.ffmpeg = max(top.ffmpeg, memory(p.pid, "VmHWM:"))
				}
			}
			var lies int64
			_ = filepath.WalkDir(workDir, func(_ string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					if info, err := d.Info(); err == nil {
						lies += info.Size()
					}
				}
				return nil
			})
			top.workDir = max(top.workDir, lies)
		}
	}()
	return sync.OnceValue(func() costs {
		close(end)
		return <-told
	})
}

// memory is a line of a process's status, in bytes.
func memory(pid int, line string) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), line)
	var kib int64
	_, _ = fmt.Sscan(rest, &kib)
	return kib << 10
}

func contents(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
