package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

func TestMain(m *testing.M) {
	for _, t := range []string{"text/html", "application/yaml", "text/event-stream", "*/*"} { // not to be looked into
		openapi3filter.RegisterBodyDecoder(t, openapi3filter.FileBodyDecoder)
	}
	os.Exit(m.Run())
}

func description(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := descriptionOnce()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// descriptionOnce reads the file once: with the race detector that takes longer
// than most tests.
var descriptionOnce = sync.OnceValues(func() (*openapi3.T, error) {
	return openapi3.NewLoader().LoadFromFile("openapi.yaml")
})

func TestDescriptionIsValid(t *testing.T) {
	if err := description(t).Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDescriptionIsServed(t *testing.T) {
	w := start(t)
	want, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.do(t, "GET", "/openapi.yaml", "", ""); got.body != string(want) {
		t.Error("GET /openapi.yaml is not api/openapi.yaml")
	}
}

// described checks everything that passes through next against openapi.yaml: all
// answers, and all requests that were accepted.
func described(t *testing.T, next http.Handler) http.Handler {
	doc := description(t)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, params := template(doc, r.URL.EscapedPath())
		route := &routers.Route{Spec: doc, Path: path, PathItem: doc.Paths.Value(path), Method: r.Method}
		if route.PathItem != nil {
			route.Operation = route.PathItem.GetOperation(r.Method)
		}
		if route.Operation == nil { // not described: must be refused, without a body
			next.ServeHTTP(w, r)
			return
		}
		var sent bytes.Buffer
		r = r.WithContext(r.Context()) // the server looks at the body of its own request
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &sent), r.Body}
		seen := httptest.NewRecorder()
		next.ServeHTTP(&passThrough{ResponseWriter: w, seen: seen}, r)

		// The server reads every body as JSON; the validator reads it by its
		// Content-Type.
		asked := r.Clone(context.Background())
		asked.Body = io.NopCloser(&sent)
		if asked.Header.Get("Content-Encoding") == "gzip" {
			if z, err := gzip.NewReader(&sent); err == nil {
				asked.Body = z
			}
		}
		if asked.Method == http.MethodPost {
			asked.Header.Set("Content-Type", "application/json")
		}
		in := &openapi3filter.RequestValidationInput{
			Request: asked, PathParams: params, Route: route,
			Options: &openapi3filter.Options{
				AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true,
			},
		}
		if seen.Code < 400 {
			if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
				t.Errorf("%s %s was accepted, but is not as described: %v", r.Method, r.URL, err)
			}
		}
		if seen.Code == 499 { // nobody gets it
			return
		}
		answer := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: in, Status: seen.Code, Header: seen.Header(), Options: in.Options,
		}
		answer.SetBodyBytes(seen.Body.Bytes())
		if err := openapi3filter.ValidateResponse(context.Background(), answer); err != nil {
			t.Errorf("%s %s: the answer is not as described: %v\n%s", r.Method, r.URL, err, seen.Body)
		}
		if ct := seen.Header().Get("Content-Type"); strings.Contains(ct, "json") && ct != "application/json; charset=utf-8" {
			t.Errorf("%s %s: Content-Type %q", r.Method, r.URL, ct)
		}
		if seen.Code == 404 && seen.Body.Len() > 0 {
			t.Errorf("%s %s: the 404 has a body: %q", r.Method, r.URL, seen.Body)
		}
	})
}

// passThrough writes to the client and keeps a copy.
type passThrough struct {
	http.ResponseWriter
	seen *httptest.ResponseRecorder
}

func (p *passThrough) WriteHeader(code int) {
	for k, v := range p.Header() {
		p.seen.Header()[k] = v
	}
	p.seen.WriteHeader(code)
	p.ResponseWriter.WriteHeader(code)
}

func (p *passThrough) Write(b []byte) (int, error) {
	for k, v := range p.Header() {
		p.seen.Header()[k] = v
	}
	p.seen.Write(b)
	return p.ResponseWriter.Write(b)
}

func (p *passThrough) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// template returns the path template of p. Common routers have no parameters that
// contain slashes.
func template(doc *openapi3.T, p string) (string, map[string]string) {
	if doc.Paths.Value(p) != nil && !strings.Contains(p, "{") {
		return p, nil
	}
	parts := strings.SplitN(strings.TrimPrefix(p, "/"), "/", 5)
	if strings.HasPrefix(p, "/v2/jobs") { // what is tidied
		parts = strings.SplitN(strings.Trim(p, "/"), "/", 5)
	}
	switch {
	case len(parts) == 2 && parts[1] == "jobs":
		return "/v2/jobs", nil
	case len(parts) == 3 && strings.HasPrefix(p, "/v2/jobs/"):
		return "/v2/jobs/{id}", map[string]string{"id": parts[2]}
	case len(parts) == 4 && strings.HasPrefix(p, "/v2/jobs/"):
		return "/v2/jobs/{id}/" + parts[3], map[string]string{"id": parts[2]}
	case len(parts) == 5 && strings.HasPrefix(p, "/v2/jobs/") && strings.HasSuffix(p, "/replay"):
		return "/v2/jobs/{id}/deliveries/{n}/replay", map[string]string{"id": parts[2], "n": strings.TrimSuffix(parts[4], "/replay")}
	case len(parts) == 3 && strings.HasPrefix(p, "/v2/uploads/"):
		return "/v2/uploads/{name}", map[string]string{"name": parts[2]}
	case len(parts) == 4 && strings.HasPrefix(p, "/v2/metadata/jobs/"):
		return "/v2/metadata/jobs/{id}", map[string]string{"id": parts[3]}
	case len(parts) == 5 && strings.HasPrefix(p, "/v2/metadata/jobs/") && strings.Trim(parts[4], "/") == "":
		return "/v2/metadata/jobs/{id}/", map[string]string{"id": parts[3]}
	case len(parts) == 5 && strings.HasPrefix(p, "/v2/metadata/jobs/"):
		return "/v2/metadata/jobs/{id}/{key}", map[string]string{"id": parts[3], "key": parts[4]}
	case strings.HasPrefix(p, "/storage/"):
		return "/storage/{path}", map[string]string{"path": strings.TrimPrefix(p, "/storage/")}
	default:
		return p, nil
	}
}

// TestNotificationsAreDescribed checks the webhooks of all events against the
// callback in openapi.yaml.
func TestNotificationsAreDescribed(t *testing.T) {
	schema := description(t).Components.Schemas["Notification"].Value
	for _, s := range []job.State{finished(), failed()} {
		events := []job.Event{{Kind: job.InputTransferredEvent}, {Kind: job.JobCompletedEvent}}
		if s.Status == job.JobFailed {
			events = []job.Event{{Kind: job.JobFailedEvent}}
		}
		for _, o := range s.Outputs {
			if o.Stage == job.Done {
				events = append(events, job.Event{Kind: job.OutputCompletedEvent, Output: o.Key, Result: o.Result})
			}
		}
		for _, e := range events {
			for _, metadata := range []bool{false, true} {
				body := coconut.EncodeNotification(s, e, metadata)
				var v any
				if err := json.Unmarshal(body, &v); err != nil {
					t.Fatal(err)
				}
				if err := schema.VisitJSON(v); err != nil {
					t.Errorf("%s (metadata %t): %v\n%s", e.Kind, metadata, err, body)
				}
			}
		}
	}
}
