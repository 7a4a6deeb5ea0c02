package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/copra-video/copra/check"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

// Check is the subcommand: a stream, anybody's, against the rule book.
// The exit code is 1 when a rule is broken.
func Check(ctx context.Context, e command.Stdio, args []string) error {
	var o check.Options
	f := settings.NewFlagSet("check", "[flags] URL|FILE|DIR", "hold an HLS or DASH stream against Apple's, DASH-IF's and CMAF's rules", e.Stderr)
	asJSON := f.Bool("json", false, "print JSON.")
	f.IntVar(&o.Fetches, "fetches", 6, "how many files to read at once. Defaults to 6.")
	words, err := f.Parse(e, args)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return command.Usagef("check: name one URL, FILE or DIR; there are %d", len(words))
	}
	reports, err := check.Stream(ctx, words[0], o)
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(e.Stdout)
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
			fmt.Fprintln(e.Stdout)
		}
		r.Print(e.Stdout)
	}
	if failed {
		return command.ExitError{Code: 1}
	}
	return nil
}
