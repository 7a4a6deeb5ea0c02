package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

var snippet = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// TestProgramOfAUser: the program in docs/api.md compiles in a module of its
// own, with no other module at hand.
func TestProgramOfAUser(t *testing.T) {
	page, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	code := snippet.FindSubmatch(page)
	if code == nil {
		t.Fatal("docs/api.md shows no program in Go")
	}
	version := regexp.MustCompile(`(?m)^go .*$`)
	module, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	repository, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/program\n\n" + string(version.Find(module)) + "\n\nrequire github.com/copra-video/copra v0.0.0\n\nreplace github.com/copra-video/copra => " + repository + "\n",
		"main.go": "package main\n\nimport (\n\t\"context\"\n\t\"fmt\"\n\t\"os\"\n\n\t\"github.com/copra-video/copra/client\"\n)\n\n" +
			"func main() { _ = run(context.Background()) }\n\nfunc run(ctx context.Context) error {\n" + string(code[1]) + "\treturn nil\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	vet := exec.Command("go", "vet", ".")
	vet.Dir = dir
	vet.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off", "GOMODCACHE="+filepath.Join(dir, "modules"))
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
