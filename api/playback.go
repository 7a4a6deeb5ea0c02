package api

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

// ContentKeys are the keys of protected streams that the server makes itself.
type ContentKeys interface {
	// Find returns the key of a job with this id, of 16 bytes each.
	Find(jobID string, keyID []byte) (key []byte, ok bool)
	// Token returns a token for a job's keys that is good for a time, and its end.
	// Allowed reports whether one is good.
	Token(jobID string, good time.Duration) (token string, until time.Time)
	Allowed(jobID, token string) bool
	// LicenseURL is the address of a job's keys.
	LicenseURL(jobID string) string
}

// How long a token for keys may be good, in seconds.
const (
	defaultTokenSeconds = 300
	maxTokenSeconds     = 86400
)

// playbackToken is POST /v2/jobs/{id}/playback-token.
func (s *server) playbackToken(w http.ResponseWriter, r *http.Request) error {
	state, err := s.job(r)
	if err != nil {
		return err
	}
	body, err := readBody(w, r, s.BodyTimeout)
	if err != nil {
		return err
	}
	ask := struct {
		Seconds *int `json:"seconds"`
	}{}
	seconds := defaultTokenSeconds
	if len(strings.TrimSpace(string(body))) > 0 {
		if err := json.Unmarshal(body, &ask); err != nil || ask.Seconds != nil && (*ask.Seconds < 1 || *ask.Seconds > maxTokenSeconds) {
			return job.Errorf(job.ConfigNotValid, "The request is not valid: expected nothing, or {\"seconds\": N} with a whole number from 1 to %d.", maxTokenSeconds)
		}
		if ask.Seconds != nil {
			seconds = *ask.Seconds
		}
	}
	token, until := s.ContentKeys.Token(state.ID, time.Duration(seconds)*time.Second)
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusCreated, coconut.EncodePlaybackToken(token, until, s.ContentKeys.LicenseURL(state.ID)))
	return nil
}

// maxLicenseRequest bounds what a player sends, in bytes.
const maxLicenseRequest = 64 << 10

// keyHeaders let players of other sites read the answer, and nobody keep it.
func keyHeaders(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// keysFor reports whether the request's token, in the query or as a bearer, lets it have
// the keys of the route's job. If not it answers 401.
func (s *server) keysFor(w http.ResponseWriter, r *http.Request) (jobID string, ok bool) {
	keyHeaders(w)
	jobID = chi.URLParam(r, "id")
	token := r.URL.Query().Get("token")
	if bearer, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); found {
		token = bearer
	}
	if !s.ContentKeys.Allowed(jobID, token) {
		w.WriteHeader(http.StatusUnauthorized)
		return "", false
	}
	return jobID, true
}

// keyOptions answers browsers that ask before they send a request to another site.
func keyOptions(w http.ResponseWriter, _ *http.Request) {
	keyHeaders(w)
	w.WriteHeader(http.StatusNoContent)
}

// getContentKey is GET /v2/keys/{id}/{key}: the 16 bytes of a key, for HLS.
func (s *server) getContentKey(w http.ResponseWriter, r *http.Request) {
	jobID, ok := s.keysFor(w, r)
	if !ok {
		return
	}
	id, err := hex.DecodeString(chi.URLParam(r, "key"))
	key, found := s.ContentKeys.Find(jobID, id)
	if err != nil || !found {
		notFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(key) // fails only when the client has disconnected
}

// clearKey is a JSON Web Key, as the license format of ClearKey in the W3C's Encrypted
// Media Extensions has it.
type clearKey struct {
	Type string `json:"kty"`
	ID   string `json:"kid"`
	Key  string `json:"k"`
}

// clearKeyLicense is POST /v2/keys/{id}: a license of ClearKey for the ids in the
// request. Ids that the job does not have are left out.
func (s *server) clearKeyLicense(w http.ResponseWriter, r *http.Request) {
	jobID, ok := s.keysFor(w, r)
	if !ok {
		return
	}
	var ask struct {
		KeyIDs []string `json:"kids"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLicenseRequest)).Decode(&ask); err != nil || len(ask.KeyIDs) > 100 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	answer := struct {
		Keys []clearKey `json:"keys"`
		Type string     `json:"type"`
	}{[]clearKey{}, "temporary"}
	for _, text := range ask.KeyIDs {
		id, err := base64.RawURLEncoding.DecodeString(text)
		if key, found := s.ContentKeys.Find(jobID, id); err == nil && found {
			answer.Keys = append(answer.Keys, clearKey{"oct", text, base64.RawURLEncoding.EncodeToString(key)})
		}
	}
	if len(answer.Keys) == 0 {
		notFound(w, r)
		return
	}
	body, err := json.Marshal(answer)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	writeJSON(w, http.StatusOK, body)
}
