// Command copra is a self-hosted transcoding server that speaks the Coconut
// API v2. See README.md; `copra help` lists the subcommands.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/copra-video/copra/internal/sandbox"
)

func main() {
	sandbox.Intercept() // a copy of this program that is to become ffmpeg
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(exitCode(err, os.Stderr))
}

// subcommand is one verb of the program.
type subcommand struct {
	name, args, about string
	run               func(ctx context.Context, e env, args []string) error
}

// env is what a subcommand sees of the world outside.
type env struct {
	getenv         func(string) string
	stdout, stderr io.Writer
}

func subcommands() []subcommand {
	return []subcommand{
		{"standalone", "[flags]", "API, worker and a database in one process with one data directory", standalone},
		{"api", "[flags]", "the HTTP API", serveAPI},
		{"worker", "[flags]", "a worker; run as many as you like", serveWorker},
		{"migrate", "[flags]", "bring the database up to this version", migrate},
		{"keys", "create|list|limit|sign|revoke [flags]", "API keys", keys},
		{"secrets", "[flags] DIR", "make the secret files of a deployment that are not there yet", secrets},
		{"submit", "[flags] FILE|URL|job.json", "send a job and follow it to its end", submit},
		{"check", "[flags] URL|FILE|DIR", "hold an HLS or DASH stream against the rule book", checkStream},
		{"doctor", "[flags]", "check ffmpeg, database, storage and work directory", doctor},
		{"version", "", "print the version", printVersion},
	}
}

// usageError is a mistake in the call; it ends with exit code 2.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitError is an end that has been told already.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// exitCode tells err on stderr, unless it has been told, and picks the exit
// code: 0 done, 1 failed, 2 called wrongly.
func exitCode(err error, stderr io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if e, ok := errors.AsType[exitError](err); ok {
		return e.code
	}
	fmt.Fprintln(stderr, "copra:", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

// run is the program: it returns when the subcommand ends or ctx does.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	e := env{getenv, stdout, stderr}
	if len(args) == 0 {
		help(stderr)
		return usagef("a subcommand is missing; try: copra standalone")
	}
	switch args[0] {
	case "help", "-h", "--help", "-help":
		if len(args) < 2 {
			help(stdout)
			return nil
		}
		args = []string{args[1], "-h"}
	case "--version", "-version":
		args = []string{"version"}
	}
	for _, s := range subcommands() {
		if s.name == args[0] {
			return s.run(ctx, e, args[1:])
		}
	}
	return usagef("there is no subcommand %q; copra help lists those there are", args[0])
}

func help(w io.Writer) {
	fmt.Fprint(w, "Copra is a self-hosted transcoding server that speaks the Coconut API v2.\n\nUsage: copra SUBCOMMAND [flags]\n\n")
	for _, s := range subcommands() {
		fmt.Fprintf(w, "  %-11s %s\n", s.name, s.about)
	}
	fmt.Fprint(w, "\ncopra help SUBCOMMAND shows its flags. Each flag has an environment variable too.\n")
}
