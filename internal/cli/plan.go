package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/copra-video/copra/api/preview"
	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// Plan says what a job would do, and does none of it. A server that is named says so;
// else it is planned here. The exit code is 1 when the request or an output would be
// refused.
func Plan(ctx context.Context, call command.Call) error {
	var s settings.Settings
	var p endpoint
	var asJSON bool
	r := request{do: call.Name}
	known := planInput{assumed: client.PreviewInput(preview.DefaultInput)}
	in := &known.assumed
	seconds := int(in.Duration)
	words, err := s.Parse(call, 0, append(p.rows(&s, "none; the program itself makes the plan"), r.row(),
		settings.Row{Flag: "width", Shown: strconv.Itoa(in.Width), Set: settings.Number(&in.Width, 1, 8192), Help: "pixels of the input that is assumed."},
		settings.Row{Flag: "height", Shown: strconv.Itoa(in.Height), Set: settings.Number(&in.Height, 1, 8192), Help: "pixels of the input that is assumed."},
		settings.Row{Flag: "fps", Shown: strconv.Itoa(in.FPS), Set: settings.Number(&in.FPS, 1, 240), Help: "frame rate of the input that is assumed."},
		settings.Row{Flag: "duration", Shown: strconv.Itoa(seconds), Set: settings.Number(&seconds, 1, 1_000_000), Help: "seconds of the input that is assumed."},
		settings.Row{Flag: "job", Shown: "none", Set: settings.Text(&known.job), Help: "a job of the server whose input is meant."},
		settings.Row{Flag: "json", Switch: &asJSON, Help: "print the plan as JSON, as POST /v2/validate answers it."})...)
	if err != nil {
		return err
	}
	in.Duration = float64(seconds)
	described := *in != client.PreviewInput(preview.DefaultInput)
	if err := r.take(words); err != nil {
		return err
	}
	// The file is not uploaded. RFC 2606 reserves .invalid.
	body, err := r.body(func(file string) (string, error) {
		return "https://upload.invalid/" + url.PathEscape(filepath.Base(file)), nil
	})
	if err != nil {
		return err
	}
	c, err := p.named(r.do, s)
	if err != nil {
		return err
	}
	switch {
	case known.job != "" && c == nil:
		return command.Usagef("%s: --job names a job of a server: say which by --server", r.do)
	case known.job != "" && described:
		return command.Usagef("%s: --job names the input: leave out what describes one", r.do)
	case known.job == "" && !described && !r.isURL() && !r.isJSON():
		if err := known.probe(ctx, r.target); err != nil {
			return err
		}
	}
	plan, err := known.plan(ctx, c, body)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(call.Stdout, plan)
	} else {
		printPlan(call.Stdout, plan)
	}
	if err == nil && !accepted(plan) {
		return command.ExitError{Code: 1}
	}
	return err
}

// planInput is what the plan is made for: the input of a job, a file that was looked at, or
// what is assumed.
type planInput struct {
	assumed client.PreviewInput
	job     string
	file    *job.Media
}

// probe looks at a local file, if this machine has ffprobe. The error is a sentence for a
// file that is no input.
func (in *planInput) probe(ctx context.Context, file string) error {
	tools, err := ffmpeg.Find(ctx, "", "")
	if err != nil {
		return context.Cause(ctx) // what is assumed has to do
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("find %s: %w", file, err)
	}
	media, err := tools.Probe(ctx, path)
	if err != nil {
		return fmt.Errorf("look at %s: %w", file, err)
	}
	in.file = &media
	return nil
}

// plan asks the server. Without one it makes the plan here: package preview is what a
// server answers with too.
func (in *planInput) plan(ctx context.Context, c *client.Client, body []byte) (*client.Preview, error) {
	local := preview.Of(body, preview.Input(in.assumed), transcode.Options{})
	if in.file != nil {
		local = preview.For(body, *in.file, transcode.Options{})
	}
	switch {
	case c != nil && in.job != "":
		return c.ValidateForJob(ctx, body, in.job)
	case c != nil:
		of := local.Input
		of.Width, of.Height = min(of.Width, 8192), min(of.Height, 8192)
		return c.ValidateJSON(ctx, body, client.PreviewInput(of))
	}
	text, err := json.Marshal(local)
	if err != nil {
		return nil, fmt.Errorf("make plan: %w", err)
	}
	plan := new(client.Preview)
	if err := json.Unmarshal(text, plan); err != nil {
		return nil, fmt.Errorf("make plan: %w", err)
	}
	return plan, nil
}

// accepted reports whether the job would be accepted, and no output fail.
func accepted(p *client.Preview) bool {
	for _, o := range p.Outputs {
		if o.Result == preview.Refused {
			return false
		}
	}
	return p.Valid
}

func printPlan(w io.Writer, p *client.Preview) {
	if !p.Valid {
		fmt.Fprintf(w, "refused: %s (%s)\n", p.Message, p.Code)
		return
	}
	in := p.Input
	fmt.Fprintf(w, "for an input of %dx%d, %d fps and %g s\n\n", in.Width, in.Height, in.FPS, in.Duration)
	made := 0
	tw := newTable(w)
	fmt.Fprintln(tw, "OUTPUT\tRESULT")
	for _, o := range p.Outputs {
		if o.Result == preview.Made {
			made++
		}
		why := ""
		if o.Message != "" {
			why = fmt.Sprintf("\t%s (%s)", o.Message, o.Code)
		} else if o.Note != "" {
			why = "\t" + o.Note
		}
		fmt.Fprintf(tw, "%s\t%s%s\n", o.Key, o.Result, why)
	}
	_ = tw.Flush()
	video, audio := 0, 0
	if len(p.Steps) > 0 {
		fmt.Fprintln(w)
		tw = newTable(w)
		fmt.Fprintln(tw, "STEP\tKIND\tAFTER\tFOR")
		for _, s := range p.Steps {
			video, audio = video+s.VideoEncodes, audio+s.AudioEncodes
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", s.ID, s.Kind, cmp.Or(strings.Join(s.Needs, ", "), "-"), strings.Join(s.Outputs, ", "))
		}
		_ = tw.Flush()
	}
	fmt.Fprintf(w, "\n%d of %d outputs, %d steps, encodes: %d of video, %d of audio; files of up to about %s in the work directory besides the input\n",
		made, len(p.Outputs), len(p.Steps), video, audio, megabytes(p.WorkBytes))
}

func megabytes(n int64) string {
	if n < 1_000_000 {
		return "1 MB"
	}
	return fmt.Sprintf("%d MB", (n+999_999)/1_000_000)
}

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 4, 2, ' ', 0) }

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}
