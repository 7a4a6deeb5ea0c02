package e2e

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/testmedia"
)

// ordinaryUser is a user other than root to run a server as, when we are root;
// 0 otherwise.
func ordinaryUser(t testing.TB, dir string) uint32 {
	t.Helper()
	if os.Getuid() != 0 {
		return 0
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		testmedia.Missing(t, "no user nobody to run as")
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, int(uid), int(uid)); err != nil {
		t.Fatal(err)
	}
	return uint32(uid)
}

// longJob has an encode to be interrupted, by steered, and a webhook at the sink.
func longJob(t testing.TB, name string) object {
	t.Helper()
	spec := jobOf(inputs(t).add(testmedia.Clip(t, testmedia.Standard)), object{
		"mp4:240p": object{"path": "/a.mp4"},
		"mp3":      object{"path": "/a.mp3"},
		"jpg:100x": object{"path": "/a.jpg"},
	})
	spec["notification"] = object{"url": hooks(t).url(name), "events": true}
	return spec
}

// longJobEvents checks the events that the receiver of a longJob got: each once.
// After a kill the same delivery may come twice, if the killed process had no
// time to record the first.
func longJobEvents(t testing.TB, name string, killed bool) {
	t.Helper()
	var all []webhook
	eventually(t, 30*time.Second, "five webhooks at "+name, func() bool {
		all = hooks(t).all(name)
		if killed {
			seen := map[string]bool{}
			all = slices.DeleteFunc(all, func(h webhook) bool {
				repeated := seen[string(h.raw)]
				seen[string(h.raw)] = true
				return repeated
			})
		}
		return len(all) >= 5
	})
	got := events(all)
	slices.Sort(got)
	want := []string{
		"input.transferred", "job.completed", "output.completed jpg:100x", "output.completed mp3", "output.completed mp4:240p",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("webhooks: %s", diff)
	}
}

// awaitEncoding waits until the job's video is being encoded and the event of
// the input has been sent.
func awaitEncoding(t testing.TB, workDir, name string) {
	t.Helper()
	eventually(t, 30*time.Second, "ffmpeg encodes", func() bool { return encoding(workDir) })
	hooks(t).await(t, name, "input.transferred", 10*time.Second)
}

// A standalone server over five starts: first, second, stopped and killed in the
// middle of work.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	data := filepath.Join(openDir(t), "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	l := launch{uid: ordinaryUser(t, data), env: steered(t)}
	workDir := filepath.Join(data, "work")
	nothingRuns := func(s *standalone) {
		t.Helper()
		eventually(t, 5*time.Second, "no process of the server is left", func() bool { return len(children(s.cmd.Process.Pid, data)) == 0 })
	}

	// First, without allowed networks.
	s := startStandalone(t, l, data)
	key, err := s.says(time.Second, `API key +(k-[0-9a-f]{32})\n`)
	if err != nil || key != s.key {
		t.Errorf("key %q, file %q: %v", key, s.key, err)
	}
	if st, err := os.Stat(filepath.Join(data, "api-key")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", st.Mode(), err)
	}
	closed := s.run(t, 30*time.Second, jobOf(short(t), object{"mp3": object{"path": "/a.mp3"}}))
	if closed.Status != "job.failed" || closed.Input.Status != "input.failed" {
		t.Errorf("%s", closed.raw)
	}
	plain(t, closed.Input.Error, "COPRA_ALLOW_NETWORKS")
	hook := jobOf(s.base, object{"mp3": object{"path": "/a.mp3"}})
	hook["notification"] = object{"url": hooks(t).url("closed")}
	s.run(t, 30*time.Second, hook)

	code, _, complaint := finish(t, 20*time.Second, launch{args: []string{"standalone", "--listen", "127.0.0.1:0", "--data", data}, uid: l.uid})
	if code != 1 || !strings.Contains(complaint, "already uses") {
		t.Errorf("a second server on the same data: %d %s", code, complaint)
	}
	s.terminate(t)
	nothingRuns(s)
	if n := len(hooks(t).all("closed")); n != 0 {
		t.Errorf("%d webhooks to a network that was closed", n)
	}

	// Second, with the same data and key.
	l.args = []string{allow}
	s = startStandalone(t, l, data)
	if strings.Contains(s.stdout.String(), key) || s.key != key {
		t.Errorf("the second start: key %q, was %q:\n%s", s.key, key, s.stdout.String())
	}
	if j := s.get(t, closed.ID); j.Status != "job.failed" {
		t.Errorf("the job of before is now %s", j.raw)
	}
	steer(t, data, "pace", slowly)
	j := s.create(t, longJob(t, "stopped"))
	awaitEncoding(t, workDir, "stopped")
	// Besides, a webhook hangs and a client never ends its request.
	hooks(t).answer("hangs-on", func(int) int { return 0 })
	hanging := jobOf(closedPort(t), object{"mp3": object{"path": "/a.mp3"}})
	hanging["notification"] = object{"url": hooks(t).url("hangs-on")}
	s.create(t, hanging)
	hooks(t).await(t, "hangs-on", "job.failed", 20*time.Second)
	defer slowPost(t, s.client)()
	s.terminate(t)
	nothingRuns(s)
	if files := workFiles(t, workDir); len(files) != 0 {
		t.Errorf("work files after the end: %v", files)
	}
	unsteer(t, data, "pace")

	// Third: the work goes on, and is interrupted again.
	s = startStandalone(t, l, data)
	if done := s.wait(t, j.ID, 60*time.Second); done.Status != "job.completed" {
		t.Errorf("after a stop: %s", done.raw)
	}
	longJobEvents(t, "stopped", false)
	steer(t, data, "pace", slowly)
	j = s.create(t, longJob(t, "killed"))
	awaitEncoding(t, workDir, "killed")
	s.kill(t)
	unsteer(t, data, "pace")
	nothingRuns(s)

	// Fourth.
	s = startStandalone(t, l, data)
	done := s.wait(t, j.ID, 60*time.Second)
	if done.Status != "job.completed" {
		t.Errorf("after a kill: %s", done.raw)
	}
	longJobEvents(t, "killed", true)
	probe(t, done.output(t, "mp4:240p").URL).lasts(t, "mp4", 4, 0.1)
	checkWorkFiles(t, s)

	// Without its database the server reports that it is not ready.
	for _, p := range children(s.cmd.Process.Pid, data) {
		if p.name() == "postgres" && p.parent == s.cmd.Process.Pid {
			if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.await(t, 20*time.Second)
	if code := s.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(s.stderr.String(), "copra: PostgreSQL has ended") {
		t.Errorf("without its database: exit code %d", code)
	}
	nothingRuns(s)

	// Fifth, after a crash of the database.
	s = startStandalone(t, l, data)
	if again := s.get(t, j.ID); again.Status != "job.completed" {
		t.Errorf("after a crash of the database: %s", again.raw)
	}
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	s.await(t, 5*time.Second)
	nothingRuns(s)
}

// slowPost begins a request whose body never ends, until the returned function
// is called.
func slowPost(t testing.TB, c client) func() {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(c.base, "http://"), "/v2"))
	if err != nil {
		t.Fatal(err)
	}
	auth := base64.StdEncoding.EncodeToString([]byte(c.key + ":"))
	if _, err := fmt.Fprintf(conn, "POST /v2/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: Basic %s\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n", auth); err != nil {
		t.Fatal(err)
	}
	// The answer "100 Continue" says that the server waits for the body.
	if _, err := conn.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	return func() { conn.Close() }
}
