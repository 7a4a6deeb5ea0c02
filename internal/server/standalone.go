package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/copra-video/copra/api"
	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/buildinfo"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/pgserver"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/internal/secretfile"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/job"
)

// Standalone is the subcommand: everything in one process and one folder.
//
//	DIR/postgres    the database
//	DIR/storage     results and uploads, kept for 24 h
//	DIR/work        work files
//	DIR/secret-key  seals stored requests; without it they cannot be read
//	DIR/api-key     the first API key
//	DIR/base-url    where the server listens, while it runs
func Standalone(ctx context.Context, e command.Stdio, args []string) error {
	var s settings.Settings
	f := settings.NewFlagSet("standalone", "[flags]", "API, worker and a database in one process with one data directory", e.Stderr)
	s.StandaloneFlags(f)
	if err := f.ParseAlone(e, args); err != nil {
		return err
	}
	s.FromEnv(e)
	log := s.Logger(e.Stderr)
	return runStandalone(ctx, &s, log, func(base, key string, firstRun bool) {
		fmt.Fprintf(e.Stdout, "Copra %s is ready.\n\n  base URL   %s/v2\n", buildinfo.Version(), base)
		if firstRun {
			fmt.Fprintf(e.Stdout, "  API key    %s\n", key)
		}
		fmt.Fprintf(e.Stdout, "  key file   %s\n\n", filepath.Join(s.Data, "api-key"))
	})
}

// runStandalone runs until ctx ends; ready is called when requests are
// answered and workers wait.
func runStandalone(ctx context.Context, s *settings.Settings, log *slog.Logger, ready func(base, key string, firstRun bool)) error {
	dir, err := filepath.Abs(s.Data)
	if err != nil {
		return fmt.Errorf("find the data folder: %w", err)
	}
	s.Data = dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	s.StorageDir = cmp.Or(s.StorageDir, filepath.Join(dir, "storage"))
	if !s.WorkDirGiven {
		s.WorkDir = filepath.Join(dir, "work")
	}
	if s.SecretKeys == "" {
		s.SecretKeys, _, err = secretfile.ReadOrCreate(filepath.Join(dir, "secret-key"), func() (string, error) { return seal.Generate(), nil })
		if err != nil {
			return fmt.Errorf("make the secret key: %w", err)
		}
	}
	l, err := listen(ctx, s)
	if err != nil {
		return err
	}
	defer l.Close()

	pg, err := pgserver.Start(ctx, pgserver.Options{Dir: filepath.Join(dir, "postgres"), Log: log})
	if err != nil {
		return err
	}
	defer func() {
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := pg.Stop(sctx); err != nil {
			log.Warn("stopping PostgreSQL", "error", err)
		}
	}()
	s.DatabaseURL, s.DatabaseConns = pg.URL(), 40
	if err := postgres.Migrate(ctx, s.DatabaseURL, log); err != nil {
		return err
	}
	sys, err := Open(ctx, s, log)
	if err != nil {
		return err
	}
	defer sys.Close()
	key, firstRun, err := sys.FirstKey(ctx, filepath.Join(dir, "api-key"), "standalone")
	if err != nil {
		return err
	}
	// Nobody else works on this database, so what an earlier process held when
	// it was killed is free at once.
	if _, err := sys.store.Reap(ctx, 0); err != nil {
		return err
	}
	w, err := sys.startWorker(ctx)
	if err != nil {
		return err
	}
	defer w.stop()

	baseFile := filepath.Join(dir, "base-url")
	base := "http://" + l.Addr().String()
	// Not the public URL: this machine may not know its name or trust its CA.
	local := "http://" + reachable(l.Addr().(*net.TCPAddr))
	if err := os.WriteFile(baseFile, []byte(local+"\n"), 0o644); err != nil {
		return fmt.Errorf("write the base URL: %w", err)
	}
	defer os.Remove(baseFile)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-pg.Done():
			cancel(errors.New("PostgreSQL has ended"))
		case <-ctx.Done():
		}
	}()
	// Work is handed back while the last requests are answered: each may take
	// its time, and all is to have ended in five seconds.
	context.AfterFunc(ctx, w.stop)
	log.Info("copra standalone", "version", buildinfo.Version(), "listen", base, "data", dir)
	ready(s.PublicURL, key, firstRun)
	if err := api.Serve(ctx, l, sys.Handler(), log); err != nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// FirstKey makes the first API key and keeps it in a file; a key that was
// given in COPRA_API_KEY is taken instead of a generated one.
func (sys *System) FirstKey(ctx context.Context, file, name string) (key string, made bool, err error) {
	given := sys.settings.APIKey
	key, made, err = secretfile.ReadOrCreate(file, func() (string, error) {
		_, token, err := sys.store.CreateKey(ctx, name, job.NewSecret(given))
		if err != nil {
			return "", err
		}
		return token.Reveal(), nil
	})
	if err != nil {
		return "", false, fmt.Errorf("make the first API key: %w", err)
	}
	if made || given == "" || given == key {
		return key, made, nil
	}
	// Another key was given than the file holds: it is to work from now on.
	if _, err := sys.store.Authenticate(ctx, given); errors.Is(err, job.ErrNotFound) {
		if _, _, err := sys.store.CreateKey(ctx, name, job.NewSecret(given)); err != nil {
			return "", false, fmt.Errorf("store the given API key: %w", err)
		}
	}
	return given, false, nil
}

// Private finds the standalone server of the data folder, or starts one
// in this process, which goes on until stop, also when ctx has ended: there is
// a job to be cancelled on it then.
func Private(ctx context.Context, e command.Stdio, s *settings.Settings) (base, key string, stop func(), started bool, err error) {
	if base, key, ok := runningServer(ctx, s.Data); ok {
		return base, key, func() {}, false, nil
	}
	if !s.ListenGiven {
		s.Listen = "127.0.0.1:0"
	}
	log := slog.New(atLeast{s.Logger(e.Stderr).Handler(), slog.LevelError})
	sctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	type address struct{ base, key string }
	up := make(chan address, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- runStandalone(sctx, s, log, func(base, key string, _ bool) { up <- address{base, key} })
	}()
	select {
	case a := <-up:
		return a.base, a.key, func() {
			cancel()
			if err := <-ended; err != nil {
				fmt.Fprintln(e.Stderr, "copra:", err)
			}
		}, true, nil
	case <-ctx.Done():
		cancel()
		return "", "", nil, false, errors.Join(context.Cause(ctx), <-ended)
	case err := <-ended:
		cancel()
		if err == nil {
			err = errStopped
		}
		return "", "", nil, false, fmt.Errorf("start a server in %s: %w", s.Data, err)
	}
}

// runningServer asks whether the server that wrote base-url still answers.
func runningServer(ctx context.Context, dir string) (base, key string, ok bool) {
	text, err := os.ReadFile(filepath.Join(dir, "base-url"))
	if err != nil {
		return "", "", false
	}
	base = strings.TrimSpace(string(text))
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := client.New(client.Options{BaseURL: base})
	if err != nil {
		return "", "", false
	}
	if _, err := c.Health(ctx); err != nil {
		return "", "", false
	}
	token, err := os.ReadFile(filepath.Join(dir, "api-key"))
	return base, strings.TrimSpace(string(token)), err == nil
}
