package forkserver_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/internal/testmedia/forkserver"
)

// shell starts a fork server of a shell, which can do all that a program can.
func shell(t *testing.T) (client string) {
	t.Helper()
	client, err := forkserver.Start(t.TempDir(), testmedia.Tool(t, "sh"))
	if err != nil {
		testmedia.Missing(t, err.Error())
	}
	return client
}

// A run has the arguments, variables, folder, files and end of a process of its own.
func TestRun(t *testing.T) {
	client, dir := shell(t), t.TempDir()
	cmd := exec.Command(client, "-c", `pwd; cat; echo "$1 $MINE"; echo wrong >&2; exit 3`, "name", "given")
	cmd.Dir, cmd.Env, cmd.Stdin = dir, append(os.Environ(), "MINE=variable"), strings.NewReader("input\n")
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 3 {
		t.Errorf("it ended with %v", err)
	}
	if got, want := out.String(), dir+"\ninput\ngiven variable\n"; got != want || messages.String() != "wrong\n" {
		t.Errorf("it wrote %q and %q, want %q", got, messages.String(), want)
	}
	err = exec.Command(client, "-c", "kill -TERM $$").Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v, want SIGTERM", err)
	}
	// The server is one process up from the run, and the client is not.
	parent, err := exec.Command(client, "-c", `tr '\0' ' ' </proc/$PPID/environ`).Output()
	if err != nil || !bytes.Contains(parent, []byte("FORK_SERVER=")) {
		t.Errorf("no fork server has run it: %v", err)
	}
	left, err := exec.Command(client, "-c", `ls -l /proc/$$/fd; env | grep -e LD_PRELOAD -e FORK`).Output()
	if strings.Contains(string(left), "socket:") || strings.Contains(string(left), "pidfd") || strings.Contains(string(left), "=") {
		t.Errorf("files or variables of the server are left: %v\n%s", err, left)
	}
}

// More runs at once than the server waits for.
func TestManyRuns(t *testing.T) {
	client := shell(t)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if out, err := exec.Command(client, "-c", "echo done").CombinedOutput(); err != nil || string(out) != "done\n" {
				t.Errorf("%q, %v", out, err)
			}
		})
	}
	wg.Wait()
}

// A run ends with its client, which tests kill.
func TestKilled(t *testing.T) {
	cmd := exec.Command(shell(t), "-c", "echo begun; cat >/dev/null; echo ended")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("begun\n"))); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// All ends of the pipe are closed when cat and the shell have ended.
	ended := make(chan string, 1)
	go func() { rest, _ := io.ReadAll(out); ended <- string(rest) }()
	select {
	case rest := <-ended:
		if rest != "" {
			t.Errorf("it wrote %q after its client was killed", rest)
		}
	case <-time.After(time.Minute):
		t.Error("it goes on after its client was killed")
	}
	_ = cmd.Wait() // it was killed
}

// Without a server, or with arguments that are too long for it, the program is started as
// it is.
func TestWithoutServer(t *testing.T) {
	client := shell(t)
	long := strings.Repeat("x", 100_000)
	if out, err := exec.Command(client, "-c", `echo "${#1} ${#2}"`, "name", long, long).CombinedOutput(); err != nil || string(out) != "100000 100000\n" {
		t.Errorf("long arguments: %q, %v", out, err)
	}
	servers, err := filepath.Glob(filepath.Join(filepath.Dir(client), "[0-9]*"))
	if err != nil || len(servers) != 1 {
		t.Fatalf("servers %q, %v", servers, err)
	}
	if err := os.Remove(servers[0]); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(client, "-c", "echo done").CombinedOutput(); err != nil || string(out) != "done\n" {
		t.Errorf("without a server: %q, %v", out, err)
	}
}

// What cannot be a fork server is refused.
func TestRefused(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	testmedia.Program(t, script, "#!/bin/false\n")
	for _, program := range []string{script, filepath.Join(t.TempDir(), "nothing")} {
		if client, err := forkserver.Start(t.TempDir(), program); err == nil {
			t.Errorf("%s: %s", program, client)
		}
	}
}
