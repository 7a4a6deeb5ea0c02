// Package cli is the command-line client: submit, plan, check, and what is done with
// jobs that are there.
package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/server"
	"github.com/copra-video/copra/internal/settings"
)

// submission is one call of the subcommand.
type submission struct {
	request
	endpoint
	out     string
	json    bool
	private bool // the server was started for this job and ends with it
}

// Submit sends a job and follows it to its end. The exit code is 0 when the
// job completed, 1 when it failed, 130 when it was interrupted.
func Submit(ctx context.Context, call command.Call) error {
	sub := submission{request: request{do: call.Name}}
	var s settings.Settings
	rows := append(sub.rows(&s, "the standalone server of --data, which is started for the job when it does not run"), sub.row(),
		settings.Row{Flag: "out", Shown: "leaving them on the server", Set: settings.Text(&sub.out),
			Help: "folder to download the results into."},
		settings.Row{Flag: "json", Switch: &sub.json,
			Help: "print the finished job as JSON instead of a table."})
	words, err := s.Parse(call, settings.Standalone, rows...)
	if err != nil {
		return err
	}
	if err := sub.take(words); err != nil {
		return err
	}
	c, stop, err := sub.connect(ctx, call.Stdio, s)
	if err != nil {
		return err
	}
	defer stop()
	return sub.run(ctx, call.Stdio, c)
}

// connect returns a client of the server that was named, else of the standalone
// server of the data folder, which it starts if it does not run.
func (sub *submission) connect(ctx context.Context, e command.Stdio, s settings.Settings) (*client.Client, func(), error) {
	c, err := sub.named(sub.do, s)
	if c != nil || err != nil {
		return c, func() {}, err
	}
	local, err := server.EnsureStandalone(ctx, s, s.Logger(e.Stderr))
	if err != nil {
		return nil, nil, err
	}
	sub.private = local.Started
	stop := func() {
		if err := local.Stop(); err != nil {
			fmt.Fprintln(e.Stderr, "copra:", err)
		}
	}
	c, err = client.New(client.Options{BaseURL: local.URL, APIKey: local.Key})
	if err != nil {
		stop()
		return nil, nil, err
	}
	return c, stop, nil
}

func (sub *submission) run(ctx context.Context, e command.Stdio, c *client.Client) error {
	body, err := sub.body(func(file string) (string, error) {
		fmt.Fprintf(e.Stderr, "uploading %s\n", filepath.Base(file))
		return c.UploadFile(ctx, file)
	})
	if err != nil {
		return err
	}
	start := time.Now()
	// The key makes it safe to send the request again when the connection breaks.
	made, err := c.CreateJobJSON(ctx, body, rand.Text())
	if err != nil {
		return err
	}
	show, done := watch(e.Stderr, snapshotOf(made))
	show(snapshotOf(made))
	j, err := follow(ctx, c, made.ID, show)
	done()
	if err != nil && ctx.Err() != nil {
		return sub.interrupted(ctx, e, c, made.ID)
	}
	if err != nil {
		return err
	}
	took := time.Since(start)
	if sub.out != "" {
		for _, o := range j.Outputs {
			if err := downloadOutput(ctx, c, o, filepath.Join(sub.out, safeName(o.Key))); err != nil {
				return err
			}
		}
	}
	if sub.json {
		if err := printJSON(e.Stdout, j); err != nil {
			return err
		}
	} else {
		sub.table(e, j, took)
	}
	if j.Status != client.JobCompleted {
		return command.ExitError{Code: 1}
	}
	return nil
}

// interrupted is what Ctrl-C does. A job on a server that was started for it is
// cancelled, since that server ends too. On another server the job goes on.
func (sub *submission) interrupted(ctx context.Context, e command.Stdio, c *client.Client, id string) error {
	if !sub.private {
		return goesOn(e, id)
	}
	cctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	if _, err := c.Cancel(cctx, id); err != nil {
		return fmt.Errorf("end the job %s: %w", id, err)
	}
	fmt.Fprintf(e.Stderr, "the job %s was cancelled\n", id)
	return command.ExitError{Code: interruptedCode}
}

// interruptedCode is the exit code of a program that SIGINT ended, as shells
// report it.
const interruptedCode = 130

// table prints what became of the job.
func (sub *submission) table(e command.Stdio, j *client.Job, took time.Duration) {
	printResults(e.Stdout, j)
	fmt.Fprintf(e.Stdout, "%s %s after %s\n", j.ID, j.Status, took.Round(100*time.Millisecond))
}
