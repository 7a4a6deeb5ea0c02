package docs

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
)

// TestErrorCodes: errors.md explains every reason of the program's table once.
func TestErrorCodes(t *testing.T) {
	refusals := "| code | status | whose fault | a retry helps | cause | cure |\n|---|---|---|---|---|---|\n"
	failures := "| code | whose fault | a retry helps | cause | cure |\n|---|---|---|---|---|\n"
	for _, r := range job.Reasons() {
		retry := "no"
		if r.Transient() {
			retry = "yes"
		}
		if r.Status() != 0 {
			refusals += fmt.Sprintf("| `%s` | %d | %s | %s | %s | %s |\n", r.Code(), r.Status(), r.Fault(), retry, r.Cause(), r.Cure())
			continue
		}
		cause := r.Cause()
		if r.HasMessage() {
			cause = fmt.Sprintf("\"%s\": %s", r.Message(), cause)
		}
		failures += fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", r.Code(), r.Fault(), retry, cause, r.Cure())
	}
	table(t, "errors.md", "refusals", refusals)
	table(t, "errors.md", "failures", failures)
}

var codeEnum = regexp.MustCompile(`(?s)error_code:\n\s+type: string\n\s+enum:\n(.*?)\n\s+example:`)

// TestOpenAPICodes: the API's description lists the codes of refused requests.
func TestOpenAPICodes(t *testing.T) {
	m := codeEnum.FindStringSubmatch(read(t, "../api/openapi.yaml"))
	if m == nil {
		t.Fatal("openapi.yaml has no enum of error codes")
	}
	var want []string
	for _, r := range job.Reasons() {
		if r.Status() != 0 {
			want = append(want, "- "+r.Code())
		}
	}
	got := strings.Fields(strings.ReplaceAll(m[1], "- ", "-"))
	for i := range got {
		got[i] = strings.Replace(got[i], "-", "- ", 1)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the codes differ (-table +openapi.yaml):\n%s", diff)
	}
}

// TestReasonsUsed: the program fails for every reason of the table, and spells
// its code nowhere else.
func TestReasonsUsed(t *testing.T) {
	codes, used := map[string]bool{}, map[string]bool{}
	for _, r := range job.Reasons() {
		codes[r.Code()] = true
	}
	var reasons []string
	for dir, files := range sources(t) {
		for _, f := range files {
			if names := reasonNames(f); dir == "../job" && names != nil {
				reasons = names
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "job" {
						used[n.Sel.Name] = true
					}
				case *ast.Ident:
					used[n.Name] = used[n.Name] || dir == "../job"
				case *ast.BasicLit: // a program that uses the client has the codes as strings
					if dir != "../client" && codes[literal(n)] {
						t.Errorf("%s spells the code %s; use the constant of package job", dir, n.Value)
					}
				}
				return true
			})
		}
	}
	if len(reasons) != len(codes) {
		t.Errorf("%d constants have %d codes", len(reasons), len(codes))
	}
	for _, name := range reasons {
		if !used[name] {
			t.Errorf("nothing fails for the reason %s", name)
		}
	}
}

// reasonNames are the constants of type Reason that f declares.
func reasonNames(f *ast.File) []string {
	var names []string
	for _, d := range f.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		if first, ok := group.Specs[0].(*ast.ValueSpec).Type.(*ast.Ident); !ok || first.Name != "Reason" {
			continue
		}
		for _, s := range group.Specs {
			if name := s.(*ast.ValueSpec).Names[0].Name; ast.IsExported(name) {
				names = append(names, name)
			}
		}
	}
	return names
}
