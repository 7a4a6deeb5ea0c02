package api

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// routes returns the handler of all paths. No path redirects to another, because
// coconutrb and coconutphp do not follow redirects. For a wrong method chi answers
// 405 with an Allow header and no body.
func (s *server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(s.observe, s.recoverer, normalizePath, middleware.GetHead)
	r.NotFound(notFound)

	r.Get("/", s.landing)
	r.Get("/openapi.yaml", openAPI)
	r.Get("/healthz", s.healthz)
	r.Get("/readyz", s.readyz)
	r.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}))
	if s.Storage != nil {
		r.Handle("/storage/*", s.Storage)
	}

	if s.Resumable != nil {
		r.Handle("/resumable/*", s.Resumable)
	}
	if s.Docs != nil {
		r.Handle("/docs", s.Docs)
		r.Handle("/docs/*", s.Docs)
	}
	if s.Console != nil {
		r.Handle("/console", s.Console)
		r.Handle("/console/*", s.Console)
	}

	if s.Fleet != nil {
		r.Get("/v2/nodes", s.handle(s.listNodes)) // for another key than those of jobs
	}
	r.Get("/v2/usage", s.handle(s.usage)) // for the operator's key too
	if s.ContentKeys != nil {             // for players, who have a token and no key of the API
		r.Options("/v2/keys/*", keyOptions)
		r.Post("/v2/keys/{id}", s.clearKeyLicense)
		r.Get("/v2/keys/{id}/{key}", s.getContentKey)
	}
	r.Route("/v2", func(r chi.Router) {
		r.Use(s.authenticate, s.limit, s.trace)
		r.NotFound(notFound)
		r.Post("/jobs", s.handle(s.createJob))
		r.Get("/jobs", s.handle(s.listJobs))
		r.Post("/validate", s.handle(s.validateJob))
		if s.CheckStorage != nil {
			r.Post("/storage-check", s.handle(s.checkStorage))
		}
		r.Get("/deliveries", s.handle(s.listAllDeliveries))
		r.Get("/jobs/{id}", s.handle(s.getJob))
		r.Delete("/jobs/{id}", s.handle(s.cancelJob))
		r.Post("/jobs/{id}/cancel", s.handle(s.cancelJob))
		r.Post("/jobs/{id}/retry", s.handle(s.retryJob))
		r.Get("/jobs/{id}/events", s.handle(s.jobEvents))
		r.Get("/jobs/{id}/deliveries", s.handle(s.listDeliveries))
		r.Get("/jobs/{id}/logs", s.handle(s.jobLogs))
		r.Post("/jobs/{id}/deliveries/{n}/replay", s.handle(s.replayDelivery))
		if s.ContentKeys != nil {
			r.Post("/jobs/{id}/playback-token", s.handle(s.playbackToken))
		}
		r.Get("/metadata/jobs/{id}", s.handle(s.getMetadata))
		r.Get("/metadata/jobs/{id}/*", s.handle(s.getMetadata))
		if s.Uploads != nil {
			r.Put("/uploads/{name}", s.upload)
		}
		if s.SignUploads != nil {
			r.Method(http.MethodPost, "/uploads", s.SignUploads)
		}
	})
	return r
}

// handle makes a handler of f. An error of f becomes the answer.
func (s *server) handle(f func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

func (s *server) upload(w http.ResponseWriter, r *http.Request) {
	r.SetPathValue("name", param(r, "name"))
	s.Uploads.ServeHTTP(w, r)
}
