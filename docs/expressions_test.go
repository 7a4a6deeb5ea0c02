package docs

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/expr"
	"github.com/copra-video/copra/transcode/format"
)

var exampleRow = regexp.MustCompile("(?m)^\\| `([^`]*)` \\| `([^`]*)` \\|$")

// TestExpressions: the examples of expressions.md give what it says, and it
// names every variable.
func TestExpressions(t *testing.T) {
	page := read(t, "expressions.md")
	vars := coconut.Vars(job.Media{
		FormatName: "mov,mp4", Duration: 60.4,
		Video: []job.VideoStream{{Codec: "h264", Width: 1920, Height: 1080, FPS: format.Rational{Num: 25, Den: 1}}},
	})
	_, examples, ok := strings.Cut(page, "<!-- examples:")
	rows := exampleRow.FindAllStringSubmatch(examples, -1)
	if !ok || len(rows) < 5 {
		t.Fatalf("%d examples were found", len(rows))
	}
	for _, row := range rows {
		got, err := expr.Eval(row[1], vars)
		if err != nil || fmt.Sprint(got) != row[2] {
			t.Errorf("%s gives %v, %v; the page says %s", row[1], got, err, row[2])
		}
	}
	for name := range vars {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("expressions.md does not name %s", name)
		}
	}
	conditions := 0
	for line := range strings.Lines(page) {
		if condition, ok := strings.CutPrefix(line, "    {{"); ok {
			conditions++
			if _, err := expr.Condition("{{"+condition, vars); err != nil {
				t.Error(err)
			}
		}
	}
	if conditions == 0 {
		t.Error("no conditions were found")
	}
}
