package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/copra-video/copra/check"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

// Check is the subcommand check: it holds a stream, whoever made it, against
// the rule book. The exit code is 1 when a rule is broken.
func Check(ctx context.Context, c command.Call) error {
	var o check.Options
	var asJSON bool
	words, err := new(settings.Settings).Parse(c, 0,
		settings.Row{Flag: "json", Switch: &asJSON, Help: "print JSON."},
		settings.Row{Flag: "fetches", Default: "6", Set: settings.Number(&o.Fetches, 1, 1000), Help: "how many files to read at once."})
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
	if asJSON {
		enc := json.NewEncoder(c.Stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(reports); err != nil {
			return fmt.Errorf("print report: %w", err)
		}
	}
	failed := false
	for i, r := range reports {
		failed = failed || !r.OK()
		if asJSON {
			continue
		}
		if i > 0 {
			fmt.Fprintln(c.Stdout)
		}
		r.Print(c.Stdout)
	}
	if failed {
		return command.ExitError{Code: 1}
	}
	return nil
}
