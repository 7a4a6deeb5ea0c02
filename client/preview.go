package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Preview is what a request would do.
type Preview struct {
	Valid     bool            `json:"valid"`
	Message   string          `json:"message,omitempty"`    // why it would be refused
	Code      string          `json:"error_code,omitempty"` // of that
	Input     PreviewInput    `json:"input"`                // that is assumed
	Outputs   []PreviewOutput `json:"outputs"`
	Steps     []PreviewStep   `json:"steps"`
	WorkBytes int64           `json:"work_bytes"` // of the work directory, besides the input
}

// PreviewInput is what is assumed or known of an input. A member that is 0 is as the server
// has it: 1920x1080, 25 frames a second and 60 s.
type PreviewInput struct {
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	FPS      int     `json:"fps"`
	Duration float64 `json:"duration"` // seconds; a fraction is not sent
}

func (in PreviewInput) query() string {
	q := url.Values{}
	for name, n := range map[string]int{"width": in.Width, "height": in.Height, "fps": in.FPS, "duration": int(in.Duration)} {
		if n != 0 {
			q.Set(name, strconv.Itoa(n))
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// PreviewOutput is what would become of an output: "made", "skipped" or "refused".
type PreviewOutput struct {
	Key     string `json:"key"`
	Type    string `json:"type"`
	Format  string `json:"format"`
	Result  string `json:"result"`
	Message string `json:"message,omitempty"` // why it is refused
	Code    string `json:"error_code,omitempty"`
	Note    string `json:"note,omitempty"` // how it is made, where that is worth a word
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
	return c.ValidateJSON(ctx, body, PreviewInput{})
}

// ValidateJSON is Validate for a request that is JSON already, and for an input of
// one's own.
func (c *Client) ValidateJSON(ctx context.Context, body []byte, in PreviewInput) (*Preview, error) {
	if body == nil {
		body = []byte{} // the server says what is missing
	}
	return decode[Preview](ctx, c, call{do: "validate job", method: http.MethodPost, path: "/v2/validate" + in.query(), body: body, want: http.StatusOK, repeat: true})
}

// ValidateForJob is ValidateJSON for the input of a job, as a worker has found it.
func (c *Client) ValidateForJob(ctx context.Context, body []byte, id string) (*Preview, error) {
	if body == nil {
		body = []byte{}
	}
	q := url.Values{"job": {id}}
	return decode[Preview](ctx, c, call{do: "validate job", method: http.MethodPost, path: "/v2/validate?" + q.Encode(), body: body, want: http.StatusOK, repeat: true})
}

// Node is a worker process.
type Node struct {
	ID      string `json:"id"`
	Alive   bool   `json:"alive"`
	Running int    `json:"running"` // jobs
	Slots   int    `json:"slots"`   // 0: not known
	// Encoders are those of cards that work, by FFmpeg's names; none: it encodes in software.
	Encoders  []string  `json:"encoders"`
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
