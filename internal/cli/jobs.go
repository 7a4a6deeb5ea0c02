package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

// standaloneOfData is the server of a subcommand that was given none.
const standaloneOfData = "the standalone server of --data, which must run"

// Jobs lists the jobs of the API key, newest first.
func Jobs(ctx context.Context, call command.Call) error {
	var s settings.Settings
	var p endpoint
	var o client.ListOptions
	var status string
	var limit int
	var asJSON bool
	err := s.ParseFlags(call, settings.Folder, append(p.rows(&s, standaloneOfData),
		settings.Row{Flag: "status", Shown: "any", Set: settings.Text(&status), Help: "only jobs that are starting, processing, completed or failed."},
		settings.Row{Flag: "text", Set: settings.Text(&o.Text), Help: "only jobs with this text in their id, an error, their metadata, or the key or format of an output."},
		settings.Row{Flag: "metadata", Set: settings.Text(&o.Metadata), Help: "only jobs with this member of their metadata, name:value."},
		settings.Row{Flag: "limit", Default: "20", Set: settings.Number(&limit, 0, 1_000_000), Help: "the most jobs to list; 0 is all."},
		settings.Row{Flag: "json", Switch: &asJSON, Help: "print the jobs as a JSON array, each as the API shows it."})...)
	if err != nil {
		return err
	}
	if status != "" {
		o.Status = client.JobStatus("job." + strings.TrimPrefix(status, "job."))
	}
	c, err := p.running(ctx, call.Name, s)
	if err != nil {
		return err
	}
	const page = 100 // the most that the API gives at once
	if o.Limit = page; limit > 0 {
		o.Limit = min(limit, page)
	}
	jobs := []*client.Job{}
	for j, err := range c.ListJobs(ctx, o) {
		if err != nil {
			return err
		}
		if jobs = append(jobs, j); len(jobs) == limit {
			break
		}
	}
	if asJSON {
		return printJSON(call.Stdout, jobs)
	}
	printJobs(call.Stdout, jobs)
	return nil
}

func printJobs(w io.Writer, jobs []*client.Job) {
	tw := newTable(w)
	fmt.Fprintln(tw, "ID\tSTATUS\tPROGRESS\tCREATED\tOUTPUTS")
	for _, j := range jobs {
		var keys []string
		why := cmp.Or(j.Error, j.Input.Error)
		for _, o := range j.Outputs {
			keys = append(keys, o.Key)
			why = cmp.Or(why, o.Error)
		}
		if why != "" {
			why = "\t" + why
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s%s\n", j.ID, j.Status, j.Progress, j.CreatedAt.Format(time.RFC3339), strings.Join(keys, ", "), why)
	}
	_ = tw.Flush()
}

// Job shows a job, or follows it to its end. The exit code is 1 when it failed, 130
// when following it was interrupted.
func Job(ctx context.Context, call command.Call) error {
	one := oneJob{watchable: true}
	return one.run(ctx, call, (*client.Client).Job)
}

// Cancel ends a job. The exit code is 1 when it has finished already.
func Cancel(ctx context.Context, call command.Call) error {
	one := oneJob{changes: true}
	return one.run(ctx, call, (*client.Client).Cancel)
}

// Retry has a finished job run the outputs that are not done once more. The exit code
// is 1 when there is nothing to retry; with --watch it is that of Job.
func Retry(ctx context.Context, call command.Call) error {
	one := oneJob{watchable: true, changes: true}
	return one.run(ctx, call, (*client.Client).Retry)
}

// oneJob is a call of a subcommand about one job.
type oneJob struct {
	endpoint
	watchable bool // it has --watch
	changes   bool // it succeeds when the job was changed, whatever its status
	watch     bool
	json      bool
}

// run asks for the job by do, and shows what came.
func (one *oneJob) run(ctx context.Context, call command.Call, do func(*client.Client, context.Context, string) (*client.Job, error)) error {
	var s settings.Settings
	rows := append(one.rows(&s, standaloneOfData),
		settings.Row{Flag: "json", Switch: &one.json, Help: "print the job as JSON, as the API shows it."})
	if one.watchable {
		rows = append(rows, settings.Row{Flag: "watch", Switch: &one.watch, Help: "show its progress until it has ended."})
	}
	words, err := s.Parse(call, settings.Folder, rows...)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return command.Usagef("%s: name the ID of one job; there are %d", call.Name, len(words))
	}
	c, err := one.running(ctx, call.Name, s)
	if err != nil {
		return err
	}
	j, err := do(c, ctx, words[0])
	if err != nil {
		return err
	}
	if one.watch && !j.Status.Finished() {
		if j, err = watchJob(ctx, call.Stdio, c, j); err != nil {
			return err
		}
	}
	if one.json {
		err = printJSON(call.Stdout, j)
	} else {
		printResults(call.Stdout, j)
		fmt.Fprintf(call.Stdout, "%s %s %s\n", j.ID, j.Status, j.Progress)
	}
	if err == nil && j.Status == client.JobFailed && (one.watch || !one.changes) {
		return command.ExitError{Code: 1}
	}
	return err
}

// watchJob shows the progress of a job until it has ended. An interrupted one goes on.
func watchJob(ctx context.Context, e command.Stdio, c *client.Client, j *client.Job) (*client.Job, error) {
	show, done := watch(e.Stderr, snapshotOf(j))
	show(snapshotOf(j))
	ended, err := follow(ctx, c, j.ID, show)
	done()
	if err != nil && ctx.Err() != nil {
		return nil, goesOn(e, j.ID)
	}
	return ended, err
}

// goesOn says that a job does not end with the program that followed it.
func goesOn(e command.Stdio, id string) error {
	fmt.Fprintf(e.Stderr, "the job %s goes on; copra cancel %s ends it\n", id, id)
	return command.ExitError{Code: interruptedCode}
}

// printResults prints the outputs of a job with their results, and why it failed.
func printResults(w io.Writer, j *client.Job) {
	tw := newTable(w)
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
			fmt.Fprintln(w, problem)
		}
	}
}
