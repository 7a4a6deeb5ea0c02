// Package azurite runs Microsoft's emulator of Azure Blob Storage for tests,
// on a free port of the loopback interface and with its data in memory.
package azurite

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// The account of every Azurite.
const (
	Account = "devstoreaccount1"
	Key     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

const startTimeout = 60 * time.Second

// Start starts an Azurite that ends with the test, and returns the address of
// its blob service. It looks for the program in COPRA_TEST_NODE_MODULES and in
// .cache/node/node_modules of the repository. Without it the test is skipped, or
// fails if CI is true.
func Start(t testing.TB) (endpoint string) {
	t.Helper()
	testmedia.Long(t)
	script, err := find()
	if err != nil {
		testmedia.Missing(t, err.Error())
	}
	for range 3 { // another process may take the port before we use it
		endpoint, err := start(t, script)
		if err == nil {
			return endpoint
		}
		t.Log(err)
	}
	t.Fatal("Azurite did not start")
	return ""
}

func find() (string, error) {
	script := filepath.Join("azurite", "dist", "src", "blob", "main.js")
	if modules := os.Getenv("COPRA_TEST_NODE_MODULES"); modules != "" {
		if _, err := os.Stat(filepath.Join(modules, script)); err == nil {
			return filepath.Join(modules, script), nil
		}
	}
	for dir, err := os.Getwd(); err == nil; {
		candidate := filepath.Join(dir, ".cache", "node", "node_modules", script)
		if _, err := os.Stat(candidate); err == nil {
			return candidate, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	return "", errors.New("no Azurite: install it with `scripts/setup.sh test`")
}

func start(t testing.TB, script string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	cmd := exec.Command("node", script, "--blobHost", "127.0.0.1", "--blobPort", port, "--inMemoryPersistence",
		"--skipApiVersionCheck", "--disableTelemetry", "--silent")
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start azurite: %w", err)
	}
	stop := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	timeout := time.After(startTimeout)
	var said []string
	for {
		select {
		case line, ok := <-lines:
			if said = append(said, line); !ok {
				stop()
				return "", fmt.Errorf("azurite ended: %s", strings.Join(said, "; "))
			}
			if strings.Contains(line, "successfully listens") {
				go func() {
					for range lines {
					}
				}()
				t.Cleanup(stop)
				return "http://127.0.0.1:" + port + "/" + Account, nil
			}
		case <-timeout:
			stop()
			return "", errors.New("wait for azurite: no answer in time")
		}
	}
}
