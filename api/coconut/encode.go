package coconut

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/copra-video/copra/job"
)

// The structs here follow captured payloads of Coconut, with the members in the
// same order. Members that may be absent are pointers or omitempty.

type jobBody struct {
	ID          string       `json:"id"`
	CreatedAt   string       `json:"created_at"`
	CompletedAt *string      `json:"completed_at"`
	Status      job.Status   `json:"status"`
	Progress    string       `json:"progress"`
	Error       string       `json:"error,omitempty"` // an addition of Copra: "cancelled"
	Input       inputBody    `json:"input"`
	Outputs     []outputBody `json:"outputs"`
	// Metadata is an addition of Copra: the request's own, absent when it had none.
	Metadata map[string]string `json:"metadata,omitempty"`
}

type inputBody struct {
	Status   job.Status      `json:"status"`
	Error    string          `json:"error,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

type outputBody struct {
	Key    string         `json:"key"`
	Type   job.OutputType `json:"type"`
	Format string         `json:"format"`
	URL    *string        `json:"url,omitempty"`
	URLs   any            `json:"urls,omitempty"`      // []string or []job.StreamURL, not nil
	Early  string         `json:"early_url,omitempty"` // plays before the output is made
	Error  string         `json:"error,omitempty"`
	Status job.Status     `json:"status"`
	// Quality is an addition of Copra, of outputs that were asked for quality_metrics.
	Quality  json.RawMessage `json:"quality_metrics,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

// EncodeJob encodes the job object of GET and POST.
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
		Metadata:    s.Metadata,
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
		b.URL, b.URLs, b.Error = resultMembers(o)
		if !o.Stage.Final() || o.Stage == job.Done {
			b.Early = o.Result.Early
		}
		if o.Stage == job.Done {
			b.Quality = o.Result.Quality
		}
		if metadata {
			b.Metadata = outputMetadata(o)
		}
		bodies = append(bodies, b)
	}
	return bodies
}

// resultMembers returns the members that an output has only after its end: url for
// video, urls for images and streams, error if it failed.
func resultMembers(o job.OutputState) (url *string, urls any, fault string) {
	switch {
	case o.Stage == job.Failed && o.Error == "":
		return nil, nil, "The output failed." // clients expect a text
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

// outputMetadata returns the metadata of an output. It is nil for images, whose
// metadata Coconut does not show, and for outputs that are not done.
func outputMetadata(o job.OutputState) json.RawMessage {
	if o.Stage != job.Done || o.Type == job.TypeImage {
		return nil
	}
	return document(o.Result.Metadata)
}

// document returns raw if it is a JSON object, else nil, so that invalid metadata
// cannot break a payload.
func document(raw json.RawMessage) json.RawMessage {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' || !json.Valid(raw) {
		return nil
	}
	return raw
}

// date formats a time as Coconut does, which is Ruby's Time#to_s.
func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 -0700") }

func dateOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := date(t)
	return &s
}

func percent(n int) string { return fmt.Sprintf("%d%%", n) }

// encode encodes v without escaping &, < and >: the test suites of clients compare
// URLs as text.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		// Impossible: bodies consist of strings and of documents that are valid JSON.
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
