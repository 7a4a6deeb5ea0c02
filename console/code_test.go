package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/internal/testtime"
)

// requests are what people may type, with what ends a text in some language.
var requests = []string{
	"{\n  \"input\": {\"url\": \"https://example.com/it's $HOME/${x}/#{y}/`z`.mov\"},\n  \"outputs\": {\"mp4:720p\": {\"path\": \"/ü \\\"q\\\" \\\\ \\u00e9 %d.mp4\"}},\n" +
		"  \"metadata\": {\"a\": \"'''\", \"b\": \"<<<JSON EOF\", \"c\": \"*/ ?> {{ z }}\", \"d\": \"\"}\n}",
	"{\"metadata\": {\"a\": \"JSON\", \"b\":\n\"EOF\"},\n\"outputs\":\n{\"mp3\": [{\"path\": \"/a.mp3\"}, {\"path\": \"/b.mp3\", \"if\": \"{{ input.duration }} > 1.5\"}]}}",
}

// snippets runs code.mjs.
func snippets(t *testing.T, api, request string) map[string]string {
	t.Helper()
	module, err := filepath.Abs("static/code.mjs")
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "run.mjs")
	text := fmt.Sprintf("import { readFileSync } from 'node:fs';\nimport { snippets } from %q;\nconst { api, request } = JSON.parse(readFileSync(0, 'utf8'));\nconsole.log(JSON.stringify(snippets(api, request)));\n", module)
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ask, err := json.Marshal(map[string]string{"api": api, "request": request})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", script)
	cmd.Stdin = bytes.NewReader(ask)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	var all map[string]string
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// runners run the code of a language. The published clients are stood in for by what prints
// the request that it is to send; curl and Go send it.
var runners = map[string]struct {
	file, stub, stubFile string
	command              []string
}{
	"curl": {file: "a.sh", command: []string{"sh", "a.sh"}},
	"PHP": {"a.php", `<?php
namespace Coconut;
class Job { public string $id = ''; function create($job) { echo json_encode($job); return $this; } }
class Client { public Job $job; function __construct($key, $options) { $this->job = new Job; } }
`, "vendor/autoload.php", []string{"php", "a.php"}},
	"Ruby": {"a.rb", `require 'json'
module Coconut
  class << self; attr_accessor :api_key, :endpoint; end
  class Job
    def self.create(job) = (print JSON.generate(job); new)
    def id = ''
  end
end
`, "coconutrb.rb", []string{"ruby", "-I.", "a.rb"}},
	"Node": {"a.cjs", `exports.Client = class { Job = { create(job) { process.stdout.write(JSON.stringify(job)); } }; };
`, "node_modules/coconutjs/index.js", []string{"node", "a.cjs"}},
	"Python": {"a.py", `import json, sys
class Job:
    @staticmethod
    def create(job):
        sys.stdout.write(json.dumps(job))
        return {"id": ""}
`, "coconut.py", []string{"python3", "a.py"}},
	"Go": {file: "main.go", command: []string{"go"}},
}

// TestCode: the code of each language has the request byte for byte, and sends it as it is.
func TestCode(t *testing.T) {
	testmedia.Long(t)
	var sent []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ = io.ReadAll(r.Body)
		if user, _, _ := r.BasicAuth(); user != "k-1" || r.Method+" "+r.URL.Path != "POST /v2/jobs" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":"S9BkOufdntiPR9","status":"job.starting"}`)
	}))
	defer srv.Close()
	page := start(t)
	page.signIn(page.token.Reveal())
	builder := page.get("/console/new").body
	for i, request := range requests {
		all := snippets(t, srv.URL+"/v2", request)
		if len(all) != len(runners) {
			t.Fatalf("%d languages", len(all))
		}
		for language, code := range all {
			plain := code
			if language == "Go" {
				plain = strings.ReplaceAll(code, "` + \"`\" + `", "`")
			}
			if !strings.Contains(plain, request) {
				t.Errorf("%s has not the request:\n%s", language, code)
			}
			if !strings.Contains(builder, "<option>"+language+"</option>") {
				t.Errorf("the page does not offer %s", language)
			}
			if language == "Go" && i > 0 {
				continue // it takes longest
			}
			sent = nil
			out := runCode(t, language, code)
			if language == "curl" || language == "Go" {
				if strings.TrimSuffix(string(sent), "\n") != request {
					t.Errorf("%s sent %q, want %q", language, sent, request)
				}
				continue
			}
			if !sameJSON(t, out, []byte(request)) {
				t.Errorf("%s would send %s, want %s", language, out, request)
			}
		}
	}
}

func runCode(t *testing.T, language, code string) []byte {
	t.Helper()
	r := runners[language]
	if _, err := exec.LookPath(r.command[0]); err != nil {
		testmedia.Missing(t, "no "+r.command[0]+"; scripts/setup.sh test installs it")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{r.file: code, r.stubFile: r.stub} {
		if name == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), testtime.Allow(2*time.Minute))
	defer cancel()
	args := r.command[1:]
	if language == "Go" { // of this module, whose client it is to use
		args, dir = []string{"run", filepath.Join(dir, r.file)}, "."
	}
	cmd := exec.CommandContext(ctx, r.command[0], args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "COPRA_API_KEY=k-1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s\n%s", language, err, out, code)
	}
	return bytes.TrimSpace(out)
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Errorf("%v: %s", err, a)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Errorf("%v: %s", err, b)
	}
	return reflect.DeepEqual(x, y)
}
