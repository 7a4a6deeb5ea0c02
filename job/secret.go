package job

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
