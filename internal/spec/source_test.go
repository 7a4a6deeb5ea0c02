package spec

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// specification returns the text of the specification, which is not part of
// the repository but may lie beside it, and skips the test without it.
func specification(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "shared", "coconut-api.md"))
		if err == nil {
			return string(text)
		}
	}
	t.Skip("no shared/coconut-api.md beside the repository")
	return ""
}

var (
	heading = regexp.MustCompile(`^#+ (\d+(?:\.\d+)?)\.? `)
	quoted  = regexp.MustCompile("`([^`]+)`")
	ruler   = regexp.MustCompile(`^\|[-|]+$`)
	column  = regexp.MustCompile(`(?:^|[^\\])\|`)
	codes   = regexp.MustCompile(`^[a-z_]+_(not_valid|out_of_range)$`)
	values  = map[string]bool{"4.3": true, "4.4": true, "4.5": true} // sections whose second column lists values
	tables  = map[string]bool{
		"1.2": true, "3.1": true, "3.2": true, "3.3": true, "3.4": true, "4.2": true, "4.3": true, "4.4": true, "4.5": true, "4.6": true,
		"5.2": true, "5.3": true, "5.4": true, "6.1": true, "12": true, "12.1": true,
	}
)

// rowsOf lists what the specification's tables, and the lists in its text that
// are as good as tables, have in their rows: "section name".
func rowsOf(text string) []string {
	var rows []string
	section := ""
	add := func(names ...string) {
		for _, n := range names {
			rows = append(rows, section+" "+n)
		}
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if m := heading.FindStringSubmatch(line); m != nil {
			section = m[1]
			continue
		}
		switch {
		case strings.HasPrefix(line, "|"):
			header := i+1 < len(lines) && ruler.MatchString(lines[i+1])
			if tables[section] && !header && !ruler.MatchString(line) {
				add(rowNames(section, line)...)
			}
		case section == "4.2" && (strings.HasPrefix(line, "Current list") || strings.HasPrefix(line, "Older list")):
			add(words(line)...)
		case section == "3.3" && (strings.HasPrefix(line, "`acl` values") || strings.HasPrefix(line, "`storage_class` values")):
			all := words(line)
			for _, w := range all[1:] {
				add(all[0] + " " + w)
			}
		case section == "4.7":
			add(tokens(line)...)
		case section == "5.5" && strings.HasPrefix(line, "Syntax"):
			for _, v := range tokens(line) {
				if strings.HasPrefix(v, "input.") {
					add(v)
				}
			}
		case section == "5.5" && strings.HasPrefix(line, "Conditions"):
			add(strings.Fields(tokens(line)[0])...)
		case section == "5.6" && strings.HasPrefix(line, "`{%"):
			line, _, _ = strings.Cut(line, "; usable")
			for _, f := range tokens(line)[1:] {
				add(strings.Fields(f)...)
			}
		}
	}
	return rows
}

// rowNames are the names that a row of a table stands for.
func rowNames(section, line string) []string {
	cells := column.Split(strings.Trim(line, "|"), -1)
	first := strings.TrimSpace(cells[0])
	if section == "12" {
		names := []string{strings.ReplaceAll(first, "`", "")}
		for _, v := range tokens(cells[1]) {
			if codes.MatchString(v) || first == "service names" {
				names = append(names, v)
			}
		}
		return names
	}
	names := tokens(first)
	if len(names) == 0 {
		names = []string{first}
	}
	if values[section] && len(cells) > 1 {
		for _, v := range words(cells[1]) {
			if v != "quality" && !strings.HasPrefix(v, "NNN") && !regexp.MustCompile(`^\d+k$`).MatchString(v) {
				names = append(names, names[0]+" "+v)
			}
		}
	}
	return names
}

func tokens(s string) []string {
	var list []string
	for _, m := range quoted.FindAllStringSubmatch(s, -1) {
		list = append(list, m[1])
	}
	return list
}

// words are those in all tokens of s.
func words(s string) []string {
	var list []string
	for _, v := range tokens(s) {
		list = append(list, strings.Fields(v)...)
	}
	return list
}
