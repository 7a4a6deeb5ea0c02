// Package cli is the command-line client: submit and check.
package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/server"
	"github.com/copra-video/copra/internal/settings"
)

// submission is one call of the subcommand.
type submission struct {
	target  string
	outputs []string
	out     string
	server  string
	keyFile string
	json    bool
	private bool // the server was started for this job and ends with it
}

// Submit sends a job and follows it to its end. The exit code is 0 when the
// job completed, 1 when it failed, 130 when it was interrupted.
func Submit(ctx context.Context, call command.Call) error {
	var sub submission
	var s settings.Settings
	words, err := s.Parse(call, settings.Standalone,
		settings.Row{Flag: "o", Shown: defaultOutput, Set: settings.List(&sub.outputs),
			Help: "an output: mp4:720p, mp4:720p=/video.mp4, httpstream, or with parameters 'jpg:320x;number=5'; repeatable."},
		settings.Row{Flag: "out", Shown: "leaving them on the server", Set: settings.Text(&sub.out),
			Help: "folder to download the results into."},
		settings.Row{Flag: "server", Env: "COPRA_SERVER", Shown: "the standalone server of --data, which is started for the job when it does not run", Set: settings.Text(&sub.server),
			Help: "base URL of the server, http://host:8080/v2."},
		settings.Row{Flag: "key-file", Env: "COPRA_API_KEY_FILE", Shown: "the standalone server's own", Set: settings.Text(&sub.keyFile),
			Help: "file with the API key; the variable COPRA_API_KEY may hold the key itself."},
		settings.Row{Env: "COPRA_API_KEY", Shown: "the key in --key-file", Set: settings.Secret(&s.APIKey),
			Help: "the API key to send the job with."},
		settings.Row{Flag: "json", Switch: &sub.json,
			Help: "print the finished job as JSON instead of a table."})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return command.Usagef("submit: name one FILE, URL or job.json; there are %d", len(words))
	}
	sub.target = words[0]
	if err := sub.check(); err != nil {
		return err
	}
	c, stop, err := sub.connect(ctx, call.Stdio, s)
	if err != nil {
		return err
	}
	defer stop()
	return sub.run(ctx, call.Stdio, c)
}

// check finds mistakes before a server is asked or started.
func (sub *submission) check() error {
	if sub.isJSON() && len(sub.outputs) > 0 {
		return command.Usagef("submit: -o is for a FILE or URL; %s names its own outputs", sub.target)
	}
	if !sub.isURL() {
		st, err := os.Stat(sub.target)
		if errors.Is(err, fs.ErrNotExist) {
			return command.Usagef("submit: there is no file %q, and it is no http(s) URL", sub.target)
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", sub.target, err)
		}
		if st.IsDir() {
			return command.Usagef("submit: %q is a folder", sub.target)
		}
	}
	for _, o := range sub.outputs {
		if _, err := parseRequested(o); err != nil {
			return err
		}
	}
	return nil
}

func (sub *submission) isJSON() bool { return !sub.isURL() && strings.HasSuffix(sub.target, ".json") }
func (sub *submission) isURL() bool {
	return strings.HasPrefix(sub.target, "http://") || strings.HasPrefix(sub.target, "https://")
}

// connect returns a client of the server that was named, else of the standalone
// server of the data folder, which it starts if it does not run.
func (sub *submission) connect(ctx context.Context, e command.Stdio, s settings.Settings) (*client.Client, func(), error) {
	key := s.APIKey.Reveal()
	if key == "" && sub.keyFile != "" {
		data, err := os.ReadFile(sub.keyFile)
		if err != nil {
			return nil, nil, fmt.Errorf("read API key: %w", err)
		}
		key = strings.TrimSpace(string(data))
	}
	if sub.server != "" {
		if key == "" {
			return nil, nil, command.Usagef("submit: --server needs an API key, in COPRA_API_KEY or --key-file")
		}
		c, err := client.New(client.Options{BaseURL: sub.server, APIKey: key})
		if err != nil {
			return nil, nil, command.Usagef("submit: --server: %w", err)
		}
		return c, func() {}, nil
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
	c, err := client.New(client.Options{BaseURL: local.URL, APIKey: local.Key})
	if err != nil {
		stop()
		return nil, nil, err
	}
	return c, stop, nil
}

func (sub *submission) run(ctx context.Context, e command.Stdio, c *client.Client) error {
	body, err := sub.body(ctx, e, c)
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
		enc := json.NewEncoder(e.Stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(j); err != nil {
			return fmt.Errorf("print job: %w", err)
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
		fmt.Fprintf(e.Stderr, "the job %s goes on; DELETE %s/jobs/%s ends it\n", id, c.BaseURL(), id)
		return command.ExitError{Code: interruptedCode}
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

// body makes the request, uploading a local file first.
func (sub *submission) body(ctx context.Context, e command.Stdio, c *client.Client) ([]byte, error) {
	if sub.isJSON() {
		data, err := os.ReadFile(sub.target)
		if err != nil {
			return nil, fmt.Errorf("read job: %w", err)
		}
		return data, nil
	}
	input := sub.target
	if !sub.isURL() {
		fmt.Fprintf(e.Stderr, "uploading %s\n", filepath.Base(sub.target))
		u, err := c.UploadFile(ctx, sub.target)
		if err != nil {
			return nil, err
		}
		input = u
	}
	outputs, err := sub.outputParams(input)
	if err != nil {
		return nil, err
	}
	return json.Marshal(client.JobRequest{
		Input: client.Input{URL: input}, Storage: &client.Storage{Service: "coconut"}, Outputs: outputs,
	})
}

// table prints what became of the job.
func (sub *submission) table(e command.Stdio, j *client.Job, took time.Duration) {
	tw := tabwriter.NewWriter(e.Stdout, 0, 4, 2, ' ', 0)
	for _, o := range j.Outputs {
		if o.Error != "" {
			fmt.Fprintf(tw, "%s\t%s\t%s\n", o.Key, o.Status, o.Error)
			continue
		}
		fmt.Fprintf(tw, "%s\t%s\t", o.Key, o.Status)
		files := o.Files()
		for i, f := range files {
			if i > 0 {
				fmt.Fprint(tw, "\t\t")
			}
			fmt.Fprintf(tw, "%s\n", strings.TrimSpace(f.Format+" "+f.URL))
		}
		if len(files) == 0 {
			fmt.Fprintln(tw)
		}
	}
	_ = tw.Flush()
	for _, problem := range []string{j.Input.Error, j.Error} {
		if problem != "" {
			fmt.Fprintln(e.Stdout, problem)
		}
	}
	fmt.Fprintf(e.Stdout, "%s %s after %s\n", j.ID, j.Status, took.Round(100*time.Millisecond))
}
