// Command copra is a self-hosted transcoding server that speaks the Coconut
// API v2. See README.md; `copra help` lists the subcommands.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/copra-video/copra/internal/admin"
	"github.com/copra-video/copra/internal/buildinfo"
	"github.com/copra-video/copra/internal/cli"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/internal/server"
	"github.com/copra-video/copra/internal/settings"
)

func main() {
	sandbox.Main() // a copy of this program that is to become ffmpeg
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], command.Stdio{Getenv: os.Getenv, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
	stop()
	os.Exit(command.ExitCode(err, os.Stderr))
}

// subcommand is one verb of the program.
type subcommand struct {
	name, args, about string
	run               func(ctx context.Context, c command.Call) error
}

func subcommands() []subcommand {
	return []subcommand{
		{"standalone", "[flags]", "API, worker and a database in one process with one data directory", server.Standalone},
		{"api", "[flags]", "the HTTP API", server.API},
		{"worker", "[flags]", "a worker; run as many as you like", server.Worker},
		{"migrate", "[flags]", "bring the database up to this version", admin.Migrate},
		{"keys", "create|list|limit KEY|sign KEY|revoke KEY [flags]", "API keys", admin.Keys},
		{"secrets", "DIR", "make the secret files of a deployment that are not there yet", admin.Secrets},
		{"submit", "[flags] FILE|URL|job.json", "send a job and follow it to its end", cli.Submit},
		{"plan", "[flags] FILE|URL|job.json", "say what a job would do, without doing it", cli.Plan},
		{"jobs", "[flags]", "list jobs", cli.Jobs},
		{"job", "[flags] ID", "show a job, or follow it to its end", cli.Job},
		{"logs", "[flags] ID", "show what FFmpeg was told for a job, and what it said", cli.Logs},
		{"cancel", "[flags] ID", "end a job", cli.Cancel},
		{"retry", "[flags] ID", "run the outputs of a job that are not done once more", cli.Retry},
		{"usage", "[flags]", "show minutes, bytes and CPU time by day and API key", cli.Usage},
		{"listen", "--forward URL [flags]", "forward the webhooks of the key to an address, of this machine for example", cli.Listen},
		{"storage-check", "[flags] FILE|-", "try out whether results can be stored in a storage", cli.StorageCheck},
		{"check", "[flags] URL|FILE|DIR", "hold an HLS or DASH stream against Apple's, DASH-IF's and CMAF's rules", cli.Check},
		{"doctor", "[flags]", "check ffmpeg, database, storage and work directory", admin.Doctor},
		{"completion", "bash|zsh|fish", "print what a shell needs to complete subcommands and flags", completion},
		{"man", "DIR", "write manual pages into a folder", manual},
		{"version", "", "print the version", printVersion},
	}
}

// run is the program: it returns when the subcommand ends or ctx does.
func run(ctx context.Context, args []string, e command.Stdio) error {
	if len(args) == 0 {
		help(e.Stderr)
		return command.Usagef("a subcommand is missing; try: copra standalone")
	}
	switch args[0] {
	case "help", "-h", "--help", "-help":
		if len(args) < 2 {
			help(e.Stdout)
			return nil
		}
		args = []string{args[1], "-h"}
	case "--version", "-version":
		args = []string{"version"}
	}
	for _, s := range subcommands() {
		if s.name == args[0] {
			return s.run(ctx, command.Call{Stdio: e, Name: s.name, Usage: s.args, About: s.about, Args: args[1:]})
		}
	}
	return command.Usagef("there is no subcommand %q; copra help lists those there are", args[0])
}

func help(w io.Writer) {
	fmt.Fprint(w, "Copra is a self-hosted transcoding server that speaks the Coconut API v2.\n\nUsage: copra SUBCOMMAND [flags]\n\n")
	for _, s := range subcommands() {
		fmt.Fprintf(w, "  %-13s %s\n", s.name, s.about)
	}
	fmt.Fprint(w, "\ncopra help SUBCOMMAND shows its flags. Each flag has an environment variable too.\n")
}

func printVersion(_ context.Context, c command.Call) error {
	if err := new(settings.Settings).ParseFlags(c, 0); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "copra %s (%s %s/%s)\n", buildinfo.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
