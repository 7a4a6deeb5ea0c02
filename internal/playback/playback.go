// Package playback makes the keys of protected streams for whom has no license
// service, and the tokens that let a player have them.
//
// Nothing of it is stored. Keys are derived from the operator's sealing keys, the job
// and the class of tracks, so every process that has the sealing keys knows them, and
// a job that is made again has the same. A token names its job and its end, and is
// signed.
package playback

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
)

// classes have a key of their own: a device that may not play the largest pictures
// does not get their key.
var classes = []string{job.KeyAudio, job.KeySD, job.KeyHD, job.KeyUHD}

// Deriver is the part of a seal.Sealer that is needed.
type Deriver interface {
	// Derive returns bytes for a purpose, one of each key that may be in use.
	Derive(purpose string) [][]byte
}

// Keys makes and finds keys.
type Keys struct {
	deriver   Deriver
	publicURL string
	now       func() time.Time
}

// New returns Keys. publicURL is the base address of the API; "": it is not known, so
// the keys have no addresses.
func New(d Deriver, publicURL string) *Keys {
	return &Keys{d, strings.TrimSuffix(publicURL, "/"), time.Now}
}

// ForJob returns the keys of a job's streams.
func (k *Keys) ForJob(jobID string) []job.ContentKey {
	var list []job.ContentKey
	for _, class := range classes {
		root := k.deriver.Derive(purpose(jobID, class))[0]
		id := hex.EncodeToString(keyID(root))
		c := job.ContentKey{Track: class, KeyID: id, Key: job.NewSecret(hex.EncodeToString(contentKey(root)))}
		if k.publicURL != "" {
			c.URI = k.LicenseURL(jobID) + "/" + id
		}
		list = append(list, c)
	}
	return list
}

// LicenseURL is the address of the keys of a job; "" when the address of the API is
// not known.
func (k *Keys) LicenseURL(jobID string) string {
	if k.publicURL == "" {
		return ""
	}
	return k.publicURL + "/v2/keys/" + jobID
}

// Find returns the key of a job with an id, 16 bytes each; false: the job has none.
func (k *Keys) Find(jobID string, id []byte) ([]byte, bool) {
	for _, class := range classes {
		for _, root := range k.deriver.Derive(purpose(jobID, class)) {
			if subtle.ConstantTimeCompare(keyID(root), id) == 1 {
				return contentKey(root), true
			}
		}
	}
	return nil, false
}

func purpose(jobID, class string) string { return "content key\x00" + jobID + "\x00" + class }

func keyID(root []byte) []byte      { return sum(root, "key id")[:16] }
func contentKey(root []byte) []byte { return sum(root, "key")[:16] }

func sum(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

const tokenPurpose = "playback token"

// Token returns a token for the keys of a job, which is good for a time in whole
// seconds, and its end.
func (k *Keys) Token(jobID string, good time.Duration) (token string, until time.Time) {
	until = k.now().Add(good).Truncate(time.Second)
	end := strconv.FormatInt(until.Unix(), 10)
	return end + "." + signature(k.deriver.Derive(tokenPurpose)[0], jobID, end), until
}

// Allowed reports whether a token is good for the keys of a job.
func (k *Keys) Allowed(jobID, token string) bool {
	end, mac, _ := strings.Cut(token, ".")
	until, err := strconv.ParseInt(end, 10, 64)
	good := 0
	for _, root := range k.deriver.Derive(tokenPurpose) {
		good |= subtle.ConstantTimeCompare([]byte(signature(root, jobID, end)), []byte(mac))
	}
	return err == nil && good == 1 && k.now().Unix() < until
}

func signature(root []byte, jobID, end string) string {
	return base64.RawURLEncoding.EncodeToString(sum(root, jobID+"\x00"+end))
}
