package spec

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// clip is a source that has all that conditions and expressions ask for.
func clip() job.Media {
	return job.Media{
		Raw:        []byte(`{"streams":[{"index":0,"codec_name":"h264"}],"format":{"duration":"30.0"}}`),
		FormatName: "mov,mp4,m4a,3gp,3g2,mj2", Duration: 30, Size: 1 << 20,
		Video: []job.VideoStream{{Codec: "h264", Width: 1920, Height: 1080, FPS: format.Rational{Num: 25, Den: 1}, BitRate: 4000000}},
		Audio: []job.AudioStream{{Codec: "aac", SampleRate: 44100, Channels: 2, BitRate: 128000}},
	}
}

// accept decodes a request and everything in it that waits for the probe.
func accept(request string) error {
	spec, err := coconut.DecodeJob([]byte(request))
	if err != nil {
		return err
	}
	for _, o := range spec.Outputs {
		if _, err := coconut.EvalCondition(o, coconut.Vars(clip())); err != nil {
			return err
		}
		if _, err := coconut.ResolveOutput(o, coconut.Vars(clip())); err != nil {
			return err
		}
	}
	return nil
}

// TestRequests: a request with the row is accepted, or refused with the code
// that the row is about.
func TestRequests(t *testing.T) {
	for _, r := range rows {
		if r.request == "" {
			continue
		}
		err := accept(r.request)
		var refusal *job.Error
		switch {
		case r.code == "" && err != nil:
			t.Errorf("%s %s: %v\n%s", r.section, r.name, err, r.request)
		case r.code != "" && (!errors.As(err, &refusal) || refusal.Reason.Code() != r.code):
			t.Errorf("%s %s: got %v, want %s\n%s", r.section, r.name, err, r.code, r.request)
		}
	}
}

// TestCovered: the test that is named for a row is there, and its package
// speaks of the row.
func TestCovered(t *testing.T) {
	covered := read(t)
	for _, r := range rows {
		dir, name, ok := cutTest(r.test)
		p := covered[dir]
		if !ok || p == nil || !slices.Contains(p.tests, name) {
			t.Errorf("%s %s: there is no test %q", r.section, r.name, r.test)
			continue
		}
		if says := r.word(); !strings.Contains(p.text, says) {
			t.Errorf("%s %s: nothing in the tests of %s says %q", r.section, r.name, dir, says)
		}
	}
}

// TestComplete: no row of the specification is missing here.
func TestComplete(t *testing.T) {
	text := specification(t)
	known := map[string]bool{}
	for _, r := range rows {
		known[r.section+" "+r.name] = true
	}
	found := rowsOf(text)
	for _, row := range found {
		if !known[row] {
			t.Errorf("the specification has a row that rows_test.go has not: %s", row)
		}
	}
	if len(found) < 250 {
		t.Errorf("only %d rows were found in the specification", len(found))
	}
}

// TestErrorCodes: each code that docs/errors.md lists has a test that provokes
// it: by a row, or in a test that names the code.
func TestErrorCodes(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, r := range rows {
		known[r.name] = true
	}
	covered := read(t)
	n := 0
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		n++
		code := tokens(line)[0]
		named := func(p *tested) bool { return strings.Contains(p.text, `"`+code+`"`) }
		if !known[code] && !slices.ContainsFunc(slices.Collect(maps.Values(covered)), named) {
			t.Errorf("errors.md has %s, which no test provokes", code)
		}
	}
	if n < 30 {
		t.Errorf("only %d codes were found in errors.md", n)
	}
	for _, r := range rows {
		if codes.MatchString(r.name) && !strings.Contains(string(page), "| `"+r.name+"` |") {
			t.Errorf("errors.md has not %s", r.name)
		}
	}
}

// tested is what the tests of one package are called and say.
type tested struct {
	tests []string
	text  string
}

// read reads all tests of the repository, by folder. What they say is in their
// strings and in the files of testdata.
func read(t *testing.T) map[string]*tested {
	t.Helper()
	root := filepath.Join("..", "..")
	found := map[string]*tested{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		dir, inData, _ := strings.Cut(filepath.ToSlash(filepath.Dir(rel)), "/testdata")
		if d.IsDir() || dir == "internal/spec" && d.Name() != "formats_test.go" {
			return nil // what names rows covers none
		}
		if found[dir] == nil {
			found[dir] = &tested{}
		}
		switch {
		case strings.HasSuffix(path, ".txtar") || inData != "":
			text, err := os.ReadFile(path)
			found[dir].text += string(text)
			return err
		case strings.HasSuffix(path, "_test.go"):
			return found[dir].add(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (p *tested) add(path string) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	var said strings.Builder
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && (strings.HasPrefix(n.Name.Name, "Test") || strings.HasPrefix(n.Name.Name, "Fuzz")) {
				p.tests = append(p.tests, n.Name.Name)
			}
		case *ast.BasicLit:
			said.WriteString(n.Value)
			said.WriteByte('\n')
		case *ast.Ident: // composite literals of job's types name params by their fields
			said.WriteString(n.Name)
			said.WriteByte('\n')
		}
		return true
	})
	p.text += said.String()
	return nil
}

// cutTest takes "api/coconut.TestX" apart.
func cutTest(s string) (dir, name string, ok bool) {
	i := strings.LastIndex(s, ".")
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}
