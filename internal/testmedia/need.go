package testmedia

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/copra-video/copra/internal/testmedia/forkserver"
)

// Missing skips the test because the machine lacks something. With CI=true, where
// everything has to be installed, it fails the test.
//
// Missing and Long are the only ways to skip a test; a test holds that.
func Missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// Long skips the test with -short: it needs a program that is not part of the
// repository, such as ffmpeg or PostgreSQL, or takes long.
func Long(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("not with -short")
	}
}

// Tool returns the path of a program that a test runs. It calls Long, and Missing if the
// program is not installed.
func Tool(t testing.TB, name string) string {
	t.Helper()
	Long(t)
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name) // not on everyone's path
	}
	if err != nil {
		Missing(t, name+" is not installed")
	}
	return path
}

// FFmpeg is Tool for ffmpeg and ffprobe, and returns a client of a fork server of this
// process: the program starts in a sixth of its time. A sandbox cannot start it.
func FFmpeg(t testing.TB, name string) string {
	t.Helper()
	program, err := filepath.Abs(Tool(t, name))
	if err != nil {
		t.Fatal(err)
	}
	forkServers.Lock()
	defer forkServers.Unlock()
	if forkServers.clients[program] == "" {
		client, err := forkserver.Start(Dir(t), program)
		if err != nil {
			t.Logf("tests take longer than they could: %v", err)
			client = program
		}
		forkServers.clients[program] = client
	}
	return forkServers.clients[program]
}

var forkServers = struct {
	sync.Mutex
	clients map[string]string // by program
}{clients: map[string]string{}}
