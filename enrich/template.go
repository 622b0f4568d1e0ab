package enrich

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/field/timefmt"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/ruby"
)

// templateKind is the kind of value that a template makes, and where the template is.
type templateKind uint8

const (
	templateConstant templateKind = iota // template.encoded
	templateValue                        // the value of the only placeholder in template.text, with its type
	templateText                         // template.text as a string
	templateMap                          // template.keys and values
	templateArray                        // template.values
	templateRuby                         // the value of template.expr
)

// A template is a value of a <record>.
type template struct {
	kind    templateKind
	encoded []byte
	text    *field.Template
	keys    []string
	values  []*template
	expr    *ruby.Expr
}

// nests reports whether the value puts others into a map or an array.
func (t *template) nests() bool { return t.kind == templateMap || t.kind == templateArray }

// tooDeep reports whether a body has been nested deeper than record.MaxDepth: in the queue it would be unreadable, with all
// that comes after it in its batch.
func tooDeep(body []byte) bool {
	_, err := record.Check(body)
	return err != nil
}

// append appends the value for an event.
func (t *template) append(dst []byte, ev *record.Event) []byte {
	switch t.kind {
	case templateValue:
		return t.text.AppendValue(dst, ev)
	case templateText:
		return t.text.AppendStr(dst, ev)
	case templateMap:
		dst = record.AppendMapHeader(dst, len(t.values))
		for i, value := range t.values {
			dst = value.append(record.AppendStr(dst, t.keys[i]), ev)
		}
		return dst
	case templateArray:
		dst = record.AppendArrayHeader(dst, len(t.values))
		for _, value := range t.values {
			dst = value.append(dst, ev)
		}
		return dst
	}
	return append(dst, t.encoded...)
}

// appendRuby is append for a template with expressions in it, which may fail.
func (t *template) appendRuby(dst []byte, ev *record.Event, m *ruby.Machine) (_ []byte, err error) {
	switch t.kind {
	case templateRuby:
		return t.expr.Append(dst, m)
	case templateMap:
		dst = record.AppendMapHeader(dst, len(t.values))
	case templateArray:
		dst = record.AppendArrayHeader(dst, len(t.values))
	default:
		return t.append(dst, ev), nil
	}
	for i, value := range t.values {
		if t.kind == templateMap {
			dst = record.AppendStr(dst, t.keys[i])
		}
		if dst, err = value.appendRuby(dst, ev, m); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// templateParser reads the values of a <record>.
type templateParser struct {
	hostname string
	typecast bool
	ruby     *ruby.Env // nil without enable_ruby
	used     bool      // there is a template with an expression
}

// value parses a value: as JSON if it is an object or array, otherwise as text. Both may have placeholders.
func (c *templateParser) value(s string) (*template, error) {
	if strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") {
		if encoded, err := record.AppendFromJSON(nil, []byte(s)); err == nil {
			if !strings.Contains(s, "${") {
				return &template{encoded: encoded}, nil
			}
			d := json.NewDecoder(bytes.NewReader([]byte(s)))
			d.UseNumber()
			return c.json(d)
		}
	}
	return c.text(s)
}

// json parses the next value of valid JSON.
func (c *templateParser) json(d *json.Decoder) (*template, error) {
	token, err := d.Token()
	if err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	switch v := token.(type) {
	case string:
		return c.text(v)
	case json.Delim:
		t := &template{kind: templateArray}
		if v == '{' {
			t.kind = templateMap
		}
		for d.More() {
			if t.kind == templateMap {
				key, err := d.Token()
				name, ok := key.(string)
				if err != nil || !ok || strings.Contains(name, "${") {
					return nil, fmt.Errorf("placeholders in a name are not supported: %v", key)
				}
				t.keys = append(t.keys, name)
			}
			value, err := c.json(d)
			if err != nil {
				return nil, err
			}
			t.values = append(t.values, value)
		}
		_, err := d.Token() // the closing one
		return t, err
	}
	encoded, err := json.Marshal(token)
	if err != nil {
		return nil, err
	}
	encoded, err = record.AppendFromJSON(nil, encoded)
	return &template{encoded: encoded}, err
}

// text parses text with placeholders.
func (c *templateParser) text(s string) (*template, error) {
	if c.ruby != nil && !isPlain(s) {
		return c.expression(s)
	}
	text, err := field.ParseRuby(s, c.hostname)
	switch {
	case err != nil && c.ruby != nil:
		return c.expression(s)
	case err != nil:
		if t, inRuby := (&templateParser{typecast: c.typecast, ruby: rubyEnv(c.hostname)}).expression(s); t != nil && inRuby == nil {
			err = fmt.Errorf("%w; enable_ruby true allows the expression", err)
		}
		return nil, err
	}
	if constant, ok := text.Text(); ok {
		return &template{encoded: record.AppendStr(nil, constant)}, nil
	}
	if c.typecast {
		return &template{kind: templateValue, text: text}, nil
	}
	return &template{kind: templateText, text: text}, nil
}

// isPlain reports whether a text means the same with enable_ruby as without it. With it a text is Ruby's string in double
// quotes, and a member of a value that isn't there is an error.
func isPlain(s string) bool {
	return !strings.ContainsAny(s, "\\") && !strings.Contains(s, "#{") && !strings.Contains(s, "][")
}

// expression parses text with enable_ruby. As in Fluentd, a text that is one placeholder is the expression in it.
func (c *templateParser) expression(s string) (*template, error) {
	var e *ruby.Expr
	var err error
	if c.typecast && strings.HasPrefix(s, "${") && strings.HasSuffix(s, "}") && strings.Count(s, "${") == 1 {
		e, err = ruby.Compile(s[2:len(s)-1], c.ruby)
	} else {
		e, err = ruby.CompileText(s, c.ruby)
	}
	if err != nil {
		return nil, fmt.Errorf("%s can't be evaluated: %w; docs/filters/record_transformer.md has what is supported", shown(s), err)
	}
	if _, ok := e.Text(); ok {
		encoded, err := e.Append(nil, new(ruby.Machine))
		return &template{encoded: encoded}, err
	}
	c.used = true
	return &template{kind: templateRuby, expr: e}, nil
}

// maxShownExpression is how many bytes of an expression a message shows.
const maxShownExpression = 200

// shown is an expression in a message: one line.
func shown(s string) string {
	if len(s) > maxShownExpression {
		s = s[:maxShownExpression] + "…"
	}
	return strings.Join(strings.Fields(s), " ")
}

// rubyEnv is what expressions of a record_transformer know.
func rubyEnv(hostname string) *ruby.Env {
	return &ruby.Env{
		Hostname: hostname,
		Strftime: func(format string) (ruby.Formatter, error) { return field.ParseStrftime(format) },
		ParseTime: func(text, format string) (time.Time, error) {
			if format != "" {
				f, err := timefmt.Compile(format, time.Local)
				if err != nil {
					return time.Time{}, err
				}
				if at, ok := f.ParseWhole([]byte(text)); ok {
					return at, nil
				}
				return time.Time{}, errNoTime
			}
			return parseISOTime(text)
		},
	}
}

// parseISOTime parses a time as ISO 8601 and RFC 3339 write it, or HTTP.
func parseISOTime(text string) (time.Time, error) {
	for _, layout := range [...]string{
		time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999 -0700", "2006-01-02 15:04:05.999999999 MST", "2006-01-02T15:04:05.999999999",
		"2006-01-02 15:04:05.999999999", "2006-01-02 15:04", "2006-01-02", time.RFC1123Z, time.RFC1123,
	} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errNoTime
}
