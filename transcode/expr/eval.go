package expr

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
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
