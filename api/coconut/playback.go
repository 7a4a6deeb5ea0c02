package coconut

import "time"

// EncodePlaybackToken encodes a token for the keys of a job's streams, with the address
// that takes it.
func EncodePlaybackToken(token string, until time.Time, address string) []byte {
	return encode(struct {
		Token      string `json:"token"`
		ExpiresAt  string `json:"expires_at"`
		LicenseURL string `json:"license_url"`
	}{token, until.UTC().Format(time.RFC3339), address})
}
