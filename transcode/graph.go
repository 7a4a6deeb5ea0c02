package transcode

import (
	"fmt"
	"strings"
)

// branch is a node of a filter graph: filters in a row, and then either a
// labelled output or branches that all get the result. Everything that is encoded
// from one decode is one tree, and renderAll is the only place that knows the
// syntax.
type branch struct {
	filters []string
	over    *overlay // laid over what filters made; nil: nothing
	label   string   // "v1": a labelled output, which has no branches
	next    []*branch
}

// overlay is a second picture that goes over the first.
type overlay struct {
	input   string   // such as "1:0"; "": the first picture itself, which filters change
	filters []string // that it goes through before
	args    string   // the overlay filter
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

// rooted is a tree with the inputs that feed its first filter, such as "0:0".
type rooted struct {
	inputs []string
	tree   *branch
}

// render prints the graph that feeds tree from one input.
func render(input string, tree *branch) string { return renderAll([]rooted{{[]string{input}, tree}}) }

// renderAll prints several trees as one graph.
func renderAll(roots []rooted) string {
	var chains []string
	splits, overlays := 0, 0
	var walk func(in string, b *branch)
	walk = func(in string, b *branch) {
		var filters []string
		// take goes through one branch. An overlay has two inputs, so it begins
		// a new chain.
		take := func() {
			filters = append(filters, b.filters...)
			if b.over == nil {
				return
			}
			overlays++
			input := b.over.input
			below, above := fmt.Sprintf("b%d", overlays), fmt.Sprintf("o%d", overlays)
			if input == "" {
				input = fmt.Sprintf("c%d", overlays)
				chains = append(chains, "["+in+"]"+strings.Join(append(filters, "split=2"), ",")+"["+below+"]["+input+"]")
				in = below
			} else if len(filters) > 0 {
				chains = append(chains, "["+in+"]"+strings.Join(filters, ",")+"["+below+"]")
				in = below
			}
			chains = append(chains, "["+input+"]"+strings.Join(b.over.filters, ",")+"["+above+"]")
			in += "][" + above
			filters = []string{b.over.args}
		}
		take()
		// A single branch needs no split: the rows are joined.
		for b.label == "" && len(b.next) == 1 {
			b = b.next[0]
			take()
		}
		if b.label != "" {
			if len(filters) == 0 {
				filters = []string{"null"}
			}
			chains = append(chains, "["+in+"]"+strings.Join(filters, ",")+"["+b.label+"]")
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
	for _, r := range roots {
		walk(strings.Join(r.inputs, "]["), r.tree)
	}
	return strings.Join(chains, ";")
}
