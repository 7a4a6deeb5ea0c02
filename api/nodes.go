package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"time"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

// Fleet knows the worker processes.
type Fleet interface {
	// Nodes returns the worker processes whose heartbeat is younger than a day. One
	// whose heartbeat is older than stale is not alive.
	Nodes(ctx context.Context, stale time.Duration) ([]job.Node, error)
}

// listNodes is GET /v2/nodes, for the operator's key. An API key finds nothing there.
func (s *server) listNodes(w http.ResponseWriter, r *http.Request) error {
	if !s.isOperator(r) {
		if _, err := s.Keys.Authenticate(r.Context(), basicUser(r.Header.Get("Authorization"))); err != nil {
			return s.unauthorized(w, err)
		}
		return job.ErrNotFound
	}
	nodes, err := s.Fleet.Nodes(r.Context(), s.StaleAfter)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, coconut.EncodeNodes(nodes))
	return nil
}

// isOperator reports whether a request has the operator's key.
func (s *server) isOperator(r *http.Request) bool {
	token := basicUser(r.Header.Get("Authorization"))
	given, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.Operator.Reveal()))
	return !s.Operator.IsZero() && subtle.ConstantTimeCompare(given[:], want[:]) == 1
}

// unauthorized is the answer to a request whose key was not found, or could not be
// looked up.
func (s *server) unauthorized(w http.ResponseWriter, err error) error {
	if !errors.Is(err, job.ErrNotFound) {
		return err
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="Copra"`)
	return job.NewError(job.AuthenticationFailed)
}
