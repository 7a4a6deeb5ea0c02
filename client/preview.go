package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Preview is what a request would do.
type Preview struct {
	Valid     bool            `json:"valid"`
	Message   string          `json:"message"`    // why it would be refused
	Code      string          `json:"error_code"` // of that
	Outputs   []PreviewOutput `json:"outputs"`
	Steps     []PreviewStep   `json:"steps"`
	WorkBytes int64           `json:"work_bytes"` // of the work directory, besides the input
}

// PreviewOutput is what would become of an output: "made", "skipped" or "refused".
type PreviewOutput struct {
	Key     string `json:"key"`
	Type    string `json:"type"`
	Format  string `json:"format"`
	Result  string `json:"result"`
	Message string `json:"message"` // why it is refused
	Code    string `json:"error_code"`
}

// PreviewStep is a step of the plan.
type PreviewStep struct {
	ID           string   `json:"id"`
	Kind         string   `json:"kind"`
	Needs        []string `json:"needs"`
	Outputs      []string `json:"outputs"` // keys
	VideoEncodes int      `json:"video_encodes"`
	AudioEncodes int      `json:"audio_encodes"`
}

func (p *Preview) check() error {
	if !p.Valid && p.Message == "" {
		return errors.New("it is no preview of a job")
	}
	return nil
}

// Validate asks what a request would do, for an input of 1920x1080 and 60 s. Nothing
// is stored. A request that would be refused is no error.
func (c *Client) Validate(ctx context.Context, r *JobRequest) (*Preview, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("validate job: encode the request: %w", err)
	}
	return decode[Preview](ctx, c, call{do: "validate job", method: http.MethodPost, path: "/v2/validate", body: body, want: http.StatusOK, repeat: true})
}

// Node is a worker process.
type Node struct {
	ID        string    `json:"id"`
	Alive     bool      `json:"alive"`
	Running   int       `json:"running"` // jobs
	Slots     int       `json:"slots"`   // 0: not known
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	SeenAt    time.Time `json:"seen_at"`
}

type nodes struct {
	Nodes []Node `json:"nodes"`
}

func (n *nodes) check() error {
	if n.Nodes == nil {
		return errors.New("it is not a list of workers")
	}
	return nil
}

// Nodes lists the worker processes. The client must have the operator's key in the
// place of the API key; for an API key it is ErrNotFound.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	n, err := decode[nodes](ctx, c, call{do: "list workers", method: http.MethodGet, path: "/v2/nodes", want: http.StatusOK, repeat: true})
	if err != nil {
		return nil, err
	}
	return n.Nodes, nil
}
