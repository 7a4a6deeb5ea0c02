package spec

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The specification, and the page of all error codes.
var (
	specFile   = filepath.Join("..", "..", "docs", "spec", "coconut-v2.md")
	errorsFile = filepath.Join("..", "..", "docs", "errors.md")
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	heading   = regexp.MustCompile(`^##+ (\d+(?:\.\d+)?)\.? (.*)`)
	quoted    = regexp.MustCompile("`([^`]+)`")
	ruler     = regexp.MustCompile(`^\|[-|]+$`)
	column    = regexp.MustCompile(`(?:^|[^\\])\|`)
	inParens  = regexp.MustCompile(`\([^)]*\)`)
	errorCode = regexp.MustCompile(`^[a-z_]+_(not_valid|out_of_range)$`)
	bitrate   = regexp.MustCompile(`^\d+k$|^NNN`)
)

// history are the sections whose tables say nothing of what the server does:
// the marks of the page itself, and the past.
var history = []string{"0", "8"}

// section is a numbered section of the specification.
type section struct {
	number, title string
	rows          []string // names, in the order of the text
}

// sections lists the sections of the specification with the rows of their
// tables, and of the lists in its text that are as good as tables.
func sections(text string) []section {
	var all []section
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if m := heading.FindStringSubmatch(line); m != nil {
			all = append(all, section{number: m[1], title: m[2]})
			continue
		}
		if len(all) == 0 {
			continue
		}
		s := &all[len(all)-1]
		if slices.Contains(history, s.number) {
			continue
		}
		isTable := strings.HasPrefix(line, "|") && !ruler.MatchString(line)
		if isHeader := isTable && i+1 < len(lines) && ruler.MatchString(lines[i+1]); isHeader {
			continue
		}
		if isTable {
			s.rows = append(s.rows, rowNames(s.number, line)...)
		} else {
			s.rows = append(s.rows, listed(s.number, line)...)
		}
	}
	for i, s := range all { // a size of a definition stands in two tables
		seen := map[string]bool{}
		all[i].rows = slices.DeleteFunc(s.rows, func(r string) bool {
			defer func() { seen[r] = true }()
			return seen[r]
		})
	}
	return all
}

// listed are the rows in a line of the text.
func listed(number, line string) (rows []string) {
	switch {
	case number == "3.3" && (strings.HasPrefix(line, "`acl` values") || strings.HasPrefix(line, "`storage_class` values")):
		all := words(line)
		for _, w := range all[1:] {
			rows = append(rows, all[0]+" "+w)
		}
	case number == "4.7":
		rows = quotes(line)
	case number == "5.5" && strings.HasPrefix(line, "Conditions"):
		rows = strings.Fields(quotes(line)[0])
	case number == "5.6" && strings.HasPrefix(line, "`{%"):
		rows = quotes(line)[1:]
	}
	return rows
}

// rowNames are the names that a row of a table stands for.
func rowNames(number, line string) []string {
	cells := column.Split(strings.Trim(line, "|"), -1)
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	text, names := strings.ReplaceAll(cells[0], "`", ""), quotes(cells[0])
	switch number {
	case "1.3", "12.2": // a sentence that quotes something
		return []string{text}
	case "12":
		names = []string{text}
		for _, v := range quotes(cells[1]) {
			if errorCode.MatchString(v) || text == "service names" {
				names = append(names, v)
			}
		}
		return names
	case "2.2":
		names = nil
		for _, v := range quotes(cells[1]) {
			if strings.HasPrefix(v, ".") {
				v = text + v
			}
			names = append(names, v)
		}
		return names
	case "3.2", "3.3":
		if strings.HasPrefix(text, "*(none)*") {
			return []string{"*(none)*"}
		}
		for _, member := range quotes(inParens.ReplaceAllString(strings.Join(cells[1:], " "), "")) {
			for _, service := range quotes(cells[0]) {
				names = append(names, service+" "+member)
			}
		}
		return names
	}
	if len(names) == 0 {
		names = []string{text}
	}
	if slices.Contains([]string{"4.3", "4.4", "4.5"}, number) && len(cells) > 1 {
		for _, v := range words(cells[1]) {
			if v != "quality" && !bitrate.MatchString(v) {
				names = append(names, names[0]+" "+v)
			}
		}
	}
	return names
}

func quotes(s string) (list []string) {
	for _, m := range quoted.FindAllStringSubmatch(s, -1) {
		list = append(list, m[1])
	}
	return list
}

// words are those of all that is quoted in s.
func words(s string) (list []string) {
	for _, v := range quotes(s) {
		list = append(list, strings.Fields(v)...)
	}
	return list
}

// codesOf are the error codes of docs/errors.md.
func codesOf(page string) []string {
	found := map[string]bool{}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "| `") {
			found[quotes(line)[0]] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
