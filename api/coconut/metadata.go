package coconut

import (
	"encoding/json"

	"github.com/copra-video/copra/job"
)

type metadataBody struct {
	JobID    string `json:"job_id"`
	Metadata any    `json:"metadata"`
}

type jobMetadata struct {
	Input   json.RawMessage              `json:"input,omitempty"`
	Outputs []map[string]json.RawMessage `json:"outputs,omitzero"` // each with one member
}

// EncodeMetadata encodes the metadata of the input and of all outputs that have
// any. Before the probe it is an empty object, because clients do not accept null.
func EncodeMetadata(s job.State) []byte {
	m := jobMetadata{Input: document(s.Input.Metadata)}
	if m.Input != nil {
		m.Outputs = []map[string]json.RawMessage{}
	}
	for _, o := range s.Outputs {
		if d := outputMetadata(o); d != nil {
			m.Outputs = append(m.Outputs, map[string]json.RawMessage{o.Key: d})
		}
	}
	return encode(metadataBody{s.ID, m})
}

// EncodeMetadataKey encodes the metadata of one key: "input", "source" (the old name
// of "input"), or the key of an output. It returns false when the job has no such
// key. A key without metadata yields an empty object.
func EncodeMetadataKey(s job.State, key string) ([]byte, bool) {
	found := map[string]json.RawMessage{}
	if key == "input" || key == "source" {
		if d := document(s.Input.Metadata); d != nil {
			found[key] = d
		}
		return encode(metadataBody{s.ID, found}), true
	}
	o := s.Output(key)
	if o == nil {
		return nil, false
	}
	if d := outputMetadata(*o); d != nil {
		found[key] = d
	}
	return encode(metadataBody{s.ID, found}), true
}
