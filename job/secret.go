package job

import (
	"fmt"
	"io"
)

// Secret is a string that must not be seen: it prints, formats, marshals and
// logs as "[redacted]". Reveal is the only way to its value.
type Secret struct{ value string }

const redacted = "[redacted]"

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{s} }

// Reveal returns the value. Call it where the value leaves for its peer, and
// nowhere else.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.value == "" }

// String redacts; fmt, encoding/json and log/slog reach the value by no other
// way, since they ask for text.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return redacted
}

// GoString redacts %#v.
func (s Secret) GoString() string { return `job.Secret("` + s.String() + `")` }

// MarshalText redacts.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Format redacts whatever the verb: %x of a string would else show it.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, s.GoString())
		return
	}
	_, _ = io.WriteString(f, s.String())
}
