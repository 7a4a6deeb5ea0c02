package expr

import (
	"errors"
	"math"
)

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
