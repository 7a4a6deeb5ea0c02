package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/copra-video/copra/internal/pgserver"
	"github.com/copra-video/copra/internal/testcopra"
)

// databaseEnv names the PostgreSQL of all tests, see internal/pgtest.
const databaseEnv = "COPRA_TEST_DATABASE_URL"

// share makes once what each package would make for itself: the program under test, and
// a PostgreSQL. It sets the variables by which tests find them. If a variable is already
// set, that part is left out. program is a package; "": nothing is shared.
func share(ctx context.Context, program string) (stop func() error, err error) {
	stop = func() error { return nil }
	if program == "" {
		return stop, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	if os.Getenv(testcopra.Env) == "" {
		dir, err := os.MkdirTemp("", "copra-test-")
		if err != nil {
			return stop, fmt.Errorf("make a folder for the program: %w", err)
		}
		stop = func() error { return os.RemoveAll(dir) }
		path := filepath.Join(dir, "copra")
		if out, err := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", path, program).CombinedOutput(); err != nil {
			return stop, fmt.Errorf("build %s: %w\n%s", program, err, strings.TrimSpace(string(out)))
		}
		if err := os.Setenv(testcopra.Env, path); err != nil {
			return stop, err
		}
	}
	if os.Getenv(databaseEnv) != "" {
		return stop, nil
	}
	db, err := pgserver.Temporary(ctx, pgserver.Options{Bin: os.Getenv("COPRA_PG_BIN"), MaxConnections: 600})
	if err != nil {
		// Tests that need one start their own, or say why they cannot.
		fmt.Printf("without a PostgreSQL that the packages share: %v\n", err)
		return stop, nil
	}
	remove := stop
	stop = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return errors.Join(db.Stop(ctx), remove())
	}
	return stop, os.Setenv(databaseEnv, db.URL())
}
