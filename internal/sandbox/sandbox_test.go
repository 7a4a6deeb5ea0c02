package sandbox

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// full skips where the kernel does not restrict files and ports.
func full(t *testing.T) {
	t.Helper()
	r, err := Check(t.Context(), Trial{})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Full() {
		testmedia.Missing(t, r.String())
	}
}

// sh runs a script under the rules and returns what it wrote.
func sh(t *testing.T, r Rules, script string, files ...*os.File) (string, error) {
	t.Helper()
	program, args := Command(r, "/bin/sh", []string{"-c", script})
	cmd := exec.Command(program, args...)
	cmd.ExtraFiles, cmd.Dir = files, "/"
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestCheck(t *testing.T) {
	r, err := Check(t.Context(), Trial{})
	if err != nil {
		t.Fatal(err)
	}
	if r.ABI >= 4 && !r.Full() || r.ABI == 0 && r.Files {
		t.Errorf("%+v", r)
	}
	t.Log(r)
}

// The trial of another user finds out whether a run in a folder works, before a
// job depends on it.
func TestCheckUser(t *testing.T) {
	if os.Getuid() != 0 {
		testmedia.Missing(t, "only root can become another user")
	}
	const user = 65532
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := Check(t.Context(), Trial{User: user, Dir: filepath.Join(closed, "work")})
	if err != nil || r.UserError != "" {
		t.Errorf("%+v, %v", r, err)
	}
	if left, err := os.ReadDir(filepath.Join(closed, "work")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	file := filepath.Join(closed, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err = Check(t.Context(), Trial{User: user, Dir: filepath.Join(file, "work")})
	if err != nil || !strings.Contains(r.UserError, "make folder") {
		t.Errorf("no folder can be made: %+v, %v", r, err)
	}
}

func TestFiles(t *testing.T) {
	full(t)
	own, other := t.TempDir(), t.TempDir()
	for _, dir := range []string{own, other} {
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte("#!/bin/sh\necho canary\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	rules := Rules{Landlock: true, Write: []string{own}}
	for script, allowed := range map[string]bool{
		"cat " + own + "/f": true,
		"ls " + own:         true,
		"echo canary > " + own + "/new && cat " + own + "/new":                                              true,
		"mkdir -p " + own + "/d && mv " + own + "/new " + own + "/new2; rmdir " + own + "/d && echo canary": true,
		"echo canary > /dev/null && ls /usr/lib":                                                            true,
		own + "/f":                                                                                          false, // nothing that was written is run
		"ln -s / " + own + "/l":                                                                             false,
		"mkfifo " + own + "/p":                                                                              false,
		"cat " + other + "/f":                                                                               false,
		"ls " + other:                                                                                       false,
		"echo x > " + other + "/g":                                                                          false,
		"rm " + other + "/f":                                                                                false,
		"cat /etc/passwd":                                                                                   false,
		"cat /proc/1/cmdline":                                                                               false,
		"ls /proc":                                                                                          false,
		"ls /":                                                                                              false,
	} {
		out, err := sh(t, rules, script)
		if (err == nil) != allowed {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
	if out, err := sh(t, Rules{Landlock: true, Read: []string{filepath.Join(other, "f")}}, "cat "+other+"/f"); err != nil || !strings.Contains(out, "canary") {
		t.Errorf("a file to be read: %v\n%s", err, out)
	}
	if out, err := sh(t, Rules{Landlock: true, Read: []string{"/nowhere"}}, "echo ran"); err == nil || !strings.Contains(out, "/nowhere") || strings.Contains(out, "ran") {
		t.Errorf("a file that is not there: %v\n%s", err, out)
	}
}

func TestConnections(t *testing.T) {
	full(t)
	bash, err := exec.LookPath("bash") // which connects without another program
	if err != nil {
		testmedia.Missing(t, "bash is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	connect := fmt.Sprintf("%s -c 'exec 9<>/dev/tcp/127.0.0.1/%d'", bash, port)
	if out, err := sh(t, Rules{Landlock: true, Ports: []uint16{uint16(port)}}, connect); err != nil {
		t.Errorf("the port that is allowed: %v\n%s", err, out)
	}
	for _, ports := range [][]uint16{nil, {1}} {
		if out, err := sh(t, Rules{Landlock: true, Ports: ports}, connect); err == nil || !strings.Contains(out, "Permission denied") {
			t.Errorf("another port, allowed %d: %v\n%s", ports, err, out)
		}
	}
}

func TestSockets(t *testing.T) {
	full(t)
	bash, err := exec.LookPath("bash") // which connects without another program
	if err != nil {
		testmedia.Missing(t, "bash is not installed")
	}
	for _, ports := range [][]uint16{nil, {53}} {
		out, err := sh(t, Rules{Ports: ports}, bash+" -c 'echo x >/dev/udp/127.0.0.1/53'")
		if err == nil || !strings.Contains(out, "Permission denied") {
			t.Errorf("UDP, with ports %d: %v\n%s", ports, err, out)
		}
	}
}

func TestLimits(t *testing.T) {
	dir := t.TempDir()
	rules := Rules{Memory: 1 << 30, FileSize: 4096}
	out, err := sh(t, rules, "ulimit -c; ulimit -d; ulimit -f; grep NoNewPrivs /proc/self/status")
	if want := "0\n1048576\n8\nNoNewPrivs:\t1\n"; err != nil || out != want {
		t.Errorf("limits %q, %v", out, err)
	}
	// The end of the room is an error of the write, not of the program.
	if out, err = sh(t, rules, "head -c 10000 /dev/zero > "+dir+"/f"); err == nil || !strings.Contains(out, "File too large") {
		t.Errorf("a large file: %q, %v", out, err)
	}
}

// TestInherited: files that were open in this process are not in that one.
func TestInherited(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if out, err := sh(t, Rules{}, "echo canary >&3", w); err == nil {
		t.Errorf("a file was handed down: %s", out)
	}
}

func TestNotStarted(t *testing.T) {
	program, args := Command(Rules{}, "/nowhere/ffmpeg", nil)
	out, err := exec.Command(program, args...).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("start /nowhere/ffmpeg")) || err.Error() != fmt.Sprintf("exit status %d", ExitNotStarted) {
		t.Errorf("%s, %v", out, err)
	}
}
