package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/copra-video/copra/check"
)

// checkStream is the subcommand: a stream, anybody's, against the rule book.
// The exit code is 1 when a rule is broken.
func checkStream(ctx context.Context, e env, args []string) error {
	var o check.Options
	f := newFlagSet("check", "[flags] URL|FILE|DIR", "hold an HLS or DASH stream against Apple's, DASH-IF's and CMAF's rules", e.stderr)
	asJSON := f.Bool("json", false, "print JSON.")
	f.IntVar(&o.Fetches, "fetches", 6, "how many files to read at once. Defaults to 6.")
	words, err := f.parse(e, args)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return usagef("check: name one URL, FILE or DIR; there are %d", len(words))
	}
	reports, err := check.Stream(ctx, words[0], o)
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(reports); err != nil {
			return fmt.Errorf("print report: %w", err)
		}
	}
	failed := false
	for i, r := range reports {
		failed = failed || !r.OK()
		if *asJSON {
			continue
		}
		if i > 0 {
			fmt.Fprintln(e.stdout)
		}
		r.Print(e.stdout)
	}
	if failed {
		return exitError{1}
	}
	return nil
}
