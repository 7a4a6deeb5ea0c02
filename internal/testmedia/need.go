package testmedia

import (
	"os"
	"os/exec"
	"testing"
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
		Missing(t, name+" is not installed")
	}
	return path
}
