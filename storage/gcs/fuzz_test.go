package gcs

import (
	"testing"

	"github.com/copra-video/copra/job"
)

// FuzzAccount checks that every text is either a service account or refused with
// a message.
func FuzzAccount(f *testing.F) {
	f.Add(`{"client_email": "a", "private_key": "-----BEGIN PRIVATE KEY-----\naHVudGVy\n-----END PRIVATE KEY-----\n", "token_uri": "http://host"}`)
	f.Add(`{"client_email": 1}`)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAccount(job.NewSecret(text))
		if err != nil && job.Message(err, "") == "" || err == nil && len(a.config.PrivateKey) == 0 {
			t.Errorf("%+v, %v", a, err)
		}
	})
}
