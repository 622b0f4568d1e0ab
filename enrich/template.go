package enrich

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

// templateKind is the kind of value that a template makes, and where the template is.
type templateKind uint8

const (
	templateConstant templateKind = iota // template.encoded
	templateValue                        // the value of the only placeholder in template.text, with its type
	templateText                         // template.text as a string
	templateMap                          // template.keys and values
	templateArray                        // template.values
)

// A template is a value of a <record>.
type template struct {
	kind    templateKind
	encoded []byte
	text    *field.Template
	keys    []string
	values  []*template
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

// templateParser reads the values of a <record>.
type templateParser struct {
	hostname string
	typecast bool
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
	text, err := field.ParseRuby(s, c.hostname)
	if err != nil {
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
