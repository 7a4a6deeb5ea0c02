package coconut

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
)

// maxDepth is the maximum nesting of a request.
const maxDepth = 32

// kind is the type of a value.
type kind int

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindList
	kindHash
	// kindDeferred is a string with expressions, which are evaluated after the
	// probe. Readers treat it as present, with an unknown value.
	kindDeferred
)

// value is a JSON value. It keeps what encoding/json loses: the order of members, the
// spelling of numbers, and the original bytes.
type value struct {
	kind    kind
	text    string // string: its value; number: its literal; bool: "true" or "false"
	list    []*value
	members []member
	raw     json.RawMessage
}

type member struct {
	name  string
	value *value
}

// get returns a member, nil if it is absent or null. The two are the same everywhere.
func (v *value) get(name string) *value {
	if v == nil {
		return nil
	}
	for _, m := range v.members {
		if m.name == name && m.value.kind != kindNull {
			return m.value
		}
	}
	return nil
}

// isHash reports whether v is a hash. PHP encodes an empty hash as [], so an empty
// list is one too.
func (v *value) isHash() bool {
	return v != nil && (v.kind == kindHash || v.kind == kindList && len(v.list) == 0)
}

// describe returns v for a message, shortened.
func (v *value) describe() string {
	switch {
	case v == nil || v.kind == kindNull:
		return "nothing"
	case v.kind == kindList:
		return "an array"
	case v.kind == kindHash:
		return "a hash"
	case v.kind == kindString || v.kind == kindDeferred:
		return quote(v.text)
	default:
		return shorten(v.text)
	}
}

// quote returns s for a message, shortened and in quotation marks.
func quote(s string) string { return strconv.Quote(shorten(s)) }

func shorten(s string) string {
	const limit = 100
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}

// parseBody parses a request body, which must be one JSON hash. It refuses deep
// nesting and duplicate members: encoding/json would silently take the last one,
// which may not be the one that the customer meant.
func parseBody(body []byte) (*value, *job.Error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	p := &parser{body: body, dec: json.NewDecoder(bytes.NewReader(body))}
	// Decoder.Token accepts some texts that are not JSON, and stops at the end of
	// the hash. So the whole body is checked first.
	var whole json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		return nil, job.Errorf(job.ConfigNotValid, "The job is not valid JSON: %s.", syntaxText(err))
	}
	p.dec.UseNumber()
	v, err := p.value(nil)
	if err != nil {
		return nil, err
	}
	if v.kind != kindHash {
		return nil, job.Errorf(job.ConfigNotValid, "The job is not a valid object: got %s, expected a JSON hash with 'input', 'storage' and 'outputs'.", v.describe())
	}
	return v, nil
}

func syntaxText(err error) string {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("%s at byte %d", e.Error(), e.Offset)
	}
	return err.Error()
}

// parseRaw parses stored params of an output.
func parseRaw(raw []byte) (*value, *job.Error) {
	if !json.Valid(raw) {
		return nil, job.Errorf(job.ConfigNotValid, "The stored params of the output are not valid JSON.")
	}
	p := &parser{body: raw, dec: json.NewDecoder(bytes.NewReader(raw))}
	p.dec.UseNumber()
	return p.value([]string{"outputs", ""})
}

type parser struct {
	body []byte
	dec  *json.Decoder
}

// value parses the next value. path is its position in the request.
func (p *parser) value(path []string) (*value, *job.Error) {
	if len(path) > maxDepth {
		return nil, job.Errorf(job.ConfigNotValid, "The job is not valid: it is nested more than %d levels deep.", maxDepth)
	}
	start := p.dec.InputOffset()
	token, err := p.dec.Token()
	if err != nil {
		return nil, job.Errorf(job.ConfigNotValid, "The job is not valid JSON: %s.", syntaxText(err))
	}
	v := &value{}
	switch t := token.(type) {
	case json.Delim:
		if refused := p.composite(v, t, path); refused != nil {
			return nil, refused
		}
	case bool:
		v.kind, v.text = kindBool, strconv.FormatBool(t)
	case json.Number:
		v.kind, v.text = kindNumber, t.String()
	case string:
		v.kind, v.text = kindString, t
	}
	// start is the end of the previous token, so separators are removed.
	v.raw = bytes.TrimLeft(p.body[start:p.dec.InputOffset()], " \t\r\n:,")
	return v, nil
}

func (p *parser) composite(v *value, open json.Delim, path []string) *job.Error {
	v.kind = kindList
	if open == '{' {
		v.kind = kindHash
	}
	seen := map[string]bool{}
	for p.dec.More() {
		name := ""
		if v.kind == kindHash {
			token, err := p.dec.Token()
			if err != nil {
				return job.Errorf(job.ConfigNotValid, "The job is not valid JSON: %s.", syntaxText(err))
			}
			name, _ = token.(string)
			if seen[name] {
				return duplicate(path, name)
			}
			seen[name] = true
		}
		inner, err := p.value(append(path[:len(path):len(path)], name))
		if err != nil {
			return err
		}
		if v.kind == kindHash {
			v.members = append(v.members, member{name, inner})
		} else {
			v.list = append(v.list, inner)
		}
	}
	if _, err := p.dec.Token(); err != nil {
		return job.Errorf(job.ConfigNotValid, "The job is not valid JSON: %s.", syntaxText(err))
	}
	return nil
}

// sectionReasons are the reasons of errors by section of the job.
var sectionReasons = map[string]job.Reason{
	"settings":     job.SettingsNotValid,
	"input":        job.InputNotValid,
	"storage":      job.StorageNotValid,
	"notification": job.NotificationNotValid,
	"metadata":     job.MetadataNotValid,
}

// duplicate returns the error for a member that occurs twice.
func duplicate(path []string, name string) *job.Error {
	if len(path) == 0 {
		return job.Errorf(job.ConfigNotValid, "The job has the member '%s' twice: write it once.", shorten(name))
	}
	section := path[0]
	switch {
	case section == "outputs" && len(path) == 1:
		return job.Errorf(job.OutputsNotValid, "The job 'outputs' has the key '%s' twice: give an array of hashes for several outputs of the same format.", shorten(name))
	case section == "outputs":
		return job.Errorf(job.OutputParamNotValid, "The output '%s' has the param '%s' twice: write it once.", shorten(path[1]), shorten(name))
	}
	reason, ok := sectionReasons[section]
	if !ok {
		reason = job.ConfigNotValid
	}
	return job.Errorf(reason, "The job '%s' has the member '%s' twice: write it once.", shorten(section), shorten(name))
}
