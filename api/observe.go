package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
)

// metrics are the metrics of the API. Their labels are route patterns, methods and
// codes, and never paths, whose number has no bound.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	jobs     prometheus.Counter
}

func newMetrics(registry *prometheus.Registry, region string) *metrics {
	labels := prometheus.Labels{}
	if region != "" {
		labels["region"] = region
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "copra_http_requests_total", ConstLabels: labels,
			Help: "Requests answered, by route, method and status code.",
		}, []string{"route", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "copra_http_request_duration_seconds", ConstLabels: labels,
			Help:    "Time from the request's header to the end of the answer, by route and method.",
			Buckets: []float64{.001, .0025, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "method"}),
		jobs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "copra_jobs_created_total", ConstLabels: labels,
			Help: "Jobs answered with 201, repeats of an idempotent request included.",
		}),
	}
	registry.MustRegister(m.requests, m.duration, m.jobs)
	return m
}

// requestInfo is what the log line of a request says besides its outcome.
type requestInfo struct {
	id    string // of the request
	jobID string
	key   string // the name of its API key
}

type requestInfoKey struct{}

// requestID returns the id of a request, as in its log line and its X-Request-Id
// header.
func requestID(r *http.Request) string {
	if n, ok := r.Context().Value(requestInfoKey{}).(*requestInfo); ok {
		return n.id
	}
	return ""
}

// setJobID adds the job to the log line of the request. The job must exist, so that
// the log contains no ids that clients invent.
func setJobID(r *http.Request, id string) {
	if n, ok := r.Context().Value(requestInfoKey{}).(*requestInfo); ok {
		n.jobID = id
	}
}

// setKey adds the name of the API key to the log line of the request.
func setKey(r *http.Request, k job.Key) {
	if n, ok := r.Context().Value(requestInfoKey{}).(*requestInfo); ok {
		n.key = k.Name
	}
}

// trace traces requests that change something: all that comes of a job goes below
// the span of its POST, and that below the span of the client, if it has sent one.
// Reading costs too little to be looked at, and clients poll.
func (s *server) trace(next http.Handler) http.Handler {
	if s.Tracer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		method := method(r)
		ctx, span := s.Tracer.Begin(r.Context(), r.Header.Get("Traceparent"), telemetry.Server, method,
			slog.String("http.request.method", method), slog.String("request", requestID(r)))
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			route := route(r)
			span.Rename(method + " " + route)
			span.Set(slog.String("http.route", route), slog.Int("http.response.status_code", ww.Status()))
			if n, ok := ctx.Value(requestInfoKey{}).(*requestInfo); ok && n.jobID != "" {
				span.Set(slog.String("job", n.jobID))
			}
			if ww.Status() >= http.StatusInternalServerError {
				span.Fail(strconv.Itoa(ww.Status()))
			}
			span.End(nil)
		}()
		next.ServeHTTP(ww, r.WithContext(ctx))
	})
}

// observe counts and logs each request, without its headers, path, query and body,
// which may all contain secrets.
func (s *server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		n := &requestInfo{id: rand.Text()}
		w.Header().Set("X-Request-Id", n.id)
		// This wrapper keeps http.Flusher and io.ReaderFrom (sendfile).
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			took, status := time.Since(begin), ww.Status()
			if status == 0 {
				status = http.StatusOK
			}
			route, method := route(r), method(r)
			s.metrics.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
			s.metrics.duration.WithLabelValues(route, method).Observe(took.Seconds())
			attrs := []slog.Attr{
				slog.String("request", n.id), slog.String("method", method), slog.String("route", route),
				slog.Int("status", status), slog.Int("bytes", ww.BytesWritten()), slog.Duration("took", took),
			}
			if n.jobID != "" {
				attrs = append(attrs, slog.String("job", n.jobID))
			}
			if n.key != "" {
				attrs = append(attrs, slog.String("key", n.key))
			}
			s.Log.LogAttrs(r.Context(), level(route, status), "request", attrs...)
		}()
		next.ServeHTTP(ww, r.WithContext(context.WithValue(r.Context(), requestInfoKey{}, n)))
		discardUnread(w, r)
	})
}

// route returns the pattern that the request matched.
func route(r *http.Request) string {
	switch p := chi.RouteContext(r.Context()).RoutePattern(); p {
	case "", "/v2/*": // no match, or refused by a middleware of /v2
		return "other"
	default:
		return p
	}
}

// method returns the method of the request, "other" for unknown ones, which clients
// can invent.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "other"
	}
}

// level is the level of a log line. Endpoints that are polled every few seconds are
// logged for debugging only.
func level(route string, status int) slog.Level {
	switch {
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	case route == "/healthz" || route == "/readyz" || route == "/metrics":
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// recoverer answers a panic with an empty 500 and logs it.
func (s *server) recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel panic value, compared as net/http does
				panic(p)
			}
			s.Log.ErrorContext(r.Context(), "answer request: panic",
				"request", requestID(r), "panic", p, "stack", string(debug.Stack()))
			if ww, ok := w.(middleware.WrapResponseWriter); ok && ww.Status() != 0 {
				panic(http.ErrAbortHandler) // part of the answer was sent: abort the connection
			}
			w.WriteHeader(http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}
