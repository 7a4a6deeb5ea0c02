// Package docs holds the documentation for users. Its tests hold the
// documentation against the program: links, settings, formats, metrics, error
// codes and requests.
package docs

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

var update = flag.Bool("update", false, "rewrite the tables that are made from the program")

// pages are all files for people, relative to this folder.
func pages(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, pattern := range []string{"*.md", "spec/*.md", "decisions/*.md", "deploy/*.md", "../findings/*.md", "../*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no pages %s: %v", pattern, err)
		}
		list = append(list, found...)
	}
	return list
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
)

// TestLinks: what a page refers to is there, and so is the heading.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(read(t, page), ""), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: the link %s leads nowhere", page, m[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, file)), anchor) {
				t.Errorf("%s: %s has no heading for the link %s", page, file, m[1])
			}
		}
	}
}

// anchors are the names that headings get on GitHub.
func anchors(text string) []string {
	var names []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return names
}

var (
	curlBody = regexp.MustCompile(`(?s)-d '(\{.*?\})'`)
	jsonCode = regexp.MustCompile("(?ms)^```json\n(.*?)^```$")
)

// TestRequests: every job in the documentation is one that the server accepts.
func TestRequests(t *testing.T) {
	n := 0
	for _, page := range pages(t) {
		text := read(t, page)
		var bodies []string
		for _, m := range curlBody.FindAllStringSubmatch(text, -1) {
			bodies = append(bodies, m[1])
		}
		for _, m := range jsonCode.FindAllStringSubmatch(text, -1) {
			var members map[string]json.RawMessage
			if err := json.Unmarshal([]byte(m[1]), &members); err != nil {
				if !strings.Contains(m[1], "...") {
					t.Errorf("%s: no JSON: %v\n%s", page, err, m[1])
				}
				continue
			}
			if members["input"] != nil && members["id"] == nil {
				bodies = append(bodies, m[1])
			}
		}
		for _, body := range bodies {
			n++
			if _, err := coconut.DecodeJob([]byte(body)); err != nil {
				t.Errorf("%s: the job is refused: %v\n%s", page, err, body)
			}
		}
	}
	if n < 3 {
		t.Errorf("only %d jobs were found in the documentation", n)
	}
}

// TestAnswer: the answer in the README is that to the request above it.
func TestAnswer(t *testing.T) {
	readme := read(t, "../README.md")
	request, answer := curlBody.FindStringSubmatch(readme), jsonCode.FindStringSubmatch(readme)
	if request == nil || answer == nil {
		t.Fatal("the README shows no request or no answer")
	}
	spec, err := coconut.DecodeJob([]byte(request[1]))
	if err != nil {
		t.Fatal(err)
	}
	var want, got map[string]any
	if err := json.Unmarshal([]byte(answer[1]), &want); err != nil {
		t.Fatal(err)
	}
	id, _ := want["id"].(string)
	at, err := time.Parse("2006-01-02 15:04:05 -0700", want["created_at"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(coconut.EncodeJob(job.NewState(id, at.UTC(), spec.Outputs)), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("the README's answer differs (-server +README):\n%s", diff)
	}
}

// table holds the text between <!-- NAME --> and <!-- end --> of a page against
// want; with -update it is rewritten.
func table(t *testing.T, page, name, want string) {
	t.Helper()
	text := read(t, page)
	begin := "<!-- " + name + ", made by go test ./docs -update -->\n"
	head, rest, found := strings.Cut(text, begin)
	body, tail, ended := strings.Cut(rest, "<!-- end -->")
	if !found || !ended {
		t.Fatalf("%s has no place for the table %q", page, name)
	}
	if diff := cmp.Diff(body, want); diff != "" {
		if *update {
			if err := os.WriteFile(page, []byte(head+begin+want+"<!-- end -->"+tail), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Errorf("%s: the table %q is not that of the program (-page +program); run go test ./docs -update:\n%s", page, name, diff)
	}
}
