package coconut

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/copra-video/copra/job"
)

// The structs here are the captured payloads, member by member: their order is
// the order of the JSON. Members that a shape may lack are pointers or
// omitempty.

type jobBody struct {
	ID          string       `json:"id"`
	CreatedAt   string       `json:"created_at"`
	CompletedAt *string      `json:"completed_at"`
	Status      job.Status   `json:"status"`
	Progress    string       `json:"progress"`
	Error       string       `json:"error,omitempty"` // of this project: "cancelled"
	Input       inputBody    `json:"input"`
	Outputs     []outputBody `json:"outputs"`
}

type inputBody struct {
	Status   job.Status      `json:"status"`
	Error    string          `json:"error,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

type outputBody struct {
	Key      string          `json:"key"`
	Type     job.OutputType  `json:"type"`
	Format   string          `json:"format"`
	URL      *string         `json:"url,omitempty"`
	URLs     any             `json:"urls,omitempty"` // []string or []job.StreamURL, not nil
	Error    string          `json:"error,omitempty"`
	Status   job.Status      `json:"status"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

// EncodeJob encodes the job object, as GET and POST answer it.
func EncodeJob(s job.State) []byte { return encode(jobOf(s)) }

func jobOf(s job.State) jobBody {
	return jobBody{
		ID:          s.ID,
		CreatedAt:   date(s.CreatedAt),
		CompletedAt: dateOrNull(s.CompletedAt),
		Status:      s.Status,
		Progress:    percent(s.LiveProgress()),
		Error:       s.Error,
		Input:       inputOf(s, false),
		Outputs:     outputsOf(s, false),
	}
}

func inputOf(s job.State, metadata bool) inputBody {
	b := inputBody{Status: s.Input.Status}
	if s.Input.Status == job.InputFailed {
		b.Error = s.Input.Error
	}
	if metadata {
		b.Metadata = document(s.Input.Metadata)
	}
	return b
}

func outputsOf(s job.State, metadata bool) []outputBody {
	bodies := make([]outputBody, 0, len(s.Outputs))
	for _, o := range s.Outputs {
		b := outputBody{Key: o.Key, Type: o.Type, Format: o.Format, Status: o.Type.Status(o.Stage)}
		b.URL, b.URLs, b.Error = addresses(o)
		if metadata {
			b.Metadata = outputMetadata(o)
		}
		bodies = append(bodies, b)
	}
	return bodies
}

// addresses are what an output adds when it has ended: url for video, urls for
// the others, error when it failed.
func addresses(o job.OutputState) (url *string, urls any, fault string) {
	switch {
	case o.Stage == job.Failed && o.Error == "":
		return nil, nil, "The output failed." // clients expect a sentence
	case o.Stage == job.Failed:
		return nil, nil, o.Error
	case o.Stage != job.Done:
		return nil, nil, ""
	case o.Type == job.TypeImage:
		return nil, append([]string{}, o.Result.URLs...), ""
	case o.Type == job.TypeStream:
		return nil, append([]job.StreamURL{}, o.Result.Streams...), ""
	default:
		return &o.Result.URL, nil, ""
	}
}

// outputMetadata is nil for images, for which none is shown, and for what has
// not succeeded.
func outputMetadata(o job.OutputState) json.RawMessage {
	if o.Stage != job.Done || o.Type == job.TypeImage {
		return nil
	}
	return document(o.Result.Metadata)
}

// document is raw if it is a JSON object, so that no broken or null metadata
// can break a whole payload.
func document(raw json.RawMessage) json.RawMessage {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' || !json.Valid(raw) {
		return nil
	}
	return raw
}

// date spells a time as Ruby does.
func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 -0700") }

func dateOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := date(t)
	return &s
}

func percent(n int) string { return fmt.Sprintf("%d%%", n) }

// encode writes v without escaping &, < and >, which clients compare in URLs.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		// Every body is a struct of strings and documents that were checked.
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
