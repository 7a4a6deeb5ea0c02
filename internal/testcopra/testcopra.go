// Package testcopra has the program for tests that run it.
package testcopra

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Env names a program that was built for all tests of a run.
const Env = "COPRA_TEST_PROGRAM"

// Build puts the program into dir and returns its path. It builds it, or copies the
// one of Env: the users that a server runs as may not be able to reach that.
func Build(dir string) (path string, err error) {
	path = filepath.Join(dir, "copra")
	if built := os.Getenv(Env); built != "" {
		if err := copyProgram(path, built); err != nil {
			return "", fmt.Errorf("copy the program of %s: %w", Env, err)
		}
		return path, nil
	}
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "github.com/copra-video/copra/cmd/copra")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
}

func copyProgram(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755) //nolint:gosec // a program
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
