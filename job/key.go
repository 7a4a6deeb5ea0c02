package job

import "time"

// Key is an API key without its token, of which only a hash is stored.
type Key struct {
	ID               string
	Name             string
	Prefix           string // of the token, to tell keys apart
	CreatedAt        time.Time
	RevokedAt        time.Time // zero: the key is valid
	HasSigningSecret bool      // webhooks of its jobs are signed
	Limits           Limits
}

// Limits bound the jobs of an API key. 0 is no limit.
type Limits struct {
	Queued  int // jobs that have not ended, including running ones
	Running int // jobs that are transcoded at once
	Minutes int // that outputs play which were made in a calendar month, UTC, see Played
	// Keep is how long jobs are kept that have ended; 0 is as long as the server keeps
	// those of other keys.
	Keep time.Duration
}

// Session is somebody who is signed in to the console.
type Session struct {
	KeyID, KeyName string // "" for the operator
	Proof          []byte // of an operator
}
