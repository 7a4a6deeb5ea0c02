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
	token := basicUser(r.Header.Get("Authorization"))
	given, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.Operator.Reveal()))
	if s.Operator.IsZero() || subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		_, err := s.Keys.Authenticate(r.Context(), token)
		if err == nil {
			return job.ErrNotFound
		}
		if !errors.Is(err, job.ErrNotFound) {
			return err
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="Copra"`)
		return job.NewError(job.AuthenticationFailed)
	}
	nodes, err := s.Fleet.Nodes(r.Context(), s.StaleAfter)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, coconut.EncodeNodes(nodes))
	return nil
}
