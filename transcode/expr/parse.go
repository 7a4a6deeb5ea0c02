package expr

import (
	"fmt"
	"strconv"
	"strings"
)

// part is a piece of a template: text, or an expression.
type part struct {
	text string
	expr node
}

func parseTemplate(s string) ([]part, error) {
	if err := checkLength(s); err != nil {
		return nil, err
	}
	var parts []part
	for pos := 0; pos < len(s); {
		i := pos
		for i < len(s) && !strings.HasPrefix(s[i:], "{{") && !strings.HasPrefix(s[i:], "{%") {
			i++
		}
		if i > pos {
			parts = append(parts, part{text: s[pos:i]})
		}
		if i == len(s) {
			break
		}
		p := &parser{lexer: lexer{src: s, pos: i}}
		if err := p.advance(); err != nil {
			return nil, err
		}
		n, end, err := p.embedded()
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{expr: n})
		pos = end
	}
	return parts, nil
}

// parseCondition returns nil for an empty condition.
func parseCondition(s string) (node, error) {
	if err := checkLength(s); err != nil {
		return nil, err
	}
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	p := &parser{lexer: lexer{src: s}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokEnd || p.tok.text != "" {
		return nil, p.unexpected("an operator (AND, OR, <, >, <=, >=, =, <>, +, -, *, /) or the end")
	}
	return n, nil
}

func checkLength(s string) error {
	if len(s) > maxLength {
		return fmt.Errorf("expression %q: it is %d bytes long, at most %d are accepted", clip(s), len(s), maxLength)
	}
	return nil
}

// parser is a recursive descent over the levels of precedence, one token ahead.
type parser struct {
	lexer
	tok   token
	depth int
}

func (p *parser) advance() (err error) {
	p.tok, err = p.next()
	return err
}

func (p *parser) unexpected(expected string) error {
	return syntaxError(p.src, p.tok.pos, "unexpected %s: expected %s", p.tok, expected)
}

// enter bounds the recursion; leave undoes it.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return syntaxError(p.src, p.tok.pos, "nested too deeply: at most %d levels are accepted", maxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// embedded parses the {{ name }} or {% expression %} at the current token. It
// returns where the text continues, and reads no token of it.
func (p *parser) embedded() (n node, end int, err error) {
	if p.tok.kind == tokVar {
		return variable(indexes.Replace(p.tok.text)), p.pos, nil
	}
	open := p.tok.pos
	if err := p.advance(); err != nil {
		return nil, 0, err
	}
	n, err = p.or()
	switch {
	case err != nil:
		return nil, 0, err
	case p.tok.kind == tokEnd && p.tok.text == "":
		return nil, 0, syntaxError(p.src, open, `"{%%" without "%%}": expected {%% expression %%}`)
	case p.tok.kind != tokEnd:
		return nil, 0, p.unexpected(`an operator or "%}"`)
	}
	return n, p.pos, nil
}

// keyword reports whether the token is one of AND, OR, NOT in any case.
func (p *parser) keyword(word string) bool {
	return p.tok.kind == tokName && strings.EqualFold(p.tok.text, word)
}

func (p *parser) op(ops ...string) bool {
	if p.tok.kind == tokOp {
		for _, op := range ops {
			if p.tok.text == op {
				return true
			}
		}
	}
	return false
}

func (p *parser) or() (node, error) {
	left, err := p.and()
	for err == nil && p.keyword("or") {
		left, err = p.rest(left, p.and, func(l, r node) node { return logic{l, r, true} })
	}
	return left, err
}

func (p *parser) and() (node, error) {
	left, err := p.not()
	for err == nil && p.keyword("and") {
		left, err = p.rest(left, p.not, func(l, r node) node { return logic{l, r, false} })
	}
	return left, err
}

func (p *parser) not() (node, error) {
	if !p.keyword("not") {
		return p.comparison()
	}
	n, err := p.prefix(p.not)
	return not{n}, err
}

func (p *parser) comparison() (node, error) {
	ops := []string{"<", ">", "<=", ">=", "=", "==", "<>", "!="}
	left, err := p.sum()
	if err != nil || !p.op(ops...) {
		return left, err
	}
	op := p.tok.text
	left, err = p.rest(left, p.sum, func(l, r node) node { return compare{op, l, r} })
	if err == nil && p.op(ops...) {
		err = syntaxError(p.src, p.tok.pos, "comparisons cannot be chained: join two with AND")
	}
	return left, err
}

func (p *parser) sum() (node, error) {
	left, err := p.product()
	for err == nil && p.op("+", "-") {
		op := p.tok.text[0]
		left, err = p.rest(left, p.product, func(l, r node) node { return arith{op, l, r} })
	}
	return left, err
}

func (p *parser) product() (node, error) {
	left, err := p.sign()
	for err == nil && p.op("*", "/") {
		op := p.tok.text[0]
		left, err = p.rest(left, p.sign, func(l, r node) node { return arith{op, l, r} })
	}
	return left, err
}

func (p *parser) sign() (node, error) {
	switch {
	case p.op("-"):
		n, err := p.prefix(p.sign)
		return arith{'-', literal{0.0}, n}, err
	case p.op("+"):
		n, err := p.prefix(p.sign)
		return arith{'+', literal{0.0}, n}, err
	}
	return p.primary()
}

// rest parses what follows a binary operator and joins it to left.
func (p *parser) rest(left node, operand func() (node, error), join func(l, r node) node) (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	right, err := operand()
	if err != nil {
		return nil, err
	}
	return join(left, right), nil
}

// prefix parses the operand of a prefix operator.
func (p *parser) prefix(operand func() (node, error)) (node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if err := p.advance(); err != nil {
		return nil, err
	}
	return operand()
}

func (p *parser) primary() (node, error) {
	switch tok := p.tok; tok.kind {
	case tokNumber:
		v, err := strconv.ParseFloat(tok.text, 64)
		if err != nil || v > maxNumber {
			return nil, syntaxError(p.src, tok.pos, "the number is too large")
		}
		return literal{v}, p.advance()
	case tokString:
		return literal{tok.text}, p.advance()
	case tokVar:
		return variable(indexes.Replace(tok.text)), p.advance()
	case tokName:
		return p.name(tok)
	case tokOpen:
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		n, _, err := p.embedded()
		if err != nil {
			return nil, err
		}
		return n, p.advance()
	case tokOp:
		if tok.text == "(" {
			return p.group()
		}
	case tokEnd:
	}
	return nil, p.unexpected("a number, a quoted text, a variable, a function or (")
}

func (p *parser) group() (node, error) {
	n, err := p.prefix(p.or)
	if err != nil {
		return nil, err
	}
	if !p.op(")") {
		return nil, p.unexpected("an operator or )")
	}
	return n, p.advance()
}

// name parses what a bare name begins: a literal, a call or a variable.
func (p *parser) name(tok token) (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	lower := strings.ToLower(tok.text)
	switch {
	case p.op("("):
		return p.call(tok, lower)
	case lower == "true" || lower == "false":
		return literal{lower == "true"}, nil
	case lower == "and" || lower == "or" || lower == "not":
		return nil, syntaxError(p.src, tok.pos, "unexpected %s: expected a number, a quoted text, a variable, a function or (", tok)
	}
	if _, ok := functions[lower]; ok {
		return nil, syntaxError(p.src, tok.pos, "%s is a function: expected %s(...)", lower, lower)
	}
	return variable(indexes.Replace(tok.text)), nil
}

func (p *parser) call(tok token, name string) (node, error) {
	f, ok := functions[name]
	if !ok {
		return nil, syntaxError(p.src, tok.pos, "%s is no function: expected one of min, max, int, float, array, if", tok)
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if err := p.advance(); err != nil { // the "("
		return nil, err
	}
	var args []node
	for !p.op(")") {
		if len(args) > 0 {
			if !p.op(",") {
				return nil, p.unexpected("an operator, a comma or )")
			}
			if err := p.advance(); err != nil {
				return nil, err
			}
		}
		arg, err := p.or()
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	if len(args) < f.least || f.most > 0 && len(args) > f.most {
		return nil, syntaxError(p.src, tok.pos, "%s has %d values: expected %s", name, len(args), f.usage)
	}
	return call{f, args}, p.advance()
}
