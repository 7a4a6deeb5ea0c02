package ffmpeg

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/sandbox"
)

// TestServedInput: ffmpeg reads one input by its address, in a sandbox that lets it connect
// there and nowhere else, and no report shows the address.
func TestServedInput(t *testing.T) {
	tools := tools(t)
	box, err := sandbox.Check(t.Context(), sandbox.Trial{})
	if err == nil && box.TCP {
		tools = tools.Sandboxed(Sandbox{Landlock: true, TCP: true})
	}
	if !tools.ServesInputs() {
		t.Fatal("no inputs are served")
	}
	dir := t.TempDir()
	clip := filepath.Join(dir, "clip.mp4")
	if err := tools.Run(t.Context(), Command{Dir: dir, Args: []string{"-f", "lavfi", "-i", "testsrc=s=64x36:d=1", "-f", "mp4", clip}}); err != nil {
		t.Fatal(err)
	}
	film, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	served := func(film []byte) (Command, func()) {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(film) }))
		return Command{
			Dir: dir, Args: []string{"-i", "source", "-c", "copy", "-f", "mp4", "out.mp4"},
			Served: &Served{Name: "source", URL: web.URL + "/secret", Activity: func() (int64, bool) { return 0, false }},
		}, web.Close
	}
	for _, tt := range []struct {
		film []byte
		ok   bool
	}{{film, true}, {[]byte("no film"), false}} {
		c, stop := served(tt.film)
		var report Report
		c.Ended = func(r Report) { report = r }
		err := tools.Run(t.Context(), c)
		stop()
		if (err == nil) != tt.ok {
			t.Errorf("%v", err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") || strings.Contains(strings.Join(report.Args, " ")+report.Said, "secret") || !slices.Contains(report.Args, "source") {
			t.Errorf("%v, %+v", err, report)
		}
	}
	c, stop := served(film)
	defer stop()
	if err := tools.Sandboxed(Sandbox{Landlock: true}).Run(t.Context(), c); err == nil {
		t.Error("an input was served to a program that can connect anywhere")
	}
	c.Served.URL = "http://198.51.100.1:80/film.mp4"
	if err := tools.Run(context.WithoutCancel(t.Context()), c); err == nil {
		t.Error("an address elsewhere was read")
	}
}
