package spec

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/observed.txt")

// TestObserved: each row makes a difference, and it is the one of
// testdata/observed.txt.
func TestObserved(t *testing.T) {
	w := newWorld(t)
	var out strings.Builder
	out.WriteString(preamble)
	bySection := map[string][]row{}
	for _, r := range rows() {
		bySection[r.section] = append(bySection[r.section], r)
	}
	all := append(sections(readFile(t, specFile)), section{number: errorsSection, title: "further error codes"})
	for _, s := range all {
		if len(bySection[s.number]) == 0 {
			continue
		}
		fmt.Fprintf(&out, "\n# %s %s\n", s.number, s.title)
		list := bySection[s.number]
		order := append(s.rows, codesOf(readFile(t, errorsFile))...)
		slices.SortStableFunc(list, func(a, b row) int { return place(order, a.name) - place(order, b.name) })
		for _, r := range list {
			fmt.Fprintf(&out, "\n%s\n%s", r.name, w.difference(t, r))
		}
	}
	golden := filepath.Join("testdata", "observed.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(readFile(t, golden), out.String()); diff != "" {
		t.Errorf("what the rows do has changed (-want +got); go test ./internal/spec -update rewrites testdata/observed.txt:\n%s", diff)
	}
}

const preamble = `What each row of docs/spec/coconut-v2.md does: a request (or a call) that has it,
the control, and the lines of what follows that one of them has alone.
Written by go test ./internal/spec -update.
`

func place(order []string, name string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

// difference carries a row out and returns what it does.
func (w *world) difference(t *testing.T, r row) string {
	t.Helper()
	with, without := r.pick(w.observe(t, r.with)), r.pick(w.observe(t, r.without))
	var removed, added []string
	for _, l := range without {
		if !slices.Contains(with, l) {
			removed = append(removed, "  - "+l)
		}
	}
	for _, l := range with {
		if !slices.Contains(without, l) {
			added = append(added, "  + "+l)
		}
	}
	removed, added = r.essence(removed, added)
	differs := len(removed)+len(added) > 0
	if r.same && slices.ContainsFunc(with, func(l string) bool { return strings.HasPrefix(l, "answer: 4") }) {
		t.Errorf("%s %s: is refused", r.section, r.name)
	}
	switch {
	case r.same && differs:
		t.Errorf("%s %s: is to have no effect, and has:\n%s", r.section, r.name, strings.Join(append(removed, added...), "\n"))
	case !r.same && !differs:
		t.Errorf("%s %s: makes no difference", r.section, r.name)
	case r.same:
		added = []string{"  = no difference"}
	}
	for _, need := range r.needs {
		if !slices.ContainsFunc(added, func(l string) bool { return strings.Contains(l, need) }) {
			t.Errorf("%s %s: adds nothing with %q", r.section, r.name, need)
		}
	}
	return r.described() + strings.Join(append(removed, added...), "\n") + "\n"
}

// essence leaves out what follows from the rest: of an answer beside a refusal
// all but its status, and for formats what is no part of the plan when the plan
// differs.
func (r row) essence(removed, added []string) ([]string, []string) {
	refused := func(l string) bool { return strings.Contains(l, " answer: error_code") }
	status := func(l string) bool { return strings.Contains(l, " answer: 2") }
	switch {
	case slices.ContainsFunc(removed, refused) && slices.ContainsFunc(added, status):
		return removed, keep(added, status)
	case slices.ContainsFunc(added, refused) && slices.ContainsFunc(removed, status):
		return keep(removed, status), added
	case strings.HasPrefix(r.section, "4."):
		plan := func(l string) bool {
			return !strings.Contains(l, " answer: ") && !strings.Contains(l, " at last: ") && !strings.Contains(l, " storage: ")
		}
		if x, y := keep(removed, plan), keep(added, plan); len(x)+len(y) > 0 || r.same {
			return x, y
		}
	}
	return removed, added
}

func keep(lines []string, wanted func(string) bool) (kept []string) {
	for _, l := range lines {
		if wanted(l) {
			kept = append(kept, l)
		}
	}
	return kept
}

// pick keeps the lines that the row is about.
func (r row) pick(lines []string) []string {
	return keep(lines, func(l string) bool {
		return r.only == nil || slices.ContainsFunc(r.only, func(s string) bool { return strings.Contains(l, s) })
	})
}

// described is what is compared with what: of jobs the members that differ.
func (r row) described() string {
	with, without := r.with.String(), r.without.String()
	if r.with.call == nil && r.without.call == nil {
		with, without = differing(r.with.job, r.without.job)
		if len(r.with.film) > 0 && len(r.without.film) == 0 {
			with = strings.Join(nonEmpty(with, "an input with "+changed(r.with.film)), " and ")
		}
		if len(r.without.film) > 0 && len(r.with.film) == 0 {
			with, without = r.with.job, strings.Join(nonEmpty(without, "an input with "+changed(r.without.film)), " and ")
		}
	}
	return fmt.Sprintf("  %s\n  against %s\n", cmp.Or(with, "the same without"), cmp.Or(without, "the same without"))
}

// differing are the members of two requests that are not the same.
func differing(a, b string) (string, string) {
	var x, y map[string]json.RawMessage
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a, b
	}
	for name := range x {
		if string(x[name]) == string(y[name]) {
			delete(x, name)
			delete(y, name)
		}
	}
	list := func(members map[string]json.RawMessage) string {
		var s []string
		for _, name := range sorted(members) {
			s = append(s, name+" "+string(members[name]))
		}
		return strings.Join(s, ", ")
	}
	return list(x), list(y)
}

// changed says what differs in an input from film.
func changed(pairs []string) string {
	var s []string
	for i := 0; i < len(pairs); i += 2 {
		s = append(s, pairs[i+1]+" for "+pairs[i])
	}
	return strings.Join(s, ", ")
}

func nonEmpty(list ...string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// String is the request, or the call.
func (a attempt) String() string {
	switch {
	case a.call != nil:
		return a.call.String()
	case len(a.film) > 0:
		return fmt.Sprintf("%s with %s in place of %s", a.job, a.film[1], a.film[0])
	}
	return a.job
}

func (e exchange) String() string {
	s := e.method + " " + e.path
	for _, name := range sorted(e.header) {
		s += fmt.Sprintf(" [%s: %s]", name, e.header[name])
	}
	if e.stranger {
		s += " without a key"
	}
	if e.body != "" {
		s += " " + e.body
	}
	if e.often > 0 {
		s += fmt.Sprintf(", after %d times %s", e.often, cmp.Or(e.before, "the same"))
	}
	if e.disk > 0 {
		s += ", on a full disk"
	}
	if e.largest > 0 {
		s += fmt.Sprintf(", where %d bytes are allowed", e.largest)
	}
	var happened []string
	for _, h := range e.events {
		happened = append(happened, strings.TrimSpace(string(h.Kind)+" "+string(h.Stage)))
	}
	if happened = unique(happened); len(happened) > 0 {
		s += ", after " + strings.Join(happened, ", ")
	}
	return s
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
