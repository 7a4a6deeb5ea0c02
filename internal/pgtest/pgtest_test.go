package pgtest_test

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/testmedia"
)

func TestNewIsApart(t *testing.T) {
	for range 2 {
		db := pgtest.New(t)
		conn, err := pgx.Connect(t.Context(), db.URL)
		if err != nil {
			t.Fatal(err)
		}
		var keys int
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM api_keys`).Scan(&keys); err != nil || keys != 0 {
			t.Errorf("%d keys in a new database: %v", keys, err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
		db.Exec(t, `INSERT INTO api_keys (id, name, prefix, hash) VALUES ('a', '', '', sha256('a'))`)
	}
}

// TestUser is not a test: it is the process that TestNothingStays ends.
func TestUser(t *testing.T) {
	if os.Getenv("PGTEST_TEST_USER") == "" {
		return
	}
	db := pgtest.Empty(t)
	u, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("dir=%s\n", filepath.Dir(u.Query().Get("host")))
	if os.Getenv("PGTEST_TEST_USER") == "killed" {
		select {}
	}
}

func TestNothingStays(t *testing.T) {
	testmedia.Long(t)
	for _, end := range []string{"normally", "killed"} {
		t.Run(end, func(t *testing.T) {
			user := exec.Command(os.Args[0], "-test.run=^TestUser$")
			user.Env = append(os.Environ(), "PGTEST_TEST_USER="+end, "COPRA_TEST_DATABASE_URL=") // a server of its own
			user.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			out, err := user.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := user.Start(); err != nil {
				t.Fatal(err)
			}
			dir, lines := "", bufio.NewScanner(out)
			for dir == "" && lines.Scan() {
				dir, _ = strings.CutPrefix(lines.Text(), "dir=")
				if !filepath.IsAbs(dir) {
					dir = ""
				}
			}
			if end == "killed" {
				user.Process.Kill()
			}
			user.Wait()
			if dir == "" {
				t.Fatal("the child told no folder")
			}
			gone := func() bool {
				_, err := os.Stat(dir)
				return os.IsNotExist(err)
			}
			deadline := time.After(20 * time.Second)
			for tick := time.Tick(50 * time.Millisecond); !gone(); {
				select {
				case <-tick:
				case <-deadline:
					t.Fatalf("%s is still there", dir)
				}
			}
		})
	}
}
