package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Health is what a server says of itself.
type Health struct {
	Status  string `json:"status"` // "ok"
	Version string `json:"version"`
	Region  string `json:"region"` // "" when none is configured
}

func (h *Health) check() error {
	if h.Status == "" {
		return errors.New("it has no status")
	}
	return nil
}

// Health asks once whether the server lives. It needs no API key.
func (c *Client) Health(ctx context.Context) (*Health, error) {
	return decode[Health](ctx, c, call{do: "ask for health", method: http.MethodGet, path: "/healthz", public: true, want: http.StatusOK})
}

// Readiness is whether a server could accept a job now.
type Readiness struct {
	Ready   bool
	Reasons []string // why it could not
}

type readiness struct {
	Status  string
	Reasons []string
}

func (r *readiness) check() error {
	if r.Status == "" {
		return errors.New("it has no status")
	}
	return nil
}

// Ready asks once whether the server could accept a job now. A server that says
// that it could not is no error. It needs no API key.
func (c *Client) Ready(ctx context.Context) (*Readiness, error) {
	r := call{do: "ask for readiness", method: http.MethodGet, path: "/readyz", public: true}
	resp, err := c.open(ctx, r, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.do, err)
	}
	defer resp.Body.Close()
	r.want = http.StatusOK
	if resp.StatusCode == http.StatusServiceUnavailable {
		r.want = resp.StatusCode
	}
	var answer readiness
	err = c.read(resp, r.want, &answer)
	if _, foreign := errors.AsType[*answerError](err); foreign && r.want != http.StatusOK {
		err = c.errorOf(resp, nil) // of a proxy
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.do, err)
	}
	return &Readiness{Ready: answer.Status == "ready", Reasons: answer.Reasons}, nil
}

// Metrics returns the metrics of the server in the text format of Prometheus.
// It needs no API key.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	return c.document(ctx, call{do: "read metrics", method: http.MethodGet, path: "/metrics", public: true, want: http.StatusOK, repeat: true})
}

// OpenAPI returns the description of the API that the server serves, as YAML.
// It needs no API key.
func (c *Client) OpenAPI(ctx context.Context) ([]byte, error) {
	return c.document(ctx, call{do: "read the description of the API", method: http.MethodGet, path: "/openapi.yaml", public: true, want: http.StatusOK, repeat: true})
}

func (c *Client) document(ctx context.Context, r call) ([]byte, error) {
	var body []byte
	err := c.send(ctx, r, &body)
	return body, err
}
