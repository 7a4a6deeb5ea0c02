package settings

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/seal"
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
