package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/pgserver"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/internal/secretfile"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/job"
)

// What a standalone server has in its data folder.
const (
	postgresDir   = "postgres"     // the database
	storageDir    = "storage"      // results and uploads, kept for 24 h
	workDir       = "work"         // work files
	secretKeyFile = "secret-key"   // seals stored requests; without it they cannot be read
	keyFile       = "api-key"      // the first API key
	operatorFile  = "operator-key" // signs in to the console, and sees everything there
	baseURLFile   = "base-url"     // where the server listens, while it runs
)

// standaloneConns is the most connections to a PostgreSQL of its own: the API
// and a worker share them.
const standaloneConns = 40

// openDataFolder makes the folder and the secret key, and places what the
// settings do not place elsewhere.
func (s *Server) openDataFolder(_, _ context.Context) error {
	st := &s.settings
	dir, err := filepath.Abs(st.Data)
	if err != nil {
		return fmt.Errorf("find the data folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	st.Data = dir
	if err := s.makeOperatorKey(dir); err != nil {
		return err
	}
	st.StorageDir = cmp.Or(st.StorageDir, filepath.Join(dir, storageDir))
	st.WorkDir = cmp.Or(st.WorkDir, filepath.Join(dir, workDir))
	if !st.SecretKeys.IsZero() {
		return nil
	}
	key, _, err := secretfile.ReadOrCreate(filepath.Join(dir, secretKeyFile), func() (string, error) { return seal.Generate(), nil })
	if err != nil {
		return fmt.Errorf("make the secret key: %w", err)
	}
	st.SecretKeys = job.NewSecret(key)
	return nil
}

// startPostgres starts the database and brings it up to this version. The
// server ends when its database does.
func (s *Server) startPostgres(ctx, life context.Context) error {
	pg, err := pgserver.Start(ctx, pgserver.Options{Dir: filepath.Join(s.settings.Data, postgresDir), Bin: s.settings.PGBin, Log: s.log})
	if err != nil {
		return err
	}
	s.onStop(func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(life), 5*time.Second)
		defer cancel()
		if err := pg.Stop(ctx); err != nil {
			s.log.WarnContext(ctx, "stop PostgreSQL", "error", err)
		}
		return nil
	})
	go func() {
		select {
		case <-pg.Done():
			s.end(errors.New("PostgreSQL has ended"))
		case <-life.Done():
		}
	}()
	s.settings.DatabaseURL, s.settings.DatabaseConns = pg.URL(), standaloneConns
	migrate := pg.URL()
	if pg.Created() {
		// A hundred statements need not wait for the disk one by one: the first
		// commit of the server's own writes all of them.
		migrate += "&synchronous_commit=off"
	}
	return postgres.Migrate(ctx, migrate, s.log)
}

func (s *Server) makeKey(ctx, _ context.Context) (err error) {
	s.key, s.firstRun, err = FirstKey(ctx, s.store, filepath.Join(s.settings.Data, keyFile), "standalone", s.settings.APIKey)
	return err
}

// reapAll frees at once what an earlier process held when it was killed: no
// other process works on this database.
func (s *Server) reapAll(ctx, _ context.Context) error {
	_, err := s.store.Reap(ctx, 0)
	return err
}

// writeBaseURL says in the data folder where the server is. It is not the
// public URL, whose name or certificate this machine may not know.
func (s *Server) writeBaseURL(_, _ context.Context) error {
	file := filepath.Join(s.settings.Data, baseURLFile)
	if err := os.WriteFile(file, []byte(s.URL()+"\n"), 0o644); err != nil {
		return fmt.Errorf("write the base URL: %w", err)
	}
	s.onStop(func() error { os.Remove(file); return nil })
	return nil
}

// FirstKey makes the first API key, with the name, and keeps it in a file. A
// given key takes the place of a generated one, also later, when the file has
// another.
func FirstKey(ctx context.Context, store *postgres.Store, file, name string, given job.Secret) (key string, made bool, err error) {
	key, made, err = secretfile.ReadOrCreate(file, func() (string, error) {
		_, token, err := store.CreateKey(ctx, name, given)
		return token.Reveal(), err
	})
	if err != nil {
		return "", false, fmt.Errorf("make the first API key: %w", err)
	}
	if made || given.IsZero() || given.Reveal() == key {
		return key, made, nil
	}
	if _, err := store.Authenticate(ctx, given.Reveal()); errors.Is(err, job.ErrNotFound) {
		if _, _, err := store.CreateKey(ctx, name, given); err != nil {
			return "", false, fmt.Errorf("store the given API key: %w", err)
		}
	}
	return given.Reveal(), false, nil
}

// Local is a standalone server on this machine.
type Local struct {
	URL, Key string
	Started  bool         // by EnsureStandalone, for this caller alone
	Stop     func() error // ends it if it was started
}

// EnsureStandalone finds the standalone server of the data folder. When none
// runs it starts one in this process, which goes on until Stop, also when ctx
// has ended, so that a job on it can still be cancelled. Such a server listens
// on a free port unless the settings were given an address.
func EnsureStandalone(ctx context.Context, st settings.Settings, log *slog.Logger) (Local, error) {
	if running, ok := RunningStandalone(ctx, st.Data); ok {
		return running, nil
	}
	if !st.Given("listen") {
		st.Listen = "127.0.0.1:0"
	}
	s := NewStandalone(st, minLevel(log, slog.LevelError))
	if err := s.Start(ctx); err != nil {
		return Local{}, fmt.Errorf("start a server in %s: %w", st.Data, err)
	}
	return Local{URL: s.URL(), Key: s.key, Started: true, Stop: s.Stop}, nil
}

// RunningStandalone asks whether the server that wrote the base URL into the data
// folder still answers. The key is that of its file.
func RunningStandalone(ctx context.Context, dir string) (Local, bool) {
	text, err := os.ReadFile(filepath.Join(dir, baseURLFile))
	if err != nil {
		return Local{}, false
	}
	url := strings.TrimSpace(string(text))
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := client.New(client.Options{BaseURL: url})
	if err != nil {
		return Local{}, false
	}
	if _, err := c.Health(ctx); err != nil {
		return Local{}, false
	}
	token, err := os.ReadFile(filepath.Join(dir, keyFile))
	return Local{URL: url, Key: strings.TrimSpace(string(token)), Stop: func() error { return nil }}, err == nil
}
