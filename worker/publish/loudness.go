package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/copra-video/copra/worker/workdir"
)

// withLoudness adds the figures in files to the metadata of an output, as its member
// "loudness". All else of the metadata keeps its bytes.
func withLoudness(metadata json.RawMessage, dir string, files []string) (json.RawMessage, error) {
	var figures []json.RawMessage
	for _, name := range files {
		f, err := workdir.OpenRegularIn(dir, name, os.O_RDONLY)
		if err != nil {
			return nil, fmt.Errorf("open loudness: %w", err)
		}
		b, err := io.ReadAll(f)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("read loudness: %w", err)
		}
		figures = append(figures, b)
	}
	return withMember(metadata, "loudness", figures)
}

// withMember adds a member to the metadata of an output. What is no object stays as it is.
func withMember(metadata json.RawMessage, name string, value any) (json.RawMessage, error) {
	body, isObject := bytes.CutSuffix(bytes.TrimSpace(metadata), []byte("}"))
	if !isObject {
		return metadata, nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	body = bytes.TrimSpace(body)
	if len(body) > 1 {
		body = append(bytes.Clone(body), ',')
	}
	return append(fmt.Appendf(bytes.Clone(body), "%q:%s", name, text), '}'), nil
}
