package cli

import (
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/transcode/format"
)

// defaultOutput is the output of a request without -o.
const defaultOutput = "mp4:720p"

// requested is one -o: SPEC[=/PATH][;param=value...].
type requested struct {
	spec, path string
	params     map[string]any
}

func (q *request) parse(o string) (requested, error) {
	head, tail, _ := strings.Cut(o, ";")
	spec, path, named := strings.Cut(head, "=/")
	r := requested{spec: spec, params: map[string]any{}}
	if named {
		r.path = "/" + path
	}
	for p := range strings.SplitSeq(tail, ";") {
		if p == "" {
			continue
		}
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			return r, command.Usagef("%s: -o %s: %q is not param=value", q.do, o, p)
		}
		var v any
		if json.Unmarshal([]byte(value), &v) != nil {
			v = value
		}
		r.params[name] = v
	}
	if spec == "httpstream" {
		return r, nil
	}
	if _, err := format.Parse(spec); err != nil {
		return r, command.Usagef("%s: -o %s: %w", q.do, o, err)
	}
	return r, nil
}

// outputParams returns the outputs of the request. Each has a path: the one
// behind "=", else one made of the input's name and the format.
func (q *request) outputParams(input string) (client.Outputs, error) {
	name := filepath.Base(input)
	if u, err := url.Parse(input); err == nil && u.Path != "" {
		name = filepath.Base(u.Path)
	}
	stem := safeName(strings.TrimSuffix(name, filepath.Ext(name)))
	list := q.outputs
	if len(list) == 0 {
		list = []string{defaultOutput}
	}
	outputs := client.Outputs{}
	for _, o := range list {
		r, err := q.parse(o)
		if err != nil {
			return nil, err
		}
		params := r.params
		if r.spec == "httpstream" {
			if params["hls"] == nil && params["dash"] == nil {
				params["hls"] = map[string]any{"path": "/hls"}
				params["dash"] = map[string]any{"path": "/dash", "hlsfmp4": true}
			}
			if r.path == "" {
				r.path = "/" + stem
			}
		}
		if r.path == "" {
			r.path = defaultPath(stem, r)
		}
		params["path"] = r.path
		same, _ := outputs[r.spec].([]any) // outputs of this format so far
		outputs[r.spec] = append(same, params)
	}
	return outputs, nil
}

// defaultPath is the path of an output that was given none. It has a number
// where the output makes several files.
func defaultPath(stem string, r requested) string {
	f, err := format.Parse(r.spec)
	if err != nil {
		return ""
	}
	number := ""
	for _, p := range []string{"number", "interval", "offsets"} {
		if r.params[p] != nil {
			number = "_%02d"
		}
	}
	return "/" + stem + "-" + safeName(r.spec) + number + "." + f.Extension()
}

// safeName makes a file name of an output's key or of an input's name.
func safeName(key string) string {
	name := strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '-'
		}
		return r
	}, key)
	if strings.Trim(name, ".") == "" {
		return "output"
	}
	return name
}
