package client_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/pgserver"
	"github.com/copra-video/copra/internal/testcopra"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/internal/testtime"
)

// startTime bounds the start of the server, with the creation of its database.
const startTime = 60 * time.Second

// real is the server that the examples and the tests named TestServer speak to.
// The first connection starts it.
var real front

// lacking says why there can be no real server; "" where there can.
var lacking string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "copra-client-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // as root, the server runs programs as other users
		return 0, err
	}
	if lacking = missing(dir); lacking != "" {
		// An example cannot skip itself.
		if os.Getenv("CI") == "true" && !testing.Short() {
			return 0, errors.New(lacking)
		}
		fmt.Println("the examples are skipped:", lacking)
		skip := flag.Lookup("test.skip")
		if err := skip.Value.Set(strings.TrimPrefix(skip.Value.String()+"|^Example", "|")); err != nil {
			return 0, err
		}
	}
	if err := real.listen(dir); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, real.close()) }()
	// The examples read these, as a user's program does.
	for name, value := range map[string]string{"COPRA_URL": "http://" + real.l.Addr().String() + "/v2", "COPRA_API_KEY": "k-of-the-examples"} {
		if err := os.Setenv(name, value); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

// missing looks for what a server needs.
func missing(dir string) string {
	if testing.Short() {
		return "not with -short"
	}
	for _, program := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed"
		}
	}
	if _, err := pgserver.Find(context.Background(), os.Getenv("COPRA_PG_BIN"), dir); err != nil {
		return err.Error()
	}
	return ""
}

// realClient returns a client of the real server.
func realClient(t *testing.T) *client.Client {
	t.Helper()
	testmedia.Long(t)
	if lacking != "" {
		testmedia.Missing(t, lacking)
	}
	return connect(t, client.Options{BaseURL: os.Getenv("COPRA_URL"), APIKey: os.Getenv("COPRA_API_KEY")})
}

// front forwards connections to the server, and breaks them when a test wants
// it.
type front struct {
	l      net.Listener
	server func() (address string, err error) // starts it once

	mu    sync.Mutex
	cmd   *exec.Cmd
	pairs []net.Conn
}

func (f *front) listen(dir string) (err error) {
	f.l, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f.server = sync.OnceValues(func() (string, error) {
		address, err := f.start(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, "client:", err)
		}
		return address, err
	})
	go func() {
		for {
			c, err := f.l.Accept()
			if err != nil {
				return
			}
			go f.forward(c)
		}
	}()
	return nil
}

func (f *front) forward(from net.Conn) {
	defer from.Close()
	address, err := f.server()
	if err != nil {
		return
	}
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	f.mu.Lock()
	f.pairs = append(f.pairs, from, to)
	f.mu.Unlock()
	go func() {
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(from, to)
}

// cut breaks all connections.
func (f *front) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.pairs {
		c.Close()
	}
	f.pairs = nil
}

// start builds the program, starts a standalone server and waits until it is
// ready.
func (f *front) start(dir string) (address string, err error) {
	data := filepath.Join(dir, "data")
	program, err := testcopra.Build(dir)
	if err != nil {
		return "", err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd := exec.Command(program, "standalone", "--data", data, "--listen", "127.0.0.1:0",
		"--public-url", "http://"+f.l.Addr().String(), "--allow-network", "127.0.0.0/8", "--slots", "1")
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := startBound(cmd); err != nil {
		return "", fmt.Errorf("start the server: %w", err)
	}
	f.mu.Lock()
	f.cmd = cmd
	f.mu.Unlock()
	late := time.AfterFunc(testtime.Allow(startTime), func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if strings.Contains(lines.Text(), "key file") { // the last line that tells of the start
			base, err := os.ReadFile(filepath.Join(data, "base-url"))
			return strings.TrimSpace(strings.TrimPrefix(string(base), "http://")), err
		}
	}
	said, _ := os.ReadFile(log.Name())
	return "", fmt.Errorf("the server did not start:\n%s", said)
}

// startBound starts a process that ends with this one, also when an example
// ends this one by log.Fatal.
func startBound(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: Pdeathsig is sent when the thread ends
		started <- cmd.Start()
		select {}
	}()
	return <-started
}

// close ends the server, and fails when it does not end well.
func (f *front) close() error {
	f.l.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cmd == nil {
		return nil
	}
	_ = f.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(testtime.Allow(20*time.Second), func() { _ = f.cmd.Process.Kill() })
	defer kill.Stop()
	if err := f.cmd.Wait(); err != nil {
		return fmt.Errorf("the server ended badly: %w", err)
	}
	return nil
}
