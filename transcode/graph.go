package transcode

import (
	"fmt"
	"strings"
)

// branch is a node of a filter graph: filters in a row, and then either an
// output pad or branches that all get the result. Everything that is encoded
// from one decode is one tree, and render is the only place that knows the
// syntax.
type branch struct {
	filters []string
	pad     string // "v1": the output pad; leaf
	next    []*branch
}

func (b *branch) add(filters ...string) {
	for _, f := range filters {
		if f != "" {
			b.filters = append(b.filters, f)
		}
	}
}

// child appends a branch to b.
func (b *branch) child(filters ...string) *branch {
	c := &branch{}
	c.add(filters...)
	b.next = append(b.next, c)
	return c
}

// render prints the graph that feeds tree from the input pad, such as "0:0".
func render(input string, tree *branch) string {
	var chains []string
	splits := 0
	var walk func(in string, b *branch)
	walk = func(in string, b *branch) {
		// A single branch needs no split: the rows are joined.
		filters := append([]string(nil), b.filters...)
		for b.pad == "" && len(b.next) == 1 {
			b = b.next[0]
			filters = append(filters, b.filters...)
		}
		if b.pad != "" {
			if len(filters) == 0 {
				filters = []string{"null"}
			}
			chains = append(chains, "["+in+"]"+strings.Join(filters, ",")+"["+b.pad+"]")
			return
		}
		splits++
		pads := make([]string, len(b.next))
		outs := ""
		for i := range b.next {
			pads[i] = fmt.Sprintf("s%d_%d", splits, i+1)
			outs += "[" + pads[i] + "]"
		}
		filters = append(filters, fmt.Sprintf("split=%d", len(b.next)))
		chains = append(chains, "["+in+"]"+strings.Join(filters, ",")+outs)
		for i, c := range b.next {
			walk(pads[i], c)
		}
	}
	walk(input, tree)
	return strings.Join(chains, ";")
}
