package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
)

// migrate is the subcommand. Several may run at once: one works, the others
// wait for it.
func migrate(ctx context.Context, e env, args []string) error {
	var s settings
	var keyFile string
	f := newFlagSet("migrate", "[flags]", "bring the database up to this version", e.stderr)
	s.databaseFlags(f)
	s.logFlags(f)
	f.text(&keyFile, "api-key-file", "", "make an API key too, unless this file holds one, and keep it there. COPRA_API_KEY is taken as the key when it is set. Defaults to none.")
	if err := f.parseAlone(e, args); err != nil {
		return err
	}
	s.fromEnv(e)
	log := s.logger(e.stderr)
	dsn, err := s.databaseAddress()
	if err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, dsn, log); err != nil {
		return err
	}
	if keyFile == "" {
		return nil
	}
	sys, err := openSystem(ctx, &s, log)
	if err != nil {
		return err
	}
	defer sys.close()
	_, made, err := sys.firstKey(ctx, keyFile, "first")
	if err != nil {
		return err
	}
	if made {
		fmt.Fprintf(e.stdout, "the API key is in %s\n", keyFile)
	}
	return nil
}

// secrets is the subcommand: it makes the files that a deployment needs and
// that no two should share.
func secrets(_ context.Context, e env, args []string) error {
	f := newFlagSet("secrets", "DIR", "make the secret files of a deployment that are not there yet", e.stderr)
	words, err := f.parse(e, args)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return usagef("secrets: name one folder")
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
		_, made, err := readOrMake(filepath.Join(dir, file.name), file.make)
		if err != nil {
			return fmt.Errorf("make %s: %w", file.name, err)
		}
		if made {
			fmt.Fprintf(e.stdout, "made %s\n", file.name)
		}
	}
	return nil
}
