package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

// maxStorageFile is the largest description in bytes, as in the API.
const maxStorageFile = 1 << 20

// StorageCheck has a server try out a storage. The exit code is 1 when it takes no
// results. Credentials come from a file or standard input: every user of a machine can
// read the arguments of its processes.
func StorageCheck(ctx context.Context, call command.Call) error {
	var s settings.Settings
	var p endpoint
	var asJSON bool
	words, err := s.Parse(call, settings.Folder, append(p.rows(&s, standaloneOfData),
		settings.Row{Flag: "json", Switch: &asJSON, Help: "print the answer of the API."})...)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return command.Usagef("%s: name one FILE with a 'storage' as in a job, or - for standard input; there are %d", call.Name, len(words))
	}
	body, err := readStorageFile(call.Name, words[0], call.Stdin)
	if err != nil {
		return err
	}
	c, err := p.running(ctx, call.Name, s)
	if err != nil {
		return err
	}
	found, err := c.CheckStorageJSON(ctx, body)
	switch {
	case err != nil:
		return err
	case asJSON:
		err = printJSON(call.Stdout, found)
	default:
		err = printStorageCheck(call.Stdout, found)
	}
	if err == nil && !found.OK() {
		return command.ExitError{Code: 1}
	}
	return err
}

func readStorageFile(do, name string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, command.Usagef("%s: %w", do, err)
		}
		defer f.Close()
		from = f
	} else if from == nil {
		return nil, command.Usagef("%s: there is no standard input", do)
	}
	body, err := io.ReadAll(io.LimitReader(from, maxStorageFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(body) > maxStorageFile {
		return nil, command.Usagef("%s: %s has more than %d bytes", do, name, maxStorageFile)
	}
	return body, nil
}

func printStorageCheck(w io.Writer, c *client.StorageCheck) error {
	tw := newTable(w)
	for _, s := range c.Steps {
		line := fmt.Sprintf("%s\t%s\t%d ms", s.Step, s.Result, s.DurationMS)
		if s.Result == "skipped" {
			line = fmt.Sprintf("%s\t%s\t", s.Step, s.Result)
		}
		if s.Message != "" {
			line += "\t" + s.Message
		}
		fmt.Fprintln(tw, line)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	code := ""
	if c.Code != "" {
		code = " (" + c.Code + ")"
	}
	_, err := fmt.Fprintf(w, "\n%s: %s%s\n", c.Status, c.Message, code)
	return err
}
