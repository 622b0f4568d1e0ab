package enrich

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// textParser parses a text into fields. It is safe for concurrent use.
type textParser struct {
	messageKey string     // the field that takes the whole text; "": the text is JSON
	time       *timeField // nil: the event keeps its time
	converters map[string]converter
	nulls      *pattern.Pattern
	nullEmpty  bool
}

func (p *textParser) convert(name string, c converter) {
	if p.converters == nil {
		p.converters = map[string]converter{}
	}
	p.converters[name] = c
}

// parse appends the fields of text as a map. ok is false if text can't be parsed.
func (p *textParser) parse(dst, text []byte) (out []byte, ok bool) {
	if p.messageKey != "" {
		dst = record.AppendMapHeader(dst, 1)
		return record.AppendStrBytes(record.AppendStr(dst, p.messageKey), text), true
	}
	if start := bytes.TrimLeft(text, " \t\r\n"); len(start) == 0 || start[0] != '{' {
		return dst, false
	}
	out, err := record.AppendFromJSON(dst, text)
	return out, err == nil
}

// value appends the value of the field name, converted.
func (p *textParser) value(dst, name, value []byte) []byte {
	if text, ok := record.Text(value); ok {
		if p.nullEmpty && len(text) == 0 || p.nulls != nil && p.nulls.Match(text) {
			return record.AppendNil(dst)
		}
	}
	if c := p.converters[string(name)]; c != nil && record.KindOf(value[0]) != record.KindNil {
		return c(dst, value)
	}
	return append(dst, value...)
}

// addTypes parses name:type,name:type:option, or a JSON object of names and types.
func (p *textParser) addTypes(types string, zone *time.Location) error {
	if strings.HasPrefix(types, "{") {
		types = strings.NewReplacer("{", "", "}", "", `"`, "", " ", "").Replace(types)
	}
	if types == "" {
		return nil
	}
	for entry := range strings.SplitSeq(types, ",") {
		name, kind, _ := strings.Cut(strings.TrimSpace(entry), ":")
		kind, option, _ := strings.Cut(kind, ":")
		c, err := converterFor(kind, option, zone)
		if err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
		p.convert(name, c)
	}
	return nil
}
