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

// Migrate is the subcommand. Several may run at once: one works, the others
// wait for it.
func Migrate(ctx context.Context, e command.Stdio, args []string) error {
	var s settings.Settings
	var keyFile string
	f := settings.NewFlagSet("migrate", "[flags]", "bring the database up to this version", e.Stderr)
	s.DatabaseFlags(f)
	s.LogFlags(f)
	f.Text(&keyFile, "api-key-file", "", "make an API key too, unless this file holds one, and keep it there. COPRA_API_KEY is taken as the key when it is set. Defaults to none.")
	if err := f.ParseAlone(e, args); err != nil {
		return err
	}
	s.FromEnv(e)
	log := s.Logger(e.Stderr)
	dsn, err := s.DatabaseAddress()
	if err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, dsn, log); err != nil {
		return err
	}
	if keyFile == "" {
		return nil
	}
	sys, err := server.Open(ctx, &s, log)
	if err != nil {
		return err
	}
	defer sys.Close()
	_, made, err := sys.FirstKey(ctx, keyFile, "first")
	if err != nil {
		return err
	}
	if made {
		fmt.Fprintf(e.Stdout, "the API key is in %s\n", keyFile)
	}
	return nil
}

// Secrets is the subcommand: it makes the files that a deployment needs and
// that no two should share.
func Secrets(_ context.Context, e command.Stdio, args []string) error {
	f := settings.NewFlagSet("secrets", "DIR", "make the secret files of a deployment that are not there yet", e.Stderr)
	words, err := f.Parse(e, args)
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
	word := func() (string, error) { return rand.Text(), nil }
	for _, file := range []struct {
		name string
		make func() (string, error)
	}{
		{"secret-key", func() (string, error) { return seal.Generate(), nil }},
		{"postgres-password", word},
		{"s3-access-key", word},
		{"s3-secret-key", word},
	} {
		_, made, err := secretfile.ReadOrCreate(filepath.Join(dir, file.name), file.make)
		if err != nil {
			return fmt.Errorf("make %s: %w", file.name, err)
		}
		if made {
			fmt.Fprintf(e.Stdout, "made %s\n", file.name)
		}
	}
	return nil
}
