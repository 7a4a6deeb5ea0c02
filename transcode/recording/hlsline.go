package recording

import (
	"strings"
)

// define is EXT-X-DEFINE.
func (r *hlsReader) define(a map[string]string) error {
	if len(r.p.vars) >= 100 {
		return notValid("defines more than 100 variables")
	}
	switch {
	case a["NAME"] != "":
		r.p.vars[a["NAME"]] = a["VALUE"]
	case a["QUERYPARAM"] != "":
		r.p.vars[a["QUERYPARAM"]] = r.base.Query().Get(a["QUERYPARAM"])
	case a["IMPORT"] != "" && r.parent != nil:
		r.p.vars[a["IMPORT"]] = r.parent.vars[a["IMPORT"]]
	}
	return nil
}

// maxLine bounds a line with variables in it.
const maxLine = 16 << 10

// substitute replaces {$name} once, never in what was put there.
func (r *hlsReader) substitute(text string) (string, error) {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "{$")
		out.WriteString(before)
		if out.Len() > maxLine {
			return "", notValid("has a line of more than %d bytes", maxLine)
		}
		if !ok {
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		value, defined := r.p.vars[name]
		if !closed || !defined {
			return "", notValid("uses a variable that it does not define")
		}
		out.WriteString(value)
		text = after
	}
}

// attributes reads an attribute list: A=1,B="x,y".
func attributes(s string) map[string]string {
	a := map[string]string{}
	for s != "" && len(a) < 100 {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		name = strings.TrimSpace(name)
		if strings.HasPrefix(rest, `"`) {
			value, after, _ := strings.Cut(rest[1:], `"`)
			a[name] = value
			_, s, _ = strings.Cut(after, ",")
			continue
		}
		value, after, _ := strings.Cut(rest, ",")
		a[name], s = strings.TrimSpace(value), after
	}
	return a
}
