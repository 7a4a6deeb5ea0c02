package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

// described is a subcommand with its flags.
type described struct {
	subcommand
	flags []command.Flag
}

// describeAll asks every subcommand for its flags. None of them runs.
func describeAll(ctx context.Context, e command.Stdio) ([]described, error) {
	var list []described
	for _, s := range subcommands() {
		d := described{subcommand: s}
		c := command.Call{Stdio: e, Name: s.name, Usage: s.args, About: s.about, Describe: func(f []command.Flag) { d.flags = f }}
		if err := s.run(ctx, c); !errors.Is(err, flag.ErrHelp) {
			return nil, fmt.Errorf("describe %s: %w", s.name, err)
		}
		list = append(list, d)
	}
	return list, nil
}

// shells make the completion of a shell.
var shells = map[string]func(w io.Writer, list []described){"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}

// completion prints what a shell needs to complete subcommands and flags.
func completion(ctx context.Context, c command.Call) error {
	words, err := new(settings.Settings).Parse(c, 0)
	if err != nil {
		return err
	}
	if len(words) != 1 || shells[words[0]] == nil {
		return command.Usagef("completion: name one shell: bash, zsh or fish")
	}
	list, err := describeAll(ctx, c.Stdio)
	if err != nil {
		return err
	}
	shells[words[0]](c.Stdout, list)
	return nil
}

// flagsOf are the flags of a subcommand as they are typed.
func flagsOf(d described) []string {
	var names []string
	for _, f := range d.flags {
		if f.Name != "" {
			names = append(names, "--"+f.Name)
		}
	}
	return append(names, "--help")
}

// verbs are the words that come behind some subcommands.
var verbs = map[string][]string{"keys": {"create", "list", "limit", "sign", "revoke"}, "completion": {"bash", "zsh", "fish"}}

// bashCompletion: files complete where nothing else does.
func bashCompletion(w io.Writer, list []described) {
	fmt.Fprint(w, "# copra completion bash > /etc/bash_completion.d/copra\n_copra() {\n\tlocal word=${COMP_WORDS[COMP_CWORD]}\n\tlocal words\n\tCOMPREPLY=()\n")
	fmt.Fprint(w, "\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\twords=\"help")
	for _, d := range list {
		fmt.Fprint(w, " ", d.name)
	}
	fmt.Fprint(w, "\"\n\telse\n\t\tcase ${COMP_WORDS[1]} in\n\t\thelp) words=\"")
	for _, d := range list {
		fmt.Fprint(w, d.name, " ")
	}
	fmt.Fprint(w, "\" ;;\n")
	for _, d := range list {
		fmt.Fprintf(w, "\t\t%s) words=\"%s\" ;;\n", d.name, strings.Join(slices.Concat(verbs[d.name], flagsOf(d)), " "))
	}
	fmt.Fprint(w, "\t\tesac\n\tfi\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\ncomplete -o default -F _copra copra\n")
}

// zshCompletion shows what each word is for.
func zshCompletion(w io.Writer, list []described) {
	quote := func(s string) string {
		return strings.NewReplacer("'", "'\\''", "[", "\\[", "]", "\\]", ":", "\\:").Replace(s)
	}
	fmt.Fprint(w, "#compdef copra\n# copra completion zsh > \"${fpath[1]}/_copra\"\n_copra() {\n  local -a subcommands\n  subcommands=(\n")
	for _, d := range list {
		fmt.Fprintf(w, "    '%s:%s'\n", d.name, quote(d.about))
	}
	fmt.Fprint(w, "  )\n  if (( CURRENT == 2 )); then\n    _describe 'subcommand' subcommands\n    return\n  fi\n  case ${words[2]} in\n")
	for _, d := range list {
		fmt.Fprintf(w, "  %s)\n    _arguments", d.name)
		for _, f := range d.flags {
			if f.Name == "" {
				continue
			}
			value := ":" + f.Name + ":_files"
			if f.Switch {
				value = ""
			}
			fmt.Fprintf(w, " \\\n      '--%s[%s]%s'", f.Name, quote(firstSentence(f.Help)), value)
		}
		if v := verbs[d.name]; v != nil {
			fmt.Fprintf(w, " \\\n      '2:word:(%s)'", strings.Join(v, " "))
		}
		fmt.Fprint(w, " \\\n      '*:file:_files'\n    ;;\n")
	}
	fmt.Fprint(w, "  esac\n}\n_copra \"$@\"\n")
}

func fishCompletion(w io.Writer, list []described) {
	quote := func(s string) string { return strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) }
	fmt.Fprint(w, "# copra completion fish > ~/.config/fish/completions/copra.fish\n")
	for _, d := range list {
		fmt.Fprintf(w, "complete -c copra -n __fish_use_subcommand -f -a %s -d '%s'\n", d.name, quote(d.about))
		for _, v := range verbs[d.name] {
			fmt.Fprintf(w, "complete -c copra -n '__fish_seen_subcommand_from %s' -f -a %s\n", d.name, v)
		}
		for _, f := range d.flags {
			if f.Name == "" {
				continue
			}
			value := " -r"
			if f.Switch {
				value = ""
			}
			fmt.Fprintf(w, "complete -c copra -n '__fish_seen_subcommand_from %s' -l %s%s -d '%s'\n", d.name, f.Name, value, quote(firstSentence(f.Help)))
		}
	}
}

// firstSentence is the help of a flag in one line.
func firstSentence(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(first, ".")
}
