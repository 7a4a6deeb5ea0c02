// Package check checks a published HLS or DASH stream against the rule book: the
// numbered rules of Apple's "HTTP Live Streaming (HLS) authoring specification
// for Apple devices", and the requirements of DASH-IF and CMAF. It reads whole
// streams of any origin, from a folder or over HTTP.
//
// It shares no code with package stream, which writes our streams. Parsers of
// Eyevinn and asticode read playlists, manifests, transport streams and
// fragmented MP4, so that a mistake in package stream is not repeated here.
package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// Status is the outcome of a rule.
type Status string

// The statuses. A rule does not apply if the stream has nothing that it is
// about, or if that could not be read.
const (
	Pass          Status = "pass"
	Fail          Status = "fail"
	NotApplicable Status = "not applicable"
)

// Report is the result for one stream: a multivariant playlist with everything
// it names, or a manifest.
type Report struct {
	Address string   `json:"address"`
	Kind    string   `json:"kind"` // "hls" or "dash"
	Passed  int      `json:"passed"`
	Failed  int      `json:"failed"`
	Results []Result `json:"results"`
}

// Result is the outcome of one rule.
type Result struct {
	Rule     string    `json:"rule"`
	Text     string    `json:"text"`
	Status   Status    `json:"status"`
	Findings []Finding `json:"findings,omitempty"` // why it failed
}

// Finding is one place that breaks a rule.
type Finding struct {
	Where string `json:"where"` // playlist or segment, relative to the stream
	What  string `json:"what"`
}

// OK reports whether no rule failed.
func (r Report) OK() bool { return r.Failed == 0 }

// Options of a check.
type Options struct {
	// Fetches is how many files are read at once. Defaults to 6.
	Fetches int
	// Client reads over HTTP. Defaults to one without limits on addresses.
	Client *http.Client
	// MaxBytes is how much is read at most, also of files that are read twice; 0: no
	// limit. Beyond it Stream fails with ErrTooLarge.
	MaxBytes int64
}

// ErrTooLarge says that a stream has more bytes than Options allow.
var ErrTooLarge = errors.New("the stream is too large")

// Stream checks the stream at address: the URL of a playlist or manifest, a
// file, or a folder, of which it checks every multivariant playlist and
// manifest. An error means that there is nothing to check.
func Stream(ctx context.Context, address string, o Options) ([]Report, error) {
	if o.Fetches <= 0 {
		o.Fetches = 6
	}
	src := newSource(o)
	entries, err := src.entries(address)
	if err != nil {
		return nil, err
	}
	var reports []Report
	for _, u := range entries {
		f, err := src.read(ctx, u, 0, 0)
		if src.tooLarge.Load() {
			return nil, ErrTooLarge
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", u.Redacted(), err)
		}
		c := &checker{source: src, options: o, base: f.at, results: map[string]*Result{}}
		r := Report{Address: f.at.Redacted(), Kind: "hls"}
		if f.at.Scheme == "file" {
			r.Address = filepath.FromSlash(f.at.Path)
		}
		if text := strings.TrimSpace(strings.TrimPrefix(string(f.data), "\ufeff")); strings.HasPrefix(text, "#EXTM3U") {
			err = c.hls(ctx, f)
		} else if strings.HasPrefix(text, "<") {
			r.Kind = "dash"
			err = c.dash(ctx, f)
		} else {
			err = errors.New("it is neither an HLS playlist nor a DASH manifest")
		}
		if src.tooLarge.Load() {
			return nil, ErrTooLarge // what could not be read would be findings
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("check %s: %w", u.Redacted(), err)
		}
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", u.Redacted(), err)
		}
		c.finish(&r)
		reports = append(reports, r)
	}
	return reports, nil
}

// checker checks one stream.
type checker struct {
	*source
	options Options
	base    *url.URL // of the multivariant playlist or manifest
	results map[string]*Result
}

// applies records that the stream has something that a rule is about.
func (c *checker) applies(rule string) *Result {
	r, ok := c.results[rule]
	if !ok {
		r = &Result{Rule: rule}
		c.results[rule] = r
	}
	return r
}

// fail adds a finding to a rule.
func (c *checker) fail(rule, where, format string, args ...any) {
	r := c.applies(rule)
	r.Findings = append(r.Findings, Finding{where, fmt.Sprintf(format, args...)})
}

// hold marks a rule as applicable, and fails it unless ok.
func (c *checker) hold(rule string, ok bool, where, format string, args ...any) {
	if c.applies(rule); !ok {
		c.fail(rule, where, format, args...)
	}
}

// name is the address of a file as findings show it.
func (c *checker) name(u *url.URL) string {
	dir := c.base.ResolveReference(&url.URL{Path: "."})
	if rel, ok := strings.CutPrefix(u.Redacted(), dir.Redacted()); ok {
		if plain, err := url.PathUnescape(rel); err == nil {
			return plain
		}
		return rel
	}
	return u.Redacted()
}

// finish writes the results of all rules of the kind, in their order.
func (c *checker) finish(r *Report) {
	for _, rule := range rules {
		if rule.kind != r.Kind {
			continue
		}
		res, applied := c.results[rule.number]
		if !applied {
			res = &Result{Rule: rule.number, Status: NotApplicable}
		} else if len(res.Findings) > 0 {
			res.Status = Fail
			r.Failed++
			slices.SortStableFunc(res.Findings, func(a, b Finding) int { return cmp.Compare(a.Where, b.Where) })
		} else {
			res.Status = Pass
			r.Passed++
		}
		res.Text = rule.text
		r.Results = append(r.Results, *res)
	}
}
