package job

import (
	"fmt"
	"io"
)

// Secret is a string that must not be shown. fmt, encoding/json and log/slog write
// it as "[redacted]". Only Reveal returns the value.
type Secret struct{ value string }

const redacted = "[redacted]"

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{s} }

// Reveal returns the value. Call it only where the value is sent to the service
// that it belongs to.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.value == "" }

// String returns "[redacted]", or "" when there is no value.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return redacted
}

// GoString is String for %#v.
func (s Secret) GoString() string { return `job.Secret("` + s.String() + `")` }

// MarshalText is String for encoding/json and log/slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Format is String for every verb of fmt: without it %x would show the value.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, s.GoString())
		return
	}
	_, _ = io.WriteString(f, s.String())
}
