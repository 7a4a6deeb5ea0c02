package docsite

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark/ast"
)

// anchors names headings as GitHub does: lower case, spaces become hyphens, and of
// the other characters only letters, digits, hyphens and underscores stay. A name that
// was given already gets a number.
type anchors struct{ seen map[string]int }

// Generate is for parser.IDs.
func (a *anchors) Generate(value []byte, _ ast.NodeKind) []byte {
	name := anchor(string(value))
	n := a.seen[name]
	a.seen[name]++
	if n > 0 {
		name += "-" + strconv.Itoa(n)
	}
	return []byte(name)
}

// Put is for parser.IDs.
func (a *anchors) Put(value []byte) { a.seen[string(value)]++ }

func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}
