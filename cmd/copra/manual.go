package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/copra-video/copra/internal/buildinfo"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

// manual writes the manual pages copra.1 and copra-SUBCOMMAND.1 into a folder
// (man-pages(7), groff_man(7)).
func manual(ctx context.Context, c command.Call) error {
	words, err := new(settings.Settings).Parse(c, 0)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return command.Usagef("man: name the folder for the pages; there are %d", len(words))
	}
	list, err := describeAll(ctx, c.Stdio)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(words[0], 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	write := func(name string, page func(io.Writer)) error {
		var b strings.Builder
		page(&b)
		if err := os.WriteFile(filepath.Join(words[0], name+".1"), []byte(b.String()), 0o644); err != nil { //nolint:gosec // everyone may read a manual page
			return fmt.Errorf("write a page: %w", err)
		}
		return nil
	}
	if err := write("copra", func(w io.Writer) { mainPage(w, list) }); err != nil {
		return err
	}
	for _, d := range list {
		if err := write("copra-"+d.name, func(w io.Writer) { subcommandPage(w, d) }); err != nil {
			return err
		}
	}
	return nil
}

// roff escapes a text for a line of a page.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

func pageHead(w io.Writer, name, about string) {
	fmt.Fprintf(w, ".TH %s 1 \"\" \"copra %s\" \"Copra\"\n.SH NAME\n%s \\- %s\n", strings.ToUpper(roff(name)), roff(buildinfo.Version()), roff(name), roff(about))
}

func mainPage(w io.Writer, list []described) {
	pageHead(w, "copra", "a self-hosted transcoding server that speaks the Coconut API v2")
	fmt.Fprint(w, ".SH SYNOPSIS\n.B copra\n.I subcommand\n.RI [ flags ]\n.SH SUBCOMMANDS\n")
	for _, d := range list {
		fmt.Fprintf(w, ".TP\n.BR copra\\-%s (1)\n%s\n", roff(d.name), roff(d.about))
	}
	fmt.Fprint(w, ".SH EXIT STATUS\n0: done. 1: failed. 2: called wrongly.\n.SH SEE ALSO\nThe documentation of the version that runs is at /docs of its server.\n")
}

func subcommandPage(w io.Writer, d described) {
	pageHead(w, "copra-"+d.name, d.about)
	fmt.Fprintf(w, ".SH SYNOPSIS\n.B copra %s\n%s\n", roff(d.name), roff(d.args))
	for _, section := range []struct {
		title string
		flags bool
	}{{"OPTIONS", true}, {"ENVIRONMENT", false}} {
		title := ".SH " + section.title + "\n"
		for _, f := range d.flags {
			if (f.Name != "") != section.flags {
				continue
			}
			fmt.Fprint(w, title)
			title = ""
			name := "--" + f.Name
			if f.Name == "" {
				name = f.Env
			}
			fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roff(name), roff(f.Help))
			if f.Env != "" && f.Name != "" {
				fmt.Fprintf(w, "Variable: %s.\n", roff(f.Env))
			}
		}
	}
	fmt.Fprint(w, ".SH SEE ALSO\n.BR copra (1)\n")
}
