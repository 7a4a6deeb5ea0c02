package expr

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

type kind int

const (
	tokEnd    kind = iota // the end of the text or, inside {% %}, the "%}"
	tokNumber             // 12, 1.5, .5
	tokString             // 'text' or "text"; text is without quotes
	tokName               // a bare name; keywords and functions too
	tokVar                // {{ name }}; text is the name
	tokOpen               // the "{%" of a nested expression in a condition
	tokOp                 // an operator, a parenthesis or a comma
)

type token struct {
	kind kind
	text string
	pos  int // offset in bytes
}

// String names a token in an error.
func (t token) String() string {
	switch t.kind {
	case tokEnd:
		if t.text != "" {
			return `"` + t.text + `"`
		}
		return "the end"
	case tokString:
		return fmt.Sprintf("the text %q", clip(t.text))
	case tokVar:
		return fmt.Sprintf("{{ %s }}", clip(t.text))
	case tokNumber, tokName, tokOpen, tokOp:
	}
	return fmt.Sprintf("%q", clip(t.text))
}

// syntaxError makes an error at an offset of src; positions count characters from 1.
func syntaxError(src string, pos int, format string, args ...any) error {
	at := utf8.RuneCountInString(src[:min(pos, len(src))]) + 1
	return fmt.Errorf("expression %q, character %d: %s", clip(src), at, fmt.Sprintf(format, args...))
}

// lexer splits an expression of src into tokens, from pos on.
type lexer struct {
	src string
	pos int
}

var operators = []string{"<=", ">=", "<>", "!=", "==", "<", ">", "=", "+", "-", "*", "/", "(", ")", ","}

func (l *lexer) next() (token, error) {
	for l.pos < len(l.src) && strings.IndexByte(" \t\r\n", l.src[l.pos]) >= 0 {
		l.pos++
	}
	start, rest := l.pos, l.src[l.pos:]
	take := func(k kind, n int) (token, error) {
		l.pos += n
		return token{k, rest[:n], start}, nil
	}
	switch {
	case rest == "":
		return token{tokEnd, "", start}, nil
	case strings.HasPrefix(rest, "%}"):
		return take(tokEnd, 2)
	case strings.HasPrefix(rest, "{%"):
		return take(tokOpen, 2)
	case strings.HasPrefix(rest, "{{"):
		return l.variable()
	case rest[0] == '\'' || rest[0] == '"':
		return l.quoted()
	case isDigit(rest[0]) || rest[0] == '.':
		return l.number()
	case isLetter(rest[0]):
		return take(tokName, nameLength(rest))
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			return take(tokOp, len(op))
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return token{}, syntaxError(l.src, start, "unexpected %q: expected a number, a quoted text, a variable, a function or an operator", string(r))
}

// variable reads {{ name }}.
func (l *lexer) variable() (token, error) {
	start := l.pos
	end := strings.Index(l.src[start:], "}}")
	if end < 0 {
		return token{}, syntaxError(l.src, start, `"{{" without "}}": expected {{ name }}`)
	}
	name := strings.TrimSpace(l.src[start+2 : start+end])
	if name == "" || !isLetter(name[0]) || variableLength(name) != len(name) {
		return token{}, syntaxError(l.src, start, "%q is no variable name: expected one such as {{ input.width }}; math is written {%% ... %%}", clip(name))
	}
	l.pos = start + end + 2
	return token{tokVar, name, start}, nil
}

// quoted reads a text in single or double quotes. A backslash escapes a quote or a
// backslash.
func (l *lexer) quoted() (token, error) {
	start, quote := l.pos, l.src[l.pos]
	var text strings.Builder
	for i := start + 1; i < len(l.src); i++ {
		switch c := l.src[i]; {
		case c == quote:
			l.pos = i + 1
			return token{tokString, text.String(), start}, nil
		case c == '\\' && i+1 < len(l.src) && strings.IndexByte(`\'"`, l.src[i+1]) >= 0:
			i++
			text.WriteByte(l.src[i])
		default:
			text.WriteByte(c)
		}
	}
	return token{}, syntaxError(l.src, start, "the text has no closing %c", quote)
}

func (l *lexer) number() (token, error) {
	start, dots, i := l.pos, 0, l.pos
	for i < len(l.src) && (isDigit(l.src[i]) || l.src[i] == '.') {
		if l.src[i] == '.' {
			dots++
		}
		i++
	}
	text := l.src[start:i]
	if dots > 1 || text == "." || i < len(l.src) && isLetter(l.src[i]) {
		for i < len(l.src) && isLetter(l.src[i]) {
			i++
		}
		return token{}, syntaxError(l.src, start, "%q is no number: expected one such as 12 or 1.5", clip(l.src[start:i]))
	}
	l.pos = i
	return token{tokNumber, text, start}, nil
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

// nameLength returns the length of the bare name that s begins with: letters,
// digits, dots, and an index such as [0].
func nameLength(s string) int {
	n := 0
	for n < len(s) {
		switch c := s[n]; {
		case isLetter(c) || isDigit(c) || c == '.':
			n++
			continue
		case c == '[':
			end := n + 1
			for end < len(s) && isDigit(s[end]) {
				end++
			}
			if end > n+1 && end < len(s) && s[end] == ']' {
				n = end + 1
				continue
			}
		}
		break
	}
	return n
}

// variableLength is nameLength for a name within {{ }}, which may hold hyphens
// and colons too: tags of a file have such names.
func variableLength(s string) int {
	n := 0
	for n < len(s) {
		if s[n] == '-' || s[n] == ':' {
			n++
			continue
		}
		m := nameLength(s[n:])
		if m == 0 {
			break
		}
		n += m
	}
	return n
}

// indexes turns streams[0] into streams.0, the form in which Vars has it.
var indexes = strings.NewReplacer("[", ".", "]", "")
