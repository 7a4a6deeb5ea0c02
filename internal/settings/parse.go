package settings

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/copra-video/copra/internal/command"
)

// Parse fills s: first with defaults, then from the arguments of the call, in
// which flags and words may stand in any order, then from the environment where
// the flag was not given. It takes the rows of the groups, and more that are
// the subcommand's own, and returns the words.
//
// With -h it prints the help and returns flag.ErrHelp. Other errors are
// command.UsageErrors that name the setting.
func (s *Settings) Parse(c command.Call, groups Group, more ...Row) (words []string, err error) {
	rows := slices.DeleteFunc(s.rows(), func(r Row) bool { return r.Group&groups == 0 })
	rows = append(rows, more...)
	slices.SortStableFunc(rows, func(a, b Row) int { return strings.Compare(a.Flag, b.Flag) })
	if c.Describe != nil {
		c.Describe(describe(rows))
		return nil, flag.ErrHelp
	}
	f := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	f.SetOutput(io.Discard) // it would print the whole help on every mistake
	for _, r := range rows {
		if err := r.register(f); err != nil {
			return nil, fmt.Errorf("default of --%s: %w", r.Flag, err)
		}
	}
	words, err = parseArgs(f, c.Args)
	if errors.Is(err, flag.ErrHelp) {
		printHelp(c, rows)
		return nil, err
	}
	if err != nil {
		return nil, command.Usagef("%s: %w; copra %s -h shows the flags", c.Name, err, c.Name)
	}
	s.given = map[string]bool{}
	f.Visit(func(f *flag.Flag) { s.given[f.Name] = true })
	return words, s.fromEnv(c, rows)
}

// describe is what a subcommand says of its rows.
func describe(rows []Row) []command.Flag {
	list := make([]command.Flag, len(rows))
	for i, r := range rows {
		list[i] = command.Flag{Name: r.Flag, Env: r.Env, Help: r.help(), Switch: r.Switch != nil}
	}
	return list
}

// ParseFlags is Parse for a subcommand that takes no words.
func (s *Settings) ParseFlags(c command.Call, groups Group, more ...Row) error {
	words, err := s.Parse(c, groups, more...)
	if err == nil && len(words) > 0 {
		err = command.Usagef("%s: %q is not expected; copra %s -h shows the flags", c.Name, words[0], c.Name)
	}
	return err
}

// register sets the default and adds the flag.
func (r Row) register(f *flag.FlagSet) error {
	if r.Default != "" {
		if err := r.Set(r.Default); err != nil {
			return err
		}
	}
	switch {
	case r.Switch != nil:
		f.BoolVar(r.Switch, r.Flag, false, "")
	case r.Flag != "":
		f.Func(r.Flag, "", r.Set)
	}
	return nil
}

// parseArgs is f.Parse with words between the flags.
func parseArgs(f *flag.FlagSet, args []string) (words []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		if f.NArg() == 0 {
			return words, nil
		}
		words = append(words, f.Arg(0))
		args = f.Args()[1:]
	}
}

// fromEnv reads the variables of flags that were not given.
func (s *Settings) fromEnv(c command.Call, rows []Row) error {
	for _, r := range rows {
		if r.Env == "" || s.given[r.Flag] {
			continue
		}
		v := c.Getenv(r.Env)
		if v == "" {
			continue
		}
		if err := r.Set(v); err != nil {
			return command.Usagef("%s: %w", r.Env, err)
		}
		if r.Flag != "" {
			s.given[r.Flag] = true
		}
	}
	return nil
}

// printHelp shows what the subcommand is for and its settings.
func printHelp(c command.Call, rows []Row) {
	fmt.Fprintf(c.Stdout, "copra %s: %s\n\nUsage: %s\n", c.Name, c.About, strings.TrimSpace("copra "+c.Name+" "+c.Usage))
	for _, section := range []struct {
		title string
		flags bool
	}{{"Flags", true}, {"Variables without a flag", false}} {
		title := "\n" + section.title + ":\n"
		for _, r := range rows {
			if (r.Flag != "") != section.flags {
				continue
			}
			fmt.Fprintf(c.Stdout, "%s  %s\n        %s\n", title, r.name(), r.help())
			title = ""
		}
	}
}

// name is the flag with its variable: --slots [COPRA_SLOTS].
func (r Row) name() string {
	switch {
	case r.Flag == "":
		return "[" + r.Env + "]"
	case r.Env == "":
		return "--" + r.Flag
	}
	return "--" + r.Flag + " [" + r.Env + "]"
}

// help is the help with the default, which every row but a switch has.
func (r Row) help() string {
	if r.Switch != nil {
		return r.Help
	}
	shown := "none"
	if r.Default != "" {
		shown = r.Default
	}
	if r.Shown != "" {
		shown = r.Shown
	}
	return r.Help + " Defaults to " + shown + "."
}
