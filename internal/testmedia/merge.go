package testmedia

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// To start ffmpeg takes longer than the work of most runs in tests, because it loads two
// hundred libraries. So runs that only copy or encode audio are merged into one run with
// all their inputs and outputs. Each output keeps its own options; only the numbers of its
// inputs change.

// invocation is the arguments of a run of ffmpeg, taken apart.
type invocation struct {
	global  []string
	inputs  []string // with their options
	count   int      // of inputs
	outputs []string // each with its options before its name
}

// Mergeable reports whether a run of ffmpeg can be merged with others, and returns the
// global options, which must be those of the others. A run cannot be merged if it has a
// complex filter graph, reads a pipe, or has an output without -map.
func Mergeable(args []string) (global []string, ok bool) {
	v, ok := divide(args)
	return v.global, ok
}

// Merge returns the arguments of one run that does what mergeable runs of the same
// global options do.
func Merge(runs ...[]string) []string {
	var all invocation
	for _, args := range runs {
		v, ok := divide(args)
		if !ok || all.count > 0 && !slices.Equal(v.global, all.global) {
			panic(fmt.Sprintf("%q cannot be merged", args))
		}
		all.outputs = append(all.outputs, renumber(v.outputs, all.count)...)
		all.global, all.inputs, all.count = v.global, append(all.inputs, v.inputs...), all.count+v.count
	}
	return slices.Concat(all.global, all.inputs, all.outputs)
}

// divide takes the arguments of a run apart. It reports false if the run cannot be merged.
func divide(args []string) (v invocation, ok bool) {
	var options []string
	mapped := false
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-copyts":
			v.global = append(v.global, a)
		case !strings.HasPrefix(a, "-"):
			if !mapped || v.count == 0 {
				return v, false
			}
			v.outputs = append(append(v.outputs, options...), a)
			options, mapped = nil, false
		case i+1 == len(args) || a == "-filter_complex":
			return v, false
		case a == "-i":
			if strings.HasPrefix(args[i+1], "pipe:") || len(v.outputs) > 0 {
				return v, false
			}
			v.inputs, options = append(append(v.inputs, options...), a, args[i+1]), nil
			v.count++
			i++
		default:
			mapped = mapped || a == "-map"
			options = append(options, a, args[i+1])
			i++
		}
	}
	return v, len(v.outputs) > 0 && len(options) == 0
}

// renumber returns outputs with their options after so many other inputs were put before
// theirs.
func renumber(outputs []string, before int) []string {
	outputs = slices.Clone(outputs)
	for i, option := range outputs {
		if !slices.Contains([]string{"-map", "-map_metadata", "-map_chapters"}, option) {
			continue
		}
		number, rest, colon := strings.Cut(outputs[i+1], ":")
		if n, err := strconv.Atoi(number); err == nil && n >= 0 {
			outputs[i+1] = strconv.Itoa(n + before)
			if colon {
				outputs[i+1] += ":" + rest
			}
		}
	}
	return outputs
}
