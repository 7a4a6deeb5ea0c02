package cli

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/testmedia"
)

// subcommand is a function of this package that the program calls.
type subcommand func(context.Context, command.Call) error

// result is what a call of a subcommand did.
type result struct {
	code        int
	out, stderr string
}

// called calls a subcommand with these variables.
func called(ctx context.Context, run subcommand, env map[string]string, args ...string) result {
	var out, stderr syncBuffer
	err := run(ctx, command.Call{
		Stdio: command.Stdio{Getenv: func(n string) string { return env[n] }, Stdout: &out, Stderr: &stderr},
		Name:  "test", Args: args,
	})
	code := command.ExitCode(err, &stderr)
	return result{code, out.String(), stderr.String()}
}

func (r result) expect(t *testing.T, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d:\n%s%s", r.code, code, r.out, r.stderr)
	}
	for _, w := range words {
		if !strings.Contains(r.out+r.stderr, w) {
			t.Errorf("%q is missing in:\n%s%s", w, r.out, r.stderr)
		}
	}
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const severalOutputs = `{"input": {"url": "https://example.com/a.mp4"}, "storage": {"service": "coconut"}, "outputs": {
	"mp4:720p": {"path": "/a.mp4"}, "mp4:1080p": {"path": "/b.mp4", "if": "{{ input.width }} >= 3840"}, "webm": {"path": "/late.webm", "offset": 100}}}`

// TestPlanHere makes plans without a server.
func TestPlanHere(t *testing.T) {
	job := file(t, "job.json", severalOutputs)
	film := testmedia.Counter(t, "25", 3, 64, 64)
	for name, c := range map[string]struct {
		args  []string
		code  int
		words []string
	}{
		"one output":         {[]string{"https://example.com/a.mov", "-o", "mp4:480p"}, 0, []string{"1920x1080, 25 fps and 60 s", "mp4:480p", "made", "1 of 1 outputs", "1 of video, 1 of audio"}},
		"a file":             {[]string{film, "-o", "mp4:64x64", "-o", "webm;offset=2", "-o", "mp3;offset=20"}, 1, []string{"for an input of 64x64, 25 fps and 3", "mp4:64x64", "2 of 3 outputs", "refused"}},
		"no media":           {[]string{file(t, "a b.mov", "text")}, 1, []string{"look at", "a b.mov", "The input"}},
		"assumed, not read":  {[]string{film, "--width", "640", "--height", "360"}, 0, []string{"640x360, 25 fps and 60 s"}},
		"a job, no server":   {[]string{film, "--job", "abc"}, 2, []string{"say which by --server"}},
		"refused output":     {[]string{job}, 1, []string{"mp4:1080p", "skipped", "webm", "refused", "1 of 3 outputs"}},
		"another input":      {[]string{job, "--width", "3840", "--height", "2160", "--duration", "200"}, 0, []string{"3840x2160, 25 fps and 200 s", "3 of 3 outputs"}},
		"refused request":    {[]string{file(t, "bad.json", `{"input": {"uri": "https://a/b"}}`)}, 1, []string{"refused: The job 'input'", "write 'url'", "(input_not_valid)"}},
		"misplaced param":    {[]string{"https://example.com/a.mov", "-o", "jpg:300x;offset=10%"}, 1, []string{"refused: ", "'offsets'"}},
		"no JSON":            {[]string{file(t, "none.json", "")}, 1, []string{"(config_not_valid)"}},
		"two targets":        {[]string{job, job}, 2, []string{"there are 2"}},
		"-o beside a job":    {[]string{job, "-o", "mp3"}, 2, []string{"names its own outputs"}},
		"server without key": {[]string{job, "--server", "http://a/v2"}, 2, []string{"needs an API key"}},
	} {
		t.Run(name, func(t *testing.T) {
			called(t.Context(), Plan, nil, c.args...).expect(t, c.code, c.words...)
		})
	}
}

// planJSON is the plan that --json prints.
func planJSON(t *testing.T, r result) client.Preview {
	t.Helper()
	var p client.Preview
	if err := json.Unmarshal([]byte(r.out), &p); err != nil {
		t.Fatal(errors.Join(err, errors.New(r.out+r.stderr)))
	}
	return p
}
