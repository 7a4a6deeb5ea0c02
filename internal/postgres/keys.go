package postgres

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

// Key is an API key without its token, of which only a hash is stored.
type Key = job.Key

// minToken is the minimum length of a token; shorter ones can be guessed.
const minToken = 16

// prefixLength is short enough that the prefix does not help to guess a token.
const prefixLength = 6

const keyColumns = `id, name, prefix, created_at, coalesce(revoked_at, '0001-01-01 00:00:00+00'), signing_sealed IS NOT NULL,
	coalesce(max_queued, 0), coalesce(max_running, 0), coalesce(max_minutes, 0), coalesce(keep_jobs, interval '0')`

func scanKey(row pgx.CollectableRow) (Key, error) {
	var k Key
	err := row.Scan(&k.ID, &k.Name, &k.Prefix, &k.CreatedAt, &k.RevokedAt, &k.HasSigningSecret, &k.Limits.Queued, &k.Limits.Running, &k.Limits.Minutes, &k.Limits.Keep)
	k.CreatedAt, k.RevokedAt = k.CreatedAt.UTC(), k.RevokedAt.UTC()
	return k, err
}

// CreateKey creates a key and returns its token, which cannot be read again. A zero
// token makes a random one. If a key with the token exists, it is returned.
func (s *Store) CreateKey(ctx context.Context, name string, token job.Secret) (Key, job.Secret, error) {
	if token.IsZero() {
		b := make([]byte, 16)
		rand.Read(b)
		token = job.NewSecret("k-" + hex.EncodeToString(b))
	}
	text := token.Reveal()
	if len(text) < minToken || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) {
		// In Basic credentials a colon ends the user name (RFC 7617).
		return Key{}, job.Secret{}, fmt.Errorf("create an API key: a key must have at least %d printable ASCII characters, no space and no colon", minToken)
	}
	hash := sha256.Sum256([]byte(text))
	rows, err := s.pool.Query(ctx, `
		WITH made AS (
			INSERT INTO api_keys (id, name, prefix, hash) VALUES ($1, $2, $3, $4)
			ON CONFLICT (hash) DO NOTHING
			RETURNING *
		)
		SELECT `+keyColumns+` FROM (SELECT * FROM made UNION ALL SELECT * FROM api_keys WHERE hash = $4) k LIMIT 1`,
		randomID(), sanitizeText(name), text[:prefixLength], hash[:])
	if err != nil {
		return Key{}, job.Secret{}, fmt.Errorf("create an API key: %w", err)
	}
	k, err := pgx.CollectExactlyOneRow(rows, scanKey)
	if err != nil {
		return Key{}, job.Secret{}, fmt.Errorf("create an API key: %w", err)
	}
	if !k.RevokedAt.IsZero() {
		return Key{}, job.Secret{}, fmt.Errorf("create an API key: this one, %s, was revoked and cannot be used again", k.ID)
	}
	return k, token, nil
}

// ListKeys returns all keys, newest first.
func (s *Store) ListKeys(ctx context.Context) ([]Key, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+keyColumns+` FROM api_keys ORDER BY created_at DESC, id`)
	if err != nil {
		return nil, fmt.Errorf("list the API keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, scanKey)
	if err != nil {
		return nil, fmt.Errorf("list the API keys: %w", err)
	}
	return keys, nil
}

// RevokeKey revokes a key, see findKey. Its jobs stay.
func (s *Store) RevokeKey(ctx context.Context, idOrPrefix string) error {
	err := s.withTx(ctx, func(tx *txn) error {
		id, err := findKey(ctx, tx, idOrPrefix)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE api_keys SET revoked_at = now() WHERE id = $1`, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke the API key %q: %w", idOrPrefix, err)
	}
	return nil
}

// findKey locks a valid key and returns its id. idOrPrefix is its id, or at least 3
// characters of the beginning of its token. It fails with job.ErrNotFound when
// there is no such key.
func findKey(ctx context.Context, tx *txn, idOrPrefix string) (string, error) {
	rows, err := tx.Query(ctx, `
		SELECT id FROM api_keys
		WHERE revoked_at IS NULL AND (id = $1 OR length($1) >= 3 AND prefix LIKE $2 || '%' )
		ORDER BY id = $1 DESC FOR UPDATE`, idOrPrefix, likeLiteral(idOrPrefix, prefixLength))
	if err != nil {
		return "", err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	switch {
	case err != nil:
		return "", err
	case len(ids) == 0:
		return "", job.ErrNotFound
	case len(ids) > 1 && ids[0] != idOrPrefix:
		return "", fmt.Errorf("%d keys begin so; give the id, one of %s", len(ids), strings.Join(ids, ", "))
	}
	return ids[0], nil
}

// likeLiteral returns the first n bytes of s as a pattern of LIKE that matches
// exactly them.
func likeLiteral(s string, n int) string {
	s = s[:min(len(s), n)]
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToValidUTF8(s, ""))
}

// Authenticate returns the valid key with this token, without its limits, or
// job.ErrNotFound. The lookup is by hash, so its duration reveals nothing about the
// token; the hash that was found is compared in constant time.
func (s *Store) Authenticate(ctx context.Context, token string) (Key, error) {
	hash := sha256.Sum256([]byte(token))
	var k Key
	var stored []byte
	err := s.pool.QueryRow(ctx, `SELECT id, name, prefix, hash FROM api_keys WHERE hash = $1 AND revoked_at IS NULL`, hash[:]).
		Scan(&k.ID, &k.Name, &k.Prefix, &stored)
	if errors.Is(err, pgx.ErrNoRows) {
		return Key{}, job.ErrNotFound
	}
	if err != nil {
		return Key{}, fmt.Errorf("look up the API key: %w", err)
	}
	if subtle.ConstantTimeCompare(stored, hash[:]) != 1 {
		return Key{}, job.ErrNotFound
	}
	return k, nil
}

// randomID returns 14 random letters and digits, the form of Coconut's ids: 83 bits.
func randomID() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	id := make([]byte, 0, 14)
	var b [32]byte
	for {
		rand.Read(b[:])
		for _, v := range b {
			// 256 is not a multiple of 62: the values above 4*62 would make the
			// first letters of the alphabet more likely.
			if int(v) >= 4*len(alphabet) {
				continue
			}
			if id = append(id, alphabet[int(v)%len(alphabet)]); len(id) == cap(id) {
				return string(id)
			}
		}
	}
}
