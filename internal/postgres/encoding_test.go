package postgres_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/job"
)

// TestEncodings: a database without an encoding, as initdb makes it where no locale is
// set, works; one that cannot store every text is refused with the cure.
func TestEncodings(t *testing.T) {
	bytes := pgtest.Encoded(t, "SQL_ASCII").URL
	if err := postgres.Migrate(t.Context(), bytes, nil); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, bytes, slog.New(slog.DiscardHandler))
	const name = "Küche 映画"
	if _, _, err := s.CreateKey(t.Context(), name, job.Secret{}); err != nil {
		t.Fatal(err)
	}
	if keys, err := s.ListKeys(t.Context()); err != nil || len(keys) != 1 || keys[0].Name != name {
		t.Errorf("keys %v, %v", keys, err)
	}
	useStore(t, s)
	err := postgres.Migrate(t.Context(), pgtest.Encoded(t, "LATIN1").URL, nil)
	if err == nil || !strings.Contains(err.Error(), "has the encoding LATIN1") || !strings.Contains(err.Error(), "ENCODING 'UTF8'") {
		t.Errorf("migrate a database in LATIN1: %v", err)
	}
}
