package settings

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"unicode"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/job"
)

// Sealer reads the keys that seal stored requests.
func (s *Settings) Sealer() (*seal.Sealer, error) {
	text := s.SecretKeys.Reveal()
	if text == "" {
		if s.SecretKeyFile == "" {
			return nil, command.Usagef("--secret-key-file (COPRA_SECRET_KEY_FILE) is missing; copra secrets DIR makes one")
		}
		data, err := os.ReadFile(s.SecretKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the secret keys: %w", err)
		}
		text = string(data)
	}
	keys := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' || r == ' ' })
	sealer, err := seal.ParseKeys(keys)
	if err != nil {
		return nil, command.Usagef("the secret keys (COPRA_SECRET_KEYS or COPRA_SECRET_KEY_FILE) are not valid: %w", err)
	}
	return sealer, nil
}

// minOperatorKey is the minimum length of the operator's key; shorter ones can be
// guessed.
const minOperatorKey = 16

// NewOperatorKey returns a new key for the operator of a server.
func NewOperatorKey() string { return "op-" + rand.Text() }

// Operator reads the operator's key, zero when there is none.
func (s *Settings) Operator() (job.Secret, error) {
	text := s.OperatorKey.Reveal()
	if text == "" {
		if s.OperatorKeyFile == "" {
			return job.Secret{}, nil
		}
		key, err := oneSecret(s.OperatorKeyFile, "operator's key (--operator-key-file, COPRA_OPERATOR_KEY_FILE)")
		if err != nil {
			return job.Secret{}, err
		}
		text = key.Reveal()
	}
	if len(text) < minOperatorKey {
		return job.Secret{}, command.Usagef("the operator's key (COPRA_OPERATOR_KEY or COPRA_OPERATOR_KEY_FILE) has %d characters: at least %d are needed", len(text), minOperatorKey)
	}
	return job.NewSecret(text), nil
}

// SpeechKey reads the key of the speech service, zero when there is none.
func (s *Settings) SpeechKey() (job.Secret, error) {
	if !s.Speech.Key.IsZero() || s.Speech.KeyFile == "" {
		return s.Speech.Key, nil
	}
	return oneSecret(s.Speech.KeyFile, "key of the speech service (--speech-key-file, COPRA_SPEECH_KEY_FILE)")
}

// oneSecret reads a file with a secret and nothing else. what names the secret and its
// settings.
func oneSecret(file, what string) (job.Secret, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return job.Secret{}, fmt.Errorf("read the %s: %w", what, err)
	}
	text := strings.TrimSpace(string(data))
	if strings.ContainsFunc(text, unicode.IsControl) {
		return job.Secret{}, command.Usagef("the file of the %s holds more than one line: one secret is expected", what)
	}
	return job.NewSecret(text), nil
}

// DatabaseAddress is the database's address with the password from its file.
func (s *Settings) DatabaseAddress() (string, error) {
	if s.DatabaseURL == "" {
		return "", command.Usagef("--database-url (COPRA_DATABASE_URL) is missing; copra standalone brings a database of its own")
	}
	if s.DatabasePasswordFile == "" {
		return s.DatabaseURL, nil
	}
	password, err := os.ReadFile(s.DatabasePasswordFile)
	if err != nil {
		return "", fmt.Errorf("read the database password: %w", err)
	}
	u, err := url.Parse(s.DatabaseURL)
	if err != nil || u.Scheme == "" {
		return "", command.Usagef("COPRA_DATABASE_URL must be of the form postgres://user@host/name for COPRA_DATABASE_PASSWORD_FILE to be put into it")
	}
	u.User = url.UserPassword(u.User.Username(), strings.TrimSpace(string(password)))
	return u.String(), nil
}
