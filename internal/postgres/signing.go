package postgres

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/copra-video/copra/job"
)

// signingSize is the number of random bytes of a signing secret. Standard Webhooks
// wants 24 to 64.
const signingSize = 32

// RotateSigningSecret gives an API key, see findKey, a new signing secret and
// returns it in the form of Standard Webhooks, "whsec_" and base64. It cannot be
// read again. All webhooks sent from now on are signed with it, including those of
// existing jobs.
func (s *Store) RotateSigningSecret(ctx context.Context, idOrPrefix string) (job.Secret, error) {
	b := make([]byte, signingSize)
	rand.Read(b)
	text := "whsec_" + base64.StdEncoding.EncodeToString(b)
	err := s.withTx(ctx, func(tx *txn) error {
		id, err := findKey(ctx, tx, idOrPrefix)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE api_keys SET signing_sealed = $2 WHERE id = $1`, id, s.sealer.Seal([]byte(text), signingContext(id)))
		return err
	})
	if err != nil {
		return job.Secret{}, fmt.Errorf("give the API key %q a signing secret: %w", idOrPrefix, err)
	}
	return job.NewSecret(text), nil
}

// signingContext is the associated data that binds a sealed signing secret to its key.
func signingContext(keyID string) string { return "api_keys/" + keyID }

// openSigning returns the signing secret of a key, zero if it has none.
func (s *Store) openSigning(keyID string, sealed []byte) (job.Secret, error) {
	if sealed == nil {
		return job.Secret{}, nil
	}
	text, err := s.sealer.Open(sealed, signingContext(keyID))
	if err != nil {
		return job.Secret{}, fmt.Errorf("open the signing secret: %w", err)
	}
	return job.NewSecret(string(text)), nil
}
