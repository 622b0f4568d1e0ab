package dead

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// A Conflict is what a search server's reason says of the field that it refused.
type Conflict struct {
	Field  string // with dots between its names
	Mapped string // its type in the index; "": the reason doesn't say
	Type   string // the type of its value, as JSON has it; "": not known
	Value  string // as JSON, or as the reason shows it; cut to maxValue bytes; "": not known
}

// maxValue is how much of a field's value is shown, in bytes.
const maxValue = 100

// String describes the conflict in a line.
func (c Conflict) String() string {
	s := "field " + c.Field
	if c.Mapped != "" {
		s += " is " + c.Mapped + " in the index"
	}
	switch {
	case c.Type == "" && c.Value == "":
		return s
	case c.Type == "":
		return s + ", and the record has " + c.Value
	case c.Value == "":
		return s + ", and the record has " + article(c.Type)
	}
	return s + ", and the record has " + article(c.Type) + ": " + c.Value
}

// article is a noun with its indefinite article.
func article(noun string) string {
	if strings.ContainsAny(noun[:1], "aeiou") {
		return "an " + noun
	}
	return "a " + noun
}

// Kinds of JSON values.
const (
	kindString  = "string"
	kindNumber  = "number"
	kindBoolean = "boolean"
	kindObject  = "object"
	kindArray   = "array"
	kindNull    = "null"
)

// A reasonForm is a form of the reasons of OpenSearch and Elasticsearch, 2019 to 2026. Its expression has the groups field, and perhaps
// mapped and type.
type reasonForm struct {
	*regexp.Regexp
	mapped, kind string // what the form itself says
}

// reasonForms are in the classes FieldMapper, DocumentParser, ObjectMapper and MapperService of the servers.
var reasonForms = sync.OnceValue(func() (forms []reasonForm) {
	for _, f := range []struct{ text, mapped, kind string }{
		{`failed to parse field \[(?P<field>[^\]]+)\] of type \[(?P<mapped>[^\]]+)\]`, "", ""},
		{`object mapping for \[[^\]]*\] tried to parse field \[(?P<field>[^\]]+)\] as object, but found a concrete value`, kindObject, ""},
		{`mapper \[(?P<field>[^\]]+)\] (?:of different type|cannot be changed from type \[(?P<mapped>[^\]]+)\] to \[(?P<type>[^\]]+)\])`, "", ""},
		{`Existing mapping for \[(?P<field>[^\]]+)\] must be of type object but found \[(?P<mapped>[^\]]+)\]`, "", kindObject},
		{`can't merge a non object mapping \[(?P<field>[^\]]+)\] with an object mapping`, kindObject, ""},
		{`dynamic introduction of \[(?P<field>[^\]]+)\] within`, "", ""},
		{`failed to parse (?:date )?field \[(?P<field>[^\]]+)\]`, "", ""},
	} {
		forms = append(forms, reasonForm{regexp.MustCompile(f.text), f.mapped, f.kind})
	}
	return forms
})

// preview is the value in a reason.
var preview = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)Preview of field's value: '(.*?)'(?::|$| in | \()`)
})

// Conflict returns what the reason says of a field; ok is false if it is about no field.
func (e *Entry) Conflict() (c Conflict, ok bool) {
	for _, f := range reasonForms() {
		m := f.FindStringSubmatch(e.Reason)
		if m == nil {
			continue
		}
		group := func(name string) string {
			if i := f.SubexpIndex(name); i >= 0 {
				return m[i]
			}
			return ""
		}
		c = Conflict{Field: group("field"), Mapped: group("mapped"), Type: group("type")}
		if f.mapped != "" {
			c.Mapped = f.mapped
		}
		if f.kind != "" {
			c.Type = f.kind
		}
		e.describe(&c)
		return c, true
	}
	return Conflict{}, false
}

// describe sets the type and the value of the field: those in the record or, if the record doesn't have the field, what the reason shows.
func (e *Entry) describe(c *Conflict) {
	if value, ok := lookUp(e.Record, c.Field); ok {
		c.Type, c.Value = kindOf(value), strings.ToValidUTF8(Cut(string(value), maxValue), "\ufffd")
		return
	}
	if m := preview().FindStringSubmatch(e.Reason); m != nil {
		c.Value = fmt.Sprintf("'%s'", strings.ToValidUTF8(Cut(m[1], maxValue), "\ufffd"))
	}
}

// lookUp finds a field in an object. A name may have dots of its own, and an array stands for the first of its elements that has the
// field.
func lookUp(text json.RawMessage, field string) (json.RawMessage, bool) {
	switch kindOf(text) {
	case kindArray:
		var list []json.RawMessage
		if json.Unmarshal(text, &list) != nil {
			return nil, false
		}
		for _, v := range list {
			if found, ok := lookUp(v, field); ok {
				return found, true
			}
		}
		return nil, false
	case kindObject:
	default:
		return nil, false
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(text, &object) != nil {
		return nil, false
	}
	if v, ok := object[field]; ok {
		return v, true
	}
	for i := range len(field) {
		if field[i] != '.' {
			continue
		}
		if v, ok := object[field[:i]]; ok {
			if found, ok := lookUp(v, field[i+1:]); ok {
				return found, true
			}
		}
	}
	return nil, false
}

// kindOf is the type of a JSON value, "" if there is none.
func kindOf(text []byte) string {
	text = bytes.TrimLeft(text, " \t\r\n")
	if len(text) == 0 {
		return ""
	}
	switch text[0] {
	case '"':
		return kindString
	case '{':
		return kindObject
	case '[':
		return kindArray
	case 't', 'f':
		return kindBoolean
	case 'n':
		return kindNull
	}
	return kindNumber
}
