package transcode

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/copra-video/copra/job"
)

var update = flag.Bool("update", false, "rewrite the wanted parts of the goldens")

// options are those that the parts of a golden name.
func options(t *testing.T, part map[string]*txtar.File) Options {
	t.Helper()
	var o Options
	if f := part["chunk.seconds"]; f != nil {
		var err error
		if o.ChunkSeconds, err = strconv.ParseFloat(strings.TrimSpace(string(f.Data)), 64); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// TestGolden holds plans against testdata/*.txtar: "outputs", one a line, and
// "probe.json" make "want.args", one argument a line. "chunk.seconds" is the option
// of that name. Run with -update to
// rewrite what is wanted, and read the difference.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			part := map[string]*txtar.File{}
			for i := range archive.Files {
				part[archive.Files[i].Name] = &archive.Files[i]
			}
			m, err := job.ParseMedia(part["probe.json"].Data)
			if err != nil {
				t.Fatal(err)
			}
			p := Build(outputs(t, strings.Split(strings.TrimSpace(string(part["outputs"].Data)), "\n")...), m, options(t, part))
			checkPlan(t, p)
			checkJSON(t, p)
			got := show(p)
			if *update {
				if part["want.args"] == nil {
					archive.Files = append(archive.Files, txtar.File{Name: "want.args"})
					part["want.args"] = &archive.Files[len(archive.Files)-1]
				}
				part["want.args"].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(part["want.args"].Data), got); diff != "" {
				t.Errorf("the plan differs (-want +got):\n%s", diff)
			}
		})
	}
}
