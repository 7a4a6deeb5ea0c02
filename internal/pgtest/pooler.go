package pgtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/internal/testmedia"
)

// Pooler is a running PgBouncer.
type Pooler struct {
	// URL is the address of the database by way of PgBouncer.
	URL string
	// Prepares: this version carries prepared statements between its connections.
	Prepares bool
}

// PgBouncer starts one before the database, in the pool_mode "transaction" or
// "session". With prepared false it carries no prepared statements, as before version
// 1.21. COPRA_TEST_PGBOUNCER names another program than the one on the path.
func (d *Database) PgBouncer(t testing.TB, mode string, prepared bool) Pooler {
	t.Helper()
	program := os.Getenv("COPRA_TEST_PGBOUNCER")
	if program == "" {
		program = testmedia.Tool(t, "pgbouncer")
	}
	config, err := pgx.ParseConfig(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	ini := configuration(t, map[string]string{
		"copra = host=db.internal port=5432 dbname=copra": fmt.Sprintf("* = host=%s port=%d user=%s password=%s", config.Host, config.Port, config.User, config.Password),
		"listen_port = 6432":                              "listen_port = " + port + "\nunix_socket_dir =",
		"auth_type = scram-sha-256":                       "auth_type = any",
		"auth_file = /etc/pgbouncer/userlist.txt":         "",
		"pool_mode = session":                             "pool_mode = " + mode,
	})
	p := Pooler{Prepares: carriesPrepared(t, program)}
	if p.Prepares && !prepared {
		ini += "max_prepared_statements = 0\n"
		p.Prepares = false
	}
	dir, err := os.MkdirTemp("", "copra-pgbouncer-") //nolint:usetesting // the parent of t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(ini), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, file) //nolint:noctx // it outlives the context of the test, which ends before its cleanups
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 { // it refuses to run as root
		owner := socketOwner(t, config.Host)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	awaitLine(t, out, "process up")
	u := url.URL{Scheme: "postgres", User: url.User(config.User), Host: net.JoinHostPort("127.0.0.1", port), Path: "/" + config.Database, RawQuery: "sslmode=disable"}
	p.URL = u.String()
	return p
}

// carriesPrepared: versions from 1.21 on do.
func carriesPrepared(t testing.TB, program string) bool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, "-V").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(strings.SplitN(string(out), "\n", 2)[0])
	return !regexp.MustCompile(`PgBouncer 1\.(1?[0-9]|20)\.`).Match(out)
}

// configuration is the one that docs/deploy shows, with other lines for what differs
// in a test.
func configuration(t testing.TB, lines map[string]string) string {
	t.Helper()
	root := "."
	for range 8 {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		root = filepath.Join("..", root)
	}
	text, err := os.ReadFile(filepath.Join(root, "deploy/proxies/pgbouncer.ini"))
	if err != nil {
		t.Fatal(err)
	}
	ini := string(text)
	for line, other := range lines {
		if !strings.Contains(ini, "\n"+line+"\n") {
			t.Fatalf("pgbouncer.ini has no line %q", line)
		}
		ini = strings.Replace(ini, "\n"+line+"\n", "\n"+other+"\n", 1)
	}
	return ini
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// socketOwner is the user of the server whose socket is in dir.
func socketOwner(t testing.TB, dir string) *syscall.Stat_t {
	t.Helper()
	st, err := os.Stat(dir)
	if err != nil {
		testmedia.Missing(t, "the database has no socket on this machine")
	}
	return st.Sys().(*syscall.Stat_t)
}

// awaitLine waits for a line with the text, and goes on reading.
func awaitLine(t testing.TB, out io.Reader, text string) {
	t.Helper()
	var lines []string
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		lines = append(lines, line)
		if strings.Contains(line, text) {
			break
		}
		if err != nil {
			t.Fatal(errors.Join(err, errors.New(strings.Join(lines, ""))))
		}
	}
	go io.Copy(io.Discard, r)
}
