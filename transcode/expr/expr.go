// Package expr evaluates what may stand in values of a request (coconut-v2.md
// sections 5.5 and 5.6): variables as {{ input.width }}, math as
// {% input.width / 2 %}, and the conditions of `if`. It is pure.
//
// A template is text with {{ name }} and {% expression %} in it; Check finds
// its syntax errors when a job is posted, Eval evaluates it once the input is
// known. A condition is one expression, in which variables are written bare or
// as {{ name }}; CheckCondition and Condition do the same for it.
//
// From weak to strong: OR, AND, NOT, comparison (< > <= >= = <>, also == and
// !=; not chained), + and -, * and /, the sign. Parentheses group. AND, OR and
// if() evaluate only what they need, so if(x = 0, 0, 1 / x) is safe. Functions:
// min, max, int (cuts off the fraction), float, array, if. Literals: 12, 1.5,
// 'text', "text", true, false.
package expr

import (
	"fmt"
	"strings"
)

// The bounds of a template or condition and of what it gives.
const (
	maxLength = 4096      // bytes of source
	maxDepth  = 64        // nested parentheses, calls and signs
	maxResult = 64 * 1024 // bytes of a result
)

// Vars are the known variables: flat names ("input.width") to a string, bool
// or number. A nil value is a name that is known but has no value for this
// input, such as the width of a sound file.
type Vars map[string]any

// HasExpr reports whether s holds {{ or {%, so that it must be evaluated.
func HasExpr(s string) bool {
	return strings.Contains(s, "{{") || strings.Contains(s, "{%")
}

// Check returns the syntax error of a template, or nil. The error names the
// position and what was expected there.
func Check(s string) error {
	_, err := parseTemplate(s)
	return err
}

// Eval evaluates a template. The result is a string, or a []any of float64,
// string and bool when s is nothing but one {% array(...) %}.
func Eval(s string, v Vars) (any, error) {
	parts, err := parseTemplate(s)
	if err != nil {
		return nil, err
	}
	if len(parts) == 1 && parts[0].expr != nil {
		val, err := parts[0].expr.eval(v)
		if err != nil {
			return nil, evalError(s, err)
		}
		if list, ok := val.([]any); ok {
			return list, nil
		}
	}
	var out strings.Builder
	for _, p := range parts {
		text := p.text
		if p.expr != nil {
			val, err := p.expr.eval(v)
			if err != nil {
				return nil, evalError(s, err)
			}
			if text, err = textOf(val); err != nil {
				return nil, evalError(s, err)
			}
		}
		if out.Len()+len(text) > maxResult {
			return nil, evalError(s, fmt.Errorf("the result is longer than %d bytes", maxResult))
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

// CheckCondition returns the syntax error of a condition, or nil.
func CheckCondition(s string) error {
	_, err := parseCondition(s)
	return err
}

// Condition evaluates a condition. An empty one is true.
func Condition(s string, v Vars) (bool, error) {
	n, err := parseCondition(s)
	if err != nil || n == nil {
		return err == nil, err
	}
	val, err := n.eval(v)
	if err != nil {
		return false, evalError(s, err)
	}
	ok, err := truth(val)
	if err != nil {
		return false, evalError(s, err)
	}
	return ok, nil
}

func evalError(src string, err error) error {
	return fmt.Errorf("expression %q: %w", clip(src), err)
}

// clip shortens what a user sent so that it fits into a message.
func clip(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
