package expr

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxNumber bounds all numbers, so that they stay exact and print without an
// exponent.
const maxNumber = 1e15

// node is a parsed expression. A value is a float64, string, bool or []any of those.
type node interface {
	eval(v Vars) (any, error)
}

type (
	literal  struct{ value any }
	variable string
	not      struct{ of node }
	logic    struct {
		left, right node
		or          bool
	}
	compare struct {
		op          string
		left, right node
	}
	arith struct {
		op          byte
		left, right node
	}
	call struct {
		fn   function
		args []node
	}
)

func (n literal) eval(Vars) (any, error) { return n.value, nil }

func (n variable) eval(v Vars) (any, error) {
	raw, ok := v[string(n)]
	if !ok {
		hint := ""
		if !strings.Contains(string(n), ".") {
			hint = " (a text needs quotes)"
		}
		return nil, fmt.Errorf("unknown variable %q%s: known are %s", clip(string(n)), hint, known(v))
	}
	switch raw := raw.(type) {
	case nil:
		return nil, fmt.Errorf("%s has no value for this input", string(n))
	case string, bool:
		return raw, nil
	case json.Number:
		f, err := raw.Float64()
		if err != nil {
			return nil, fmt.Errorf("%s is no number", string(n))
		}
		return bounded(f)
	case float64:
		return bounded(raw)
	case float32:
		return bounded(float64(raw))
	case int:
		return bounded(float64(raw))
	case int64:
		return bounded(float64(raw))
	case int32:
		return bounded(float64(raw))
	}
	return nil, fmt.Errorf("%s cannot be used in an expression", string(n))
}

// known lists the names of v. Those of the probe are too many to list.
func known(v Vars) string {
	const deep = "input.metadata."
	var names []string
	more := false
	for _, n := range slices.Sorted(maps.Keys(v)) {
		if strings.HasPrefix(n, deep) {
			more = true
			continue
		}
		names = append(names, n)
	}
	if more {
		names = append(names, deep+"...")
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func bounded(f float64) (any, error) {
	if math.IsNaN(f) || math.Abs(f) > maxNumber {
		return nil, errors.New("a number is too large")
	}
	return f, nil
}

func (n not) eval(v Vars) (any, error) {
	ok, err := truthOf(n.of, v)
	return !ok, err
}

func (n logic) eval(v Vars) (any, error) {
	left, err := truthOf(n.left, v)
	if err != nil || left == n.or { // decided: OR by true, AND by false
		return left, err
	}
	return truthOf(n.right, v)
}

func (n arith) eval(v Vars) (any, error) {
	a, err := numberOf(n.left, v)
	if err != nil {
		return nil, err
	}
	b, err := numberOf(n.right, v)
	if err != nil {
		return nil, err
	}
	switch n.op {
	case '+':
		return bounded(a + b)
	case '-':
		return bounded(a - b)
	case '*':
		return bounded(a * b)
	}
	if b == 0 {
		return nil, errors.New("division by zero")
	}
	return bounded(a / b)
}

func (n compare) eval(v Vars) (any, error) {
	a, err := n.left.eval(v)
	if err != nil {
		return nil, err
	}
	b, err := n.right.eval(v)
	if err != nil {
		return nil, err
	}
	order, err := n.order(a, b)
	if err != nil {
		return nil, err
	}
	switch n.op {
	case "<":
		return order < 0, nil
	case "<=":
		return order <= 0, nil
	case ">":
		return order > 0, nil
	case ">=":
		return order >= 0, nil
	case "<>", "!=":
		return order != 0, nil
	}
	return order == 0, nil
}

// order compares two values: as numbers when both are numbers or read as
// such, as truth values when one is a bool, as texts otherwise.
func (n compare) order(a, b any) (int, error) {
	if isList(a) || isList(b) {
		return 0, errors.New("an array cannot be compared")
	}
	ordered := n.op[0] == '<' && n.op != "<>" || n.op[0] == '>'
	if isBool(a) || isBool(b) {
		x, errX := truth(a)
		y, errY := truth(b)
		switch {
		case ordered:
			return 0, fmt.Errorf("true and false have no order: compare them with = or <>, not %s", n.op)
		case errX != nil || errY != nil:
			return 1, nil //nolint:nilerr // a text that is not a truth value differs from both of them
		case x == y:
			return 0, nil
		}
		return 1, nil
	}
	x, errX := toNumber(a)
	y, errY := toNumber(b)
	switch {
	case errX == nil && errY == nil && x < y:
		return -1, nil
	case errX == nil && errY == nil && x > y:
		return 1, nil
	case errX == nil && errY == nil:
		return 0, nil
	case ordered && !(isString(a) && isString(b)):
		return 0, fmt.Errorf("%s and %s have no order: %s needs two numbers or two texts", show(a), show(b), n.op)
	}
	s, err := textOf(a)
	if err != nil {
		return 0, err
	}
	t, err := textOf(b)
	if err != nil {
		return 0, err
	}
	return strings.Compare(s, t), nil
}

func (n call) eval(v Vars) (any, error) { return n.fn.eval(n.args, v) }

// function is one row of the table of functions. It evaluates its arguments
// itself, so that if() can leave one alone.
type function struct {
	usage       string
	least, most int // number of values; most 0: any
	eval        func(args []node, v Vars) (any, error)
}

var functions = map[string]function{
	"min":   {"min(a, b, ...)", 1, 0, func(args []node, v Vars) (any, error) { return pick(args, v, math.Min) }},
	"max":   {"max(a, b, ...)", 1, 0, func(args []node, v Vars) (any, error) { return pick(args, v, math.Max) }},
	"float": {"float(a)", 1, 1, func(args []node, v Vars) (any, error) { return numberOf(args[0], v) }},
	"int": {"int(a)", 1, 1, func(args []node, v Vars) (any, error) {
		f, err := numberOf(args[0], v)
		return math.Trunc(f), err
	}},
	"array": {"array(a, b, ...)", 0, 0, array},
	"if": {"if(condition, a, b)", 3, 3, func(args []node, v Vars) (any, error) {
		ok, err := truthOf(args[0], v)
		if err != nil {
			return nil, err
		}
		if ok {
			return args[1].eval(v)
		}
		return args[2].eval(v)
	}},
}

func pick(args []node, v Vars, better func(a, b float64) float64) (any, error) {
	best, err := numberOf(args[0], v)
	for _, a := range args[1:] {
		if err != nil {
			break
		}
		var f float64
		f, err = numberOf(a, v)
		best = better(best, f)
	}
	return best, err
}

func array(args []node, v Vars) (any, error) {
	list := make([]any, len(args))
	for i, a := range args {
		val, err := a.eval(v)
		if err != nil {
			return nil, err
		}
		if isList(val) {
			return nil, errors.New("an array cannot hold an array")
		}
		list[i] = val
	}
	return list, nil
}

func numberOf(n node, v Vars) (float64, error) {
	val, err := n.eval(v)
	if err != nil {
		return 0, err
	}
	return toNumber(val)
}

// toNumber reads a value as a number. A text that is a number counts as one,
// because ffprobe gives numbers as strings.
func toNumber(val any) (float64, error) {
	switch val := val.(type) {
	case float64:
		return val, nil
	case string:
		if s := strings.TrimSpace(val); isPlainNumber(s) {
			if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) <= maxNumber {
				return f, nil
			}
		}
	}
	return 0, fmt.Errorf("%s is no number", show(val))
}

// isPlainNumber reports whether a text is a number. "inf", "0x10" and "1e5", which
// ParseFloat reads, stay texts.
func isPlainNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.+-") == ""
}

func truthOf(n node, v Vars) (bool, error) {
	val, err := n.eval(v)
	if err != nil {
		return false, err
	}
	return truth(val)
}

// truth reads a value as true or false; a number is true unless it is 0.
func truth(val any) (bool, error) {
	switch val := val.(type) {
	case bool:
		return val, nil
	case float64:
		return val != 0, nil
	case string:
		switch strings.ToLower(val) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	return false, fmt.Errorf("%s is neither true nor false: write a comparison", show(val))
}

// textOf prints a value; a whole number without a fraction.
func textOf(val any) (string, error) {
	switch val := val.(type) {
	case string:
		return val, nil
	case bool:
		return strconv.FormatBool(val), nil
	case float64:
		if val == 0 {
			return "0", nil // not "-0"
		}
		return strconv.FormatFloat(val, 'f', -1, 64), nil
	}
	return "", errors.New("an array must be the whole value, with no text around it")
}

// show names a value in an error.
func show(val any) string {
	if s, ok := val.(string); ok {
		return fmt.Sprintf("the text %q", clip(s))
	}
	if s, err := textOf(val); err == nil {
		return s
	}
	return "an array"
}

func isList(v any) bool   { _, ok := v.([]any); return ok }
func isBool(v any) bool   { _, ok := v.(bool); return ok }
func isString(v any) bool { _, ok := v.(string); return ok }
