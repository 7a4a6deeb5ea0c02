package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

// request is the job that the arguments of submit and plan describe.
type request struct {
	do      string // the subcommand, for messages
	target  string // a file, a URL, or a request as JSON
	outputs []string
}

// row is the setting of the outputs.
func (q *request) row() settings.Row {
	return settings.Row{Flag: "o", Shown: defaultOutput, Set: settings.List(&q.outputs),
		Help: "an output: mp4:720p, mp4:720p=/video.mp4, httpstream, or with parameters 'jpg:320x;number=5'; repeatable."}
}

// take reads the words of the call, and finds mistakes before a server is asked or
// started.
func (q *request) take(words []string) error {
	if len(words) != 1 {
		return command.Usagef("%s: name one FILE, URL or job.json; there are %d", q.do, len(words))
	}
	q.target = words[0]
	if q.isJSON() && len(q.outputs) > 0 {
		return command.Usagef("%s: -o is for a FILE or URL; %s names its own outputs", q.do, q.target)
	}
	if !q.isURL() {
		st, err := os.Stat(q.target)
		if errors.Is(err, fs.ErrNotExist) {
			return command.Usagef("%s: there is no file %q, and it is no http(s) URL", q.do, q.target)
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", q.target, err)
		}
		if st.IsDir() {
			return command.Usagef("%s: %q is a folder", q.do, q.target)
		}
	}
	for _, o := range q.outputs {
		if _, err := q.parse(o); err != nil {
			return err
		}
	}
	return nil
}

func (q *request) isJSON() bool { return !q.isURL() && strings.HasSuffix(q.target, ".json") }
func (q *request) isURL() bool {
	return strings.HasPrefix(q.target, "http://") || strings.HasPrefix(q.target, "https://")
}

// body returns the request as the API takes it. input gives the URL of a local file.
func (q *request) body(input func(file string) (url string, err error)) ([]byte, error) {
	if q.isJSON() {
		data, err := os.ReadFile(q.target)
		if err != nil {
			return nil, fmt.Errorf("read job: %w", err)
		}
		return data, nil
	}
	from := q.target
	if !q.isURL() {
		var err error
		if from, err = input(q.target); err != nil {
			return nil, err
		}
	}
	outputs, err := q.outputParams(from)
	if err != nil {
		return nil, err
	}
	return json.Marshal(client.JobRequest{
		Input: client.Input{URL: from}, Storage: &client.Storage{Service: "coconut"}, Outputs: outputs,
	})
}
