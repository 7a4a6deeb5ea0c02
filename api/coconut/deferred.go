package coconut

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/copra-video/copra/transcode/expr"
)

// maxExpr is the maximum length of an expression in bytes.
const maxExpr = 4096

// evaluate returns the params with their expressions evaluated. If vars is nil, it
// only checks the syntax of expressions and marks their params as deferred. The
// params "if" and "key" stay unchanged, since they are read elsewhere.
func (h hash) evaluate(o *output, vars expr.Vars) *value {
	params := &value{kind: kindHash}
	for _, m := range h.v.members {
		v := m.value
		if m.name != "if" && m.name != "key" {
			v = h.evaluateValue(m.name, v, vars, func() { o.deferred[m.name] = true })
		}
		params.members = append(params.members, member{m.name, v})
	}
	return params
}

func (h hash) evaluateValue(name string, v *value, vars expr.Vars, deferred func()) *value {
	switch v.kind {
	case kindString:
		if !expr.HasExpr(v.text) {
			return v
		}
	case kindHash:
		copied := &value{kind: v.kind}
		for _, m := range v.members {
			copied.members = append(copied.members, member{m.name, h.evaluateValue(name+"."+m.name, m.value, vars, deferred)})
		}
		return copied
	case kindList:
		copied := &value{kind: v.kind}
		for _, e := range v.list {
			copied.list = append(copied.list, h.evaluateValue(name, e, vars, deferred))
		}
		return copied
	default:
		return v
	}
	if len(v.text) > maxExpr {
		h.d.refuse(h.reason, "%s is not valid: an expression has at most %d bytes.", h.subject(shorten(name)), maxExpr)
		return v
	}
	if vars == nil {
		deferred()
		if err := expr.Check(v.text); err != nil {
			h.d.refuse(h.reason, "%s is not valid: %s.", h.subject(shorten(name)), trimPeriod(err))
		}
		return &value{kind: kindDeferred, text: v.text}
	}
	result, err := expr.Eval(v.text, vars)
	if err != nil {
		h.d.refuse(h.reason, "%s couldn't be evaluated: %s.", h.subject(shorten(name)), trimPeriod(err))
		return v
	}
	return fromAny(result)
}

// fromAny converts the result of an expression.
func fromAny(a any) *value {
	switch t := a.(type) {
	case nil:
		return &value{kind: kindNull}
	case string:
		return &value{kind: kindString, text: t}
	case bool:
		return &value{kind: kindBool, text: strconv.FormatBool(t)}
	case float64:
		return &value{kind: kindNumber, text: strconv.FormatFloat(t, 'f', -1, 64)}
	case int:
		return &value{kind: kindNumber, text: strconv.Itoa(t)}
	case int64:
		return &value{kind: kindNumber, text: strconv.FormatInt(t, 10)}
	case json.Number:
		return &value{kind: kindNumber, text: t.String()}
	case []any:
		list := &value{kind: kindList}
		for _, e := range t {
			list.list = append(list.list, fromAny(e))
		}
		return list
	default:
		return &value{kind: kindString, text: fmt.Sprint(t)}
	}
}
