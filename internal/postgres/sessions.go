package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

const (
	// sessionLife and sessionIdle end a session: so long after it began, and so long
	// after its last request.
	sessionLife = 7 * 24 * time.Hour
	sessionIdle = 12 * time.Hour
	// seenEvery is how often the time of the last request is written.
	seenEvery = 5 * time.Minute
)

// CreateSession stores a session under the hash of its token, and deletes those that
// have ended. keyID is "" for the operator, and proof is nil for everybody else.
func (s *Store) CreateSession(ctx context.Context, hash []byte, keyID string, proof []byte) error {
	_, err := s.pool.Exec(ctx, `
		WITH ended AS (DELETE FROM console_sessions WHERE created_at < now() - $4::interval OR seen_at < now() - $5::interval)
		INSERT INTO console_sessions (hash, key_id, proof) VALUES ($1, nullif($2, ''), $3)`,
		hash, keyID, proof, sessionLife, sessionIdle)
	if err != nil {
		return fmt.Errorf("create a session: %w", err)
	}
	return nil
}

// Session returns the session with this hash, and notes that it is in use. It fails
// with job.ErrNotFound when there is none, it has ended, or its key was revoked.
func (s *Store) Session(ctx context.Context, hash []byte) (job.Session, error) {
	var v job.Session
	var idle time.Duration
	err := s.pool.QueryRow(ctx, `
		SELECT coalesce(c.key_id, ''), coalesce(k.name, ''), c.proof, now() - c.seen_at
		FROM console_sessions c LEFT JOIN api_keys k ON k.id = c.key_id
		WHERE c.hash = $1 AND c.created_at > now() - $2::interval AND c.seen_at > now() - $3::interval
			AND (c.key_id IS NULL OR k.revoked_at IS NULL)`, hash, sessionLife, sessionIdle).Scan(&v.KeyID, &v.KeyName, &v.Proof, &idle)
	if errors.Is(err, pgx.ErrNoRows) {
		return job.Session{}, job.ErrNotFound
	}
	if err == nil && idle > seenEvery {
		_, err = s.pool.Exec(ctx, `UPDATE console_sessions SET seen_at = now() WHERE hash = $1`, hash)
	}
	if err != nil {
		return job.Session{}, fmt.Errorf("read a session: %w", err)
	}
	return v, nil
}

// EndSession deletes a session.
func (s *Store) EndSession(ctx context.Context, hash []byte) error {
	if _, err := s.pool.Exec(ctx, `DELETE FROM console_sessions WHERE hash = $1`, hash); err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}
