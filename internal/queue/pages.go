package queue

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/riverqueue/river"
	"riverqueue.com/riverui"
)

// Pages returns River's own pages (River UI) on its rows, below prefix, for operators.
// They show and change nothing: a row of River is only the transport of a job, a task or
// a webhook, and whoever cancels, deletes or retries it would not touch what it stands
// for. What asks for a change is answered 405.
//
// The background queries with which River UI keeps its counts fresh are not started, so
// that pages which nobody looks at cost nothing. The counts are then read for each page.
func Pages[Tx any](client *river.Client[Tx], prefix string, log *slog.Logger) (http.Handler, error) {
	pages, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(client, nil),
		Logger:    log,
		Prefix:    prefix,
	})
	if err != nil {
		return nil, fmt.Errorf("make River's pages: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "These pages only show. Cancel and retry the job on its own page.", http.StatusMethodNotAllowed)
			return
		}
		pages.ServeHTTP(w, r)
	}), nil
}
