package enrich

import (
	"fmt"
	"slices"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// SQLOptions are those of Fluent Bit's processor sql.
type SQLOptions struct {
	Query string `fluentbit:"query" required:"true" help:"SELECT *, or keys, each as key or key AS name, FROM STREAM WHERE condition; records for which the condition doesn't hold are dropped"`
}

// Check implements config's check after binding.
func (o *SQLOptions) Check(d config.Dialect) error {
	_, err := NewSQL(o, d, Env{})
	return err
}

// sql is the filter. The order of a record's fields doesn't change.
type sql struct {
	keys  []streamKey // nil: all
	where *streamExpr // nil: all records
}

// NewSQL makes the step of a processor sql.
func NewSQL(o *SQLOptions, _ config.Dialect, _ Env) (Filter, error) {
	q, err := parseSQL(o.Query)
	if err != nil {
		return nil, &config.OptionError{Option: "query", Reason: err.Error()}
	}
	f := &sql{where: q.where}
	if !slices.ContainsFunc(q.keys, func(k streamKey) bool { return k.all }) {
		f.keys = q.keys
	}
	return f, nil
}

// parseSQL parses SELECT … FROM STREAM WHERE …; the grammar of what is selected and of conditions is that of the stream processor.
func parseSQL(query string) (*streamQuery, error) {
	if len(query) > maxStreamQuery {
		return nil, fmt.Errorf("the query is longer than %d KiB", maxStreamQuery>>10)
	}
	p := &streamParser{query: query}
	p.advance()
	for _, part := range []func() error{
		func() error { return p.want("SELECT") }, p.selection,
		func() error { return p.want("FROM") }, func() error { return p.want("STREAM") },
	} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	for _, k := range p.q.keys {
		if k.function != "" {
			return nil, fmt.Errorf("%s() is not supported; want keys", k.function)
		}
	}
	if p.next.kind == tokenWord && !p.next.is("WHERE") {
		p.advance() // a stream's name, which has no meaning
	}
	if err := p.condition(); err != nil {
		return nil, err
	}
	if err := p.want(";"); err != nil {
		return nil, err
	}
	if p.next.kind != tokenEnd {
		return nil, fmt.Errorf("got %s after the ;, want the end", p.next)
	}
	p.q.where.setSQL()
	return &p.q, nil
}

// setSQL makes a condition, which may be nil, one of the processor sql: a map is false.
func (e *streamExpr) setSQL() {
	if e == nil {
		return
	}
	e.sql = true
	for i := range e.of {
		e.of[i].setSQL()
	}
}

// Apply implements Filter.
func (f *sql) Apply(ev *record.Event, s *Scratch) bool {
	if f.where != nil && !f.where.holds(ev) {
		return false
	}
	if f.keys == nil {
		return true
	}
	n := 0
	for field := record.FieldsOf(ev.Body); field.Next(); {
		if f.nameOf(field.Key()) != "" {
			n++
		}
	}
	b := record.AppendMapHeader(s.Take(), n)
	for field := record.FieldsOf(ev.Body); field.Next(); {
		if name := f.nameOf(field.Key()); name != "" {
			b = append(record.AppendStr(b, name), field.Value()...)
		}
	}
	ev.Body = s.Keep(b)
	return true
}

// nameOf returns the new name of a field; "" if it isn't selected.
func (f *sql) nameOf(key []byte) string {
	for i := range f.keys {
		if f.keys[i].source == string(key) {
			return f.keys[i].name
		}
	}
	return ""
}
