package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// event is a line of go test -json (go doc cmd/test2json).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output
	Test        string // "": of the package
	Elapsed     float64
	Output      string
	FailedBuild string // ImportPath of the build that failed
}

// report collects events, and prints failures and packages as they come. Several runs of
// go test may call line at the same time.
type report struct {
	mu      sync.Mutex
	w       io.Writer
	outputs map[string]*strings.Builder // by package and test, until it has ended
	running map[string][]string         // tests of a package that have not ended

	passed, failed, skipped int
	broken                  int // packages that failed
	slow                    []timed
	skips                   []string
	failures                []failure
	dirs                    map[string]string   // folders of packages
	builds                  map[string][]string // what the compiler said, by ImportPath
}

type timed struct {
	seconds float64
	name    string
}

func newReport(w io.Writer, dirs map[string]string) *report {
	return &report{w: w, dirs: dirs, builds: map[string][]string{}, outputs: map[string]*strings.Builder{}, running: map[string][]string{}}
}

// ok reports whether nothing has failed so far.
func (r *report) ok() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed == 0 && r.broken == 0
}

// line reads a line of go test -json. A line that is no event is printed as it is.
func (r *report) line(text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var e event
	if err := json.Unmarshal(text, &e); err != nil {
		fmt.Fprintf(r.w, "%s\n", text)
		return
	}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.w, e.Output)
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], strings.TrimRight(e.Output, "\n"))
	case "output":
		r.output(e.Package, e.Test).WriteString(e.Output)
	case "start":
	case "run":
		r.running[e.Package] = append(r.running[e.Package], e.Test)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.packageEnded(e)
		} else {
			r.testEnded(e)
		}
	}
}

func (r *report) output(pkg, test string) *strings.Builder {
	key := pkg + " " + test
	if r.outputs[key] == nil {
		r.outputs[key] = &strings.Builder{}
	}
	return r.outputs[key]
}

// take returns what a test has printed, without lines such as "=== RUN", and forgets it.
func (r *report) take(pkg, test string) string {
	var kept strings.Builder
	for line := range strings.Lines(r.output(pkg, test).String()) {
		if !strings.HasPrefix(line, "=== ") {
			kept.WriteString(line)
		}
	}
	delete(r.outputs, pkg+" "+test)
	return kept.String()
}

func (r *report) testEnded(e event) {
	text := r.take(e.Package, e.Test)
	r.running[e.Package] = slices.DeleteFunc(r.running[e.Package], func(t string) bool { return t == e.Test })
	if !strings.Contains(e.Test, "/") {
		r.slow = append(r.slow, timed{e.Elapsed, e.Package + " " + e.Test})
	}
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped++
		r.skips = append(r.skips, e.Package+" "+e.Test+": "+reason(text))
	case "fail":
		r.failed++
		fmt.Fprint(r.w, text)
		r.fail(e.Package, e.Test, text)
	}
}

// fail keeps a failure for the summary, unless it is that of a test of which only a part
// failed: that is there already.
func (r *report) fail(pkg, test, text string) {
	f := newFailure(pkg, test, text, r.dirs[pkg])
	part := func(other failure) bool {
		return other.pkg == pkg && (test == "" || strings.HasPrefix(other.test, test+"/"))
	}
	if len(f.messages) > 0 || !slices.ContainsFunc(r.failures, part) {
		r.failures = append(r.failures, f)
	}
}

// reason returns why a test was skipped, from what it has printed.
func reason(text string) string {
	for line := range strings.Lines(text) {
		if _, said, ok := strings.Cut(line, ".go:"); ok {
			_, said, _ = strings.Cut(said, ": ")
			return strings.TrimSpace(said)
		}
	}
	return "no reason"
}

// packageEnded prints the line of a package. If it failed, what the package and its
// unfinished tests have printed comes before that.
func (r *report) packageEnded(e event) {
	text := r.take(e.Package, "")
	if e.Action == "fail" {
		for _, test := range r.running[e.Package] {
			text := r.take(e.Package, test)
			fmt.Fprint(r.w, text)
			r.fail(e.Package, test, text)
		}
		fmt.Fprint(r.w, text)
		if !strings.Contains(text, "FAIL\t") {
			fmt.Fprintf(r.w, "FAIL\t%s\t%.3fs\n", e.Package, e.Elapsed)
		}
		r.broken++
		if said := r.builds[e.FailedBuild]; len(said) > 0 {
			r.failures = append(r.failures, failure{pkg: e.Package, messages: [][]string{said}})
		} else {
			r.fail(e.Package, "", text)
		}
	} else if i := strings.LastIndex(text, "ok  \t"); i >= 0 {
		fmt.Fprint(r.w, text[i:])
	}
	delete(r.running, e.Package)
}

// close prints the summary. What failed is last, where it is seen.
func (r *report) close(took time.Duration, slowest int) {
	if len(r.skips) > 0 {
		fmt.Fprintln(r.w, "\nskipped:")
		for _, s := range r.skips {
			fmt.Fprintln(r.w, "  "+s)
		}
	}
	slices.SortStableFunc(r.slow, func(a, b timed) int { return int(1000 * (b.seconds - a.seconds)) })
	fmt.Fprintln(r.w, "\nslowest:")
	for _, t := range r.slow[:min(slowest, len(r.slow))] {
		fmt.Fprintf(r.w, "  %6.1fs  %s\n", t.seconds, t.name)
	}
	fmt.Fprintf(r.w, "in %.0fs\n\n", took.Seconds())
	for _, f := range r.failures {
		f.print(r.w)
	}
	fmt.Fprintf(r.w, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
}
