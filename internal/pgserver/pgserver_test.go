package pgserver

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/internal/testmedia"
)

// testDir is a folder that other users may enter, unlike t.TempDir of root.
func testDir(t *testing.T) string {
	t.Helper()
	testmedia.Long(t)
	dir, err := os.MkdirTemp( //nolint:usetesting // its path must be short, and open to another user
		"", "pgserver-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func start(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Options{Dir: dir, Unsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var out string
	if err := conn.QueryRow(t.Context(), sql).Scan(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestStartAgain(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	s := start(t, dir)
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `CREATE TABLE kept AS SELECT 'hello' AS word`); err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())

	_, err = Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "another copra already uses "+dir) {
		t.Errorf("starting twice: %v", err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := start(t, dir)
	if got := query(t, again.URL(), `SELECT word FROM kept`); got != "hello" {
		t.Errorf("after a restart: %q", got)
	}
	if info, err := os.Stat(filepath.Join(dir, "password")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("password file: %v %v", info.Mode(), err)
	}
}

// TestOwner is not a test: it is the process that TestKilledOwner kills.
func TestOwner(t *testing.T) {
	dir := os.Getenv("PGSERVER_TEST_OWNER_DIR")
	if dir == "" {
		return
	}
	s, err := Start(t.Context(), Options{Dir: dir, Unsafe: true})
	if err != nil && strings.Contains(err.Error(), "does not allow a user namespace") {
		fmt.Println("no user namespaces")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("pid=%d\n", s.PID())
	select {} // until killed
}

func TestKilledOwner(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]os.FileMode{"open folder": 0o755, "closed folder": 0o700} {
		t.Run(name, func(t *testing.T) {
			outer := testDir(t)
			if err := os.Chmod(outer, mode); err != nil {
				t.Fatal(err)
			}
			testKilledOwner(t, filepath.Join(outer, "inner"))
		})
	}
}

func testKilledOwner(t *testing.T, dir string) {
	owner := exec.Command(os.Args[0], "-test.run=^TestOwner$")
	owner.Env = append(os.Environ(), "PGSERVER_TEST_OWNER_DIR="+dir)
	owner.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	pid, lines := 0, bufio.NewScanner(out)
	for pid == 0 && lines.Scan() {
		if lines.Text() == "no user namespaces" {
			owner.Wait()
			testmedia.Missing(t, "no user namespaces, which root needs for a closed folder")
		}
		fmt.Sscanf(lines.Text(), "pid=%d", &pid)
	}
	if pid == 0 {
		owner.Process.Kill()
		t.Fatal("the owner did not start its server")
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	owner.Wait()
	s := start(t, dir)
	if s.PID() == pid {
		t.Error("the server of the killed owner was taken over")
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH && runsOn(pid, filepath.Join(dir, "data")) {
		t.Errorf("process %d of the killed owner still runs: %v", pid, err)
	}
	query(t, s.URL(), `SELECT 'ready'`)
}

// A pidfile may name a process that has nothing to do with PostgreSQL.
func TestStalePidfile(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	if err := start(t, dir).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	pidfile := filepath.Join(dir, "data", "postmaster.pid")
	body := fmt.Sprintf("%d\n%s\n1\n5432\n\n\n", os.Getpid(), filepath.Join(dir, "data"))
	if err := os.WriteFile(pidfile, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir)
	query(t, s.URL(), `SELECT 'ready'`)
}

func TestInterruptedInitialise(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	for _, d := range []string{"data.new", "data.new.password"} {
		if err := os.MkdirAll(filepath.Join(dir, d, "base"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	query(t, start(t, dir).URL(), `SELECT 'ready'`)
}

func TestOtherVersion(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	if err := start(t, dir).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	version := filepath.Join(dir, "data", "PG_VERSION")
	if err := os.WriteFile(version, []byte("11\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 11") || !strings.Contains(err.Error(), "Nothing was changed") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "global", "pg_control")); err != nil {
		t.Errorf("the data were touched: %v", err)
	}
}

func TestForeignFiles(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(dir, "data", "thesis.txt")
	if err := os.WriteFile(precious, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "holds files, but no database") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestNoPrograms(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{Dir: testDir(t), Bin: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "use PostgreSQL in") {
		t.Errorf("got %v", err)
	}
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(testDir(t), strings.Repeat("long/", 25))
	s := start(t, dir)
	query(t, s.URL(), `SELECT 'ready'`)
	if !s.socket.temporary || !socketPathFits(s.socket.path) {
		t.Errorf("socket in %s", s.socket.path)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.socket.path); !os.IsNotExist(err) {
		t.Errorf("the folder of the socket is still there: %v", err)
	}
}

// As root, a folder that no other user can reach is served through a user
// namespace, and its files stay root's.
func TestClosedFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		testmedia.Missing(t, "only root needs another identity")
	}
	outer := testDir(t)
	if err := os.Chmod(outer, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(outer, "inner")
	s, err := Start(t.Context(), Options{Dir: dir, Unsafe: true})
	if err != nil && strings.Contains(err.Error(), "does not allow a user namespace") {
		testmedia.Missing(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	query(t, s.URL(), `SELECT 'ready'`)
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 0 {
		t.Errorf("the data belong to %d", uid)
	}
	query(t, start(t, dir).URL(), `SELECT 'ready'`)
}

func TestStopImpatiently(t *testing.T) {
	t.Parallel()
	s := start(t, testDir(t))
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatalf("with an open connection: %v", err)
	}
	select {
	case <-s.Done():
	default:
		t.Error("Done is open after Stop")
	}
}

func TestStartCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := testDir(t)
	if _, err := Start(ctx, Options{Dir: dir}); err == nil {
		t.Fatal("started")
	}
	query(t, start(t, dir).URL(), `SELECT 'ready'`)
}

func TestParseVersion(t *testing.T) {
	for in, want := range map[string]struct {
		version string
		major   int
	}{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)": {"15.18", 15},
		"postgres (PostgreSQL) 18beta1":                        {"18beta1", 18},
		"postgres (PostgreSQL) 17":                             {"17", 17},
		"mysqld 8":                                             {"", 0},
		"":                                                     {"", 0},
	} {
		if version, major := parseVersion(in); version != want.version || major != want.major {
			t.Errorf("parseVersion(%q) = %q, %d", in, version, major)
		}
	}
}

func TestFind(t *testing.T) {
	version, err := Find(t.Context(), "", testDir(t))
	if _, major := parseVersion("(PostgreSQL) " + version); err != nil || major < 13 {
		t.Errorf("found %q, %v", version, err)
	}
}
