package admin

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/internal/secretfile"
	"github.com/copra-video/copra/internal/server"
	"github.com/copra-video/copra/internal/settings"
)

// Migrate is the subcommand migrate. Several may run at once: one works, the
// others wait for it.
func Migrate(ctx context.Context, c command.Call) error {
	var s settings.Settings
	var keyFile string
	err := s.ParseFlags(c, settings.Database|settings.Keys|settings.Log, settings.Row{Flag: "api-key-file", Set: settings.Text(&keyFile),
		Help: "make an API key too, unless this file holds one, and keep it there. COPRA_API_KEY is taken as the key when it is set."})
	if err != nil {
		return err
	}
	dsn, err := s.DatabaseAddress()
	if err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, dsn, s.Logger(c.Stderr)); err != nil {
		return err
	}
	if keyFile == "" {
		return nil
	}
	store, err := openStore(ctx, &s, c.Stderr)
	if err != nil {
		return err
	}
	defer store.Close()
	_, made, err := server.FirstKey(ctx, store, keyFile, "first", s.APIKey)
	if err != nil {
		return err
	}
	if made {
		fmt.Fprintf(c.Stdout, "the API key is in %s\n", keyFile)
	}
	return nil
}

// Secrets is the subcommand secrets: it makes the secret files that a
// deployment needs. No two deployments should share them.
func Secrets(_ context.Context, c command.Call) error {
	words, err := new(settings.Settings).Parse(c, 0)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return command.Usagef("secrets: name one folder")
	}
	dir := words[0]
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	for _, file := range []struct {
		name     string
		generate func() string
	}{
		{"secret-key", seal.Generate},
		{"postgres-password", rand.Text},
		{"s3-access-key", rand.Text},
		{"s3-secret-key", rand.Text},
		{"operator-key", settings.NewOperatorKey},
	} {
		_, made, err := secretfile.ReadOrCreate(filepath.Join(dir, file.name), func() (string, error) { return file.generate(), nil })
		if err != nil {
			return fmt.Errorf("make %s: %w", file.name, err)
		}
		if made {
			fmt.Fprintf(c.Stdout, "made %s\n", file.name)
		}
	}
	return nil
}
