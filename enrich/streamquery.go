package enrich

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

// Limits of a stream query. Fluent Bit has none.
const (
	maxStreamQuery = 16 << 10 // bytes of a query
	maxStreamKeys  = 64       // keys that a query selects
	maxStreamTerms = 500      // comparisons, parentheses and NOTs of a condition
)

// A streamQuery is a parsed query:
//
//	CREATE STREAM name WITH (tag='new.tag') AS SELECT *, key, key['inner'] AS alias, FUNCTION()
//	FROM TAG:'pattern' WHERE key = 'value' AND NOT (number > 5 OR @record.contains(key) OR key IS NULL);
//
// As in Fluent Bit, AND, OR and NOT apply to everything to their right: a AND b OR c is a AND (b OR c).
type streamQuery struct {
	name, tag    string
	stream, tags string // the source: the name of an input or stream, or a pattern for tags
	keys         []streamKey
	where        *streamExpr // nil: all events
	mixed        bool        // AND and OR in one condition without parentheses, or NOT before one of them
}

// A streamKey is one selected key or function.
type streamKey struct {
	all      bool   // *
	function string // RECORD_TAG, RECORD_TIME, NOW, UNIX_TIMESTAMP; "": the value at
	at       field.Accessor
	name     string // in the new record
	source   string // the key's text in the query; "" for * and functions
}

// A streamParser parses a query.
type streamParser struct {
	query string
	next  token
	last  token // before next
	terms int
	q     streamQuery
}

func parseStream(query string) (*streamQuery, error) {
	if len(query) > maxStreamQuery {
		return nil, fmt.Errorf("the query is longer than %d KiB", maxStreamQuery>>10)
	}
	p := &streamParser{query: query}
	p.advance()
	if err := p.statement(); err != nil {
		return nil, err
	}
	return &p.q, nil
}

// advance reads the next token and returns the one before it.
func (p *streamParser) advance() token {
	p.last = p.next
	p.next = lexStream(p.query, p.last.end)
	return p.last
}

// skip reads the next tokens if they are those of list; otherwise it reads none, and returns false.
func (p *streamParser) skip(list ...string) bool {
	last, next := p.last, p.next
	for _, text := range list {
		if !p.next.is(text) {
			p.last, p.next = last, next
			return false
		}
		p.advance()
	}
	return true
}

// want reads the next token, which must be text.
func (p *streamParser) want(text string) error {
	if !p.skip(text) {
		return fmt.Errorf("got %s, want %s", p.next, text)
	}
	return nil
}

// wantKind reads the next token, which must be of a kind; what names it in the error.
func (p *streamParser) wantKind(kind tokenKind, what string) (string, error) {
	if p.next.kind != kind {
		return "", fmt.Errorf("got %s, want %s", p.next, what)
	}
	return p.advance().text, nil
}

// statement parses the whole query.
func (p *streamParser) statement() (err error) {
	const supported = "want CREATE STREAM name WITH (tag='…') AS SELECT … FROM TAG:'…' WHERE …;"
	if !p.skip("CREATE", "STREAM") {
		p.skip("CREATE")
		return fmt.Errorf("%s is not supported; %s", p.next, supported)
	}
	if p.q.name, err = p.wantKind(tokenWord, "the stream's name"); err != nil {
		return err
	}
	if len(p.q.name) > record.MaxTag {
		return fmt.Errorf("the stream's name is longer than %d bytes", record.MaxTag)
	}
	p.q.tag = p.q.name
	if p.skip("WITH") {
		if err = p.properties(); err != nil {
			return err
		}
	}
	for _, part := range []func() error{
		func() error { return p.want("AS") }, func() error { return p.want("SELECT") }, p.selection,
		func() error { return p.want("FROM") }, p.source, p.condition,
	} {
		if err = part(); err != nil {
			return err
		}
	}
	if p.skip("LIMIT") { // Fluent Bit ignores it, too
		if _, err = p.wantKind(tokenNumber, "a number"); err != nil {
			return err
		}
	}
	for _, unsupported := range []string{"WINDOW", "GROUP"} {
		if p.next.is(unsupported) {
			return fmt.Errorf("%s is not supported; %s", strings.ToUpper(p.next.text), supported)
		}
	}
	if err = p.want(";"); err == nil && p.next.kind != tokenEnd {
		err = fmt.Errorf("got %s after the ;, want the end", p.next)
	}
	return err
}

// properties parses what follows WITH.
func (p *streamParser) properties() error {
	if err := p.want("("); err != nil {
		return err
	}
	for {
		key, err := p.wantKind(tokenWord, "the name of a property")
		if err != nil {
			return err
		}
		if err = p.want("="); err != nil {
			return err
		}
		value, err := p.wantKind(tokenText, "a text in single quotes")
		if err != nil {
			return err
		}
		switch {
		case strings.EqualFold(key, "tag") && (value == "" || len(value) > record.MaxTag):
			return fmt.Errorf("WITH: tag: want a text of 1 to %d bytes", record.MaxTag)
		case strings.EqualFold(key, "tag"):
			p.q.tag = value
		case strings.EqualFold(key, "routable") && slices.Contains([]string{"false", "off", "no"}, strings.ToLower(value)):
			return fmt.Errorf("WITH: routable='%s' is not supported; the records of a stream go to the outputs that match its tag", value)
		}
		if !p.skip(",") {
			return p.want(")")
		}
	}
}

// selection parses what is selected.
func (p *streamParser) selection() error {
	for {
		key, err := p.selected()
		if err != nil {
			return err
		}
		p.q.keys = slices.DeleteFunc(p.q.keys, func(k streamKey) bool { return !k.all && !key.all && k.name == key.name })
		p.q.keys = append(p.q.keys, key)
		if len(p.q.keys) > maxStreamKeys {
			return fmt.Errorf("the query selects more than %d keys", maxStreamKeys)
		}
		if !p.skip(",") {
			return nil
		}
	}
}

// streamFunctions are the functions that can be selected; aggregates are those that can't.
var (
	streamFunctions = []string{"RECORD_TAG", "RECORD_TIME", "NOW", "UNIX_TIMESTAMP"}
	aggregates      = []string{"COUNT", "SUM", "AVG", "MIN", "MAX", "TIMESERIES_FORECAST"}
)

func (p *streamParser) selected() (k streamKey, err error) {
	if p.skip("*") {
		return streamKey{all: true}, nil
	}
	start := p.next.end - len(p.next.text)
	word, err := p.wantKind(tokenWord, "a key or *")
	if err != nil {
		return k, err
	}
	upper := strings.ToUpper(word)
	switch {
	case slices.Contains(aggregates, upper) && p.next.is("("):
		return k, fmt.Errorf("%s() is not supported, like all aggregates; want keys, or %s()", upper, strings.Join(streamFunctions, "(), "))
	case slices.Contains(streamFunctions, upper) && p.skip("(", ")"):
		k.function, k.name = upper, upper+"()"
	default:
		end := 0
		if k.at, end, err = p.subkeys(word); err != nil {
			return k, err
		}
		k.name = p.query[start:end]
		k.source = k.name
	}
	if p.skip("AS") {
		k.name, err = p.wantKind(tokenWord, "a name after AS")
	}
	return k, err
}

// subkeys parses the ['inner'] after a key. It returns the accessor, and the offset in the query where it ends.
func (p *streamParser) subkeys(key string) (field.Accessor, int, error) {
	names := []string{key}
	for p.skip("[") {
		name, err := p.wantKind(tokenText, "a name in single quotes")
		if err != nil {
			return nil, 0, err
		}
		if err = p.want("]"); err != nil {
			return nil, 0, err
		}
		if names = append(names, name); len(names) > maxStreamKeys {
			return nil, 0, fmt.Errorf("a key has more than %d names", maxStreamKeys)
		}
	}
	return field.Path(names...), p.last.end, nil
}

// source parses what follows FROM.
func (p *streamParser) source() (err error) {
	switch {
	case p.skip("TAG", ":"):
		p.q.tags, err = p.wantKind(tokenText, "a pattern in single quotes")
	case p.skip("STREAM", ":"):
		p.q.stream, err = p.wantKind(tokenWord, "the name of an input or a stream")
	default:
		err = fmt.Errorf("got %s after FROM, want TAG:'…' or STREAM:name", p.next)
	}
	return err
}

// condition parses what follows WHERE.
func (p *streamParser) condition() error {
	if !p.skip("WHERE") {
		return nil
	}
	e, err := p.expression("")
	p.q.where = &e
	return err
}

// expression parses a condition. before is the operator to its left that applies to all of it, "" if there is none.
func (p *streamParser) expression(before string) (e streamExpr, err error) {
	if p.terms++; p.terms > maxStreamTerms {
		return e, fmt.Errorf("the condition has more than %d terms", maxStreamTerms)
	}
	switch {
	case p.skip("NOT"):
		inner, err := p.expression("NOT")
		return streamExpr{op: "NOT", of: []streamExpr{inner}}, err
	case p.skip("("):
		inner, err := p.expression("")
		if err == nil {
			err = p.want(")")
		}
		if err != nil {
			return e, err
		}
		e = inner
	default:
		if e, err = p.comparison(); err != nil {
			return e, err
		}
	}
	for _, op := range []string{"AND", "OR"} {
		if p.skip(op) {
			p.q.mixed = p.q.mixed || before != "" && before != op
			right, err := p.expression(op)
			return streamExpr{op: op, of: []streamExpr{e, right}}, err
		}
	}
	return e, nil
}

// comparison parses one comparison.
func (p *streamParser) comparison() (e streamExpr, err error) {
	if v, ok, err := p.constant(); ok || err != nil {
		return streamExpr{op: "constant", value: v}, err
	}
	if e, err = p.operand(); err != nil {
		return e, err
	}
	if p.skip("IS") {
		e.value, e.op = streamValue{kind: streamNull}, "="
		not := p.skip("NOT")
		if err = p.want("NULL"); not {
			e = streamExpr{op: "NOT", of: []streamExpr{e}}
		}
		return e, err
	}
	for _, op := range []string{"=", "!=", "<>", "<", "<=", ">", ">="} {
		if !p.skip(op) {
			continue
		}
		v, ok, err := p.constant()
		if err == nil && !ok {
			err = fmt.Errorf("got %s after %s, want a number, a text in single quotes, true or false", p.next, op)
		}
		e.value, e.op = v, op
		if op == "!=" || op == "<>" {
			e.op = "="
			e = streamExpr{op: "NOT", of: []streamExpr{e}}
		}
		return e, err
	}
	return e, nil
}

// operand parses the left side of a comparison: a key, or a function of the record.
func (p *streamParser) operand() (e streamExpr, err error) {
	e.op = "is" // unless something follows
	if p.skip("@record", ".") {
		switch {
		case p.skip("time", "(", ")"):
			e.function = "time"
			return e, nil
		case !p.skip("contains", "("):
			return e, fmt.Errorf("got %s after @record., want contains(key) or time()", p.next)
		}
		e.function = "contains"
	}
	key, err := p.wantKind(tokenWord, "a key")
	if err != nil {
		return e, err
	}
	if e.at, _, err = p.subkeys(key); err == nil && e.function != "" {
		err = p.want(")")
	}
	return e, err
}

// constant parses a value.
func (p *streamParser) constant() (v streamValue, ok bool, err error) {
	switch {
	case p.next.kind == tokenText:
		return streamValue{kind: streamText, text: []byte(p.advance().text)}, true, nil
	case p.next.kind == tokenNumber:
		v.number, err = strconv.ParseFloat(p.next.text, 64)
		if err != nil {
			err = fmt.Errorf("%s is not a number", p.next.text)
		}
		v.kind = streamNumber
	case p.next.is("true") || p.next.is("false"):
		v = streamValue{kind: streamBool, truth: p.next.is("true")}
	default:
		return v, false, nil
	}
	p.advance()
	return v, true, err
}
