package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// flatten writes JSON as lines, "outputs[0].key = mp4", in the order of names.
// A document of ffprobe is one line.
func flatten(body []byte) []string {
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return []string{"no JSON: " + oneLine(string(body))}
	}
	return flat("", v)
}

func flat(name string, v any) (lines []string) {
	switch v := v.(type) {
	case map[string]any:
		streams, isDocument := v["streams"].([]any)
		switch {
		case isDocument && v["format"] != nil:
			return []string{fmt.Sprintf("%s = (a document of %d streams)", name, len(streams))}
		case len(v) == 0:
			return []string{name + " = {}"}
		}
		for _, k := range sorted(v) {
			lines = append(lines, flat(strings.TrimPrefix(name+"."+k, "."), v[k])...)
		}
		return lines
	case []any:
		if len(v) == 0 {
			return []string{name + " = []"}
		}
		for i, e := range v {
			lines = append(lines, flat(fmt.Sprintf("%s[%d]", name, i), e)...)
		}
		return lines
	}
	return []string{fmt.Sprintf("%s = %v", name, v)}
}
