package settings

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"

	"github.com/copra-video/copra/internal/command"
)

// FlagSet registers flags that fall back to environment variables.
type FlagSet struct {
	*flag.FlagSet
	env  map[string]string // by flag name
	args string
}

func NewFlagSet(name, args, about string, stderr io.Writer) *FlagSet {
	f := &FlagSet{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), env: map[string]string{}, args: args}
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "copra %s: %s\n\nUsage: copra %s %s\n\n", name, about, name, args)
		f.VisitAll(func(fl *flag.Flag) {
			env := ""
			if e := f.env[fl.Name]; e != "" {
				env = " [" + e + "]"
			}
			fmt.Fprintf(f.Output(), "  --%s%s\n        %s\n", fl.Name, env, fl.Usage)
		})
	}
	return f
}

// setting adds a flag whose text set reads; usage should end "Defaults to ...".
func (f *FlagSet) Setting(name, env, usage string, set func(string) error) {
	f.env[name] = env
	f.Func(name, usage, set)
}

func (f *FlagSet) Text(p *string, name, env, usage string) {
	f.Setting(name, env, usage, func(s string) error { *p = s; return nil })
}

// textGiven is text that tells whether it was set at all.
func (f *FlagSet) TextGiven(p *string, given *bool, name, env, usage string) {
	f.Setting(name, env, usage, func(s string) error { *p, *given = s, true; return nil })
}

func (f *FlagSet) Number(p *int, name, env string, least, most int, usage string) {
	f.Setting(name, env, usage, func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is not a whole number from %d to %d", s, least, most)
		}
		*p = n
		return nil
	})
}

// number64 is number for what is counted in units of so many bytes.
func (f *FlagSet) Number64(p *int64, unit int64, name, env string, least, most int, usage string) {
	f.Setting(name, env, usage, func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is not a whole number from %d to %d", s, least, most)
		}
		*p = int64(n) * unit
		return nil
	})
}

// ParseAlone is parse for a subcommand that takes flags and nothing else.
func (f *FlagSet) ParseAlone(e command.Stdio, args []string) error {
	words, err := f.Parse(e, args)
	if err != nil {
		return err
	}
	if len(words) > 0 {
		return command.Usagef("%s: %q is not expected; copra %s -h shows the flags", f.Name(), words[0], f.Name())
	}
	return nil
}

// parse reads args, in which flags and words may stand in any order, and then
// the environment for what they did not say. It returns the words.
func (f *FlagSet) Parse(e command.Stdio, args []string) (words []string, err error) {
	// The flag package prints the whole usage on a mistake; one line that names
	// the flag is what helps.
	usage := f.Usage
	out := f.Output()
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	for left := args; err == nil; {
		if err = f.FlagSet.Parse(left); err != nil || f.NArg() == 0 {
			break
		}
		words = append(words, f.Arg(0))
		left = f.Args()[1:]
	}
	f.Usage = usage
	f.SetOutput(out)
	if errors.Is(err, flag.ErrHelp) {
		f.SetOutput(e.Stdout)
		f.Usage()
		return nil, err
	}
	if err != nil {
		return nil, command.Usagef("%s: %w; copra %s -h shows the flags", f.Name(), err, f.Name())
	}
	return words, f.fromEnv(e)
}

// fromEnv sets the flags that were not given from their variables.
func (f *FlagSet) fromEnv(e command.Stdio) error {
	given := map[string]bool{}
	f.Visit(func(fl *flag.Flag) { given[fl.Name] = true })
	var bad error
	f.VisitAll(func(fl *flag.Flag) {
		name := f.env[fl.Name]
		if bad != nil || name == "" || given[fl.Name] {
			return
		}
		if v := e.Getenv(name); v != "" {
			if err := fl.Value.Set(v); err != nil {
				bad = command.Usagef("%s: %w", name, err)
			}
		}
	})
	return bad
}
