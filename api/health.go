package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// readyTimeout bounds the checks of /readyz.
const readyTimeout = 3 * time.Second

// healthz is GET /healthz: the process is alive. It shows version and region.
func (s *server) healthz(w http.ResponseWriter, _ *http.Request) {
	writeValue(w, http.StatusOK, struct {
		Status  string `json:"status"`
		Version string `json:"version"`
		Region  string `json:"region"`
	}{"ok", s.Version, s.Region})
}

// readyz is GET /readyz: whether a job could be accepted now. The answer names the
// checks that failed, and what can be said of it to everyone. Their errors are only
// in the log, since this endpoint needs no authentication.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	answer := struct {
		Status  string   `json:"status"`
		Reasons []string `json:"reasons,omitempty"`
	}{Status: "ready"}
	status := http.StatusOK
	for _, c := range s.Ready {
		if err := c.Run(ctx); err != nil {
			s.Log.WarnContext(ctx, "check readiness", "check", c.Name, "error", err)
			reason := ""
			if c.Reason != nil {
				reason = c.Reason(err)
			}
			answer.Reasons = append(answer.Reasons, cmp.Or(reason, c.Name+" is not available"))
			answer.Status, status = "unavailable", http.StatusServiceUnavailable
		}
	}
	writeValue(w, status, answer)
}

func writeValue(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	writeJSON(w, status, body)
}
