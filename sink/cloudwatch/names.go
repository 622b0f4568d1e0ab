package cloudwatch

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

// nameLimit is the longest name of a group or stream, in characters ("CreateLogGroup" and "CreateLogStream - Amazon CloudWatch
// Logs"). A longer one is cut at as many bytes.
const nameLimit = 512

// separator is between the names of group and stream in a key. Neither may have it.
const separator = ':'

// names makes the names of a record's group and stream.
type names struct {
	group, stream name
	same          []byte // the key, if it is the same for all records
}

// A name is the first of its templates of which a record has all values.
type name struct {
	templates []*field.Template
	fallback  string // if there is none; "" where that is an error
	option    string
	clean     func(b []byte)
}

// names parses the options that name group and stream.
func (o *Options) names(d config.Dialect) (n *names, err error) {
	n = &names{
		group:  name{option: "log_group_name", clean: cleanGroup},
		stream: name{option: "log_stream_name", clean: cleanStream},
	}
	if d == config.Fluentd {
		err = o.fluentdNames(n)
	} else {
		err = o.fluentBitNames(n)
	}
	if err != nil {
		return nil, err
	}
	if n.group.constant() && n.stream.constant() {
		n.same, err = n.appendKey(nil, &record.Event{})
	}
	return n, err
}

func (o *Options) fluentBitNames(n *names) error {
	n.group.fallback, n.stream.fallback = o.DefaultGroup, o.DefaultStream
	values := (&task{}).values()
	values["uuid"] = constant(rand.Text()) // the same for all records, until the router starts again
	stream, option := o.Stream, "log_stream_name"
	if o.Stream == "" {
		stream, option = o.StreamPrefix+"$(tag)", "log_stream_prefix"
	}
	for _, t := range []struct {
		name         *name
		option, text string
		accessor     bool // $field, as in the plugin in C, and not only $(field), as in the plugin in Go
	}{
		{&n.group, "log_group_template", o.GroupTemplate, true},
		{&n.group, "log_group_name", o.Group, false},
		{&n.stream, "log_stream_template", o.StreamTmpl, true},
		{&n.stream, option, stream, false},
	} {
		err := t.name.add(t.option, t.text, field.Notation{Dialect: config.FluentBit, OnlyParentheses: !t.accessor, Own: values})
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *Options) fluentdNames(n *names) error {
	zone, err := o.TimekeyZone()
	if err != nil {
		return &config.OptionError{Option: "timekey_zone", Reason: err.Error()}
	}
	for _, t := range []struct {
		name *name
		text string
		tag  bool
		key  string
	}{
		{&n.group, o.Group, o.TagAsGroup, o.GroupKey},
		{&n.stream, o.Stream, o.TagAsStream, o.StreamKey},
	} {
		own := map[string]field.AppendFunc{"value of the key": appendField(field.Name(t.key))}
		switch {
		case t.tag:
			t.text = "${tag}"
		case t.key != "":
			t.text, t.name.option = "${value of the key}", t.name.option+"_key "+t.key
		}
		n := field.Notation{Dialect: config.Fluentd, Strftime: true, Zone: zone, Own: own}
		if t.name.add(t.name.option, t.text, n) == nil {
			continue
		}
		n.Strftime = false // a name such as 100%, which Fluentd takes as it is
		if err := t.name.add(t.name.option, t.text, n); err != nil {
			return err
		}
	}
	return nil
}

// appendField appends the value of a field.
func appendField(at field.Accessor) field.AppendFunc {
	return func(dst []byte, ev *record.Event) ([]byte, bool) {
		value, ok := at.FindScalar(ev)
		if ok {
			dst = record.AppendText(dst, value)
		}
		return dst, ok
	}
}

// constant appends a text.
func constant(text string) field.AppendFunc {
	return func(dst []byte, _ *record.Event) ([]byte, bool) { return append(dst, text...), true }
}

// add adds a template, if the option is set.
func (n *name) add(option, text string, notation field.Notation) error {
	if text == "" {
		return nil
	}
	t, err := field.ParseTemplate(text, notation)
	if err != nil {
		return &config.OptionError{Option: option, Reason: err.Error()}
	}
	n.templates = append(n.templates, t)
	return nil
}

// constant reports whether the name is the same for all records.
func (n *name) constant() bool {
	_, ok := n.templates[0].Text()
	return ok
}

// append appends the name of a record's group or stream, without the characters that the service refuses.
func (n *name) append(dst []byte, ev *record.Event) ([]byte, error) {
	start, ok := len(dst), false
	for _, t := range n.templates {
		if dst, ok = t.AppendFound(dst, ev); ok && len(dst) > start {
			break
		}
	}
	if len(dst) == start {
		if n.fallback == "" {
			return dst, fmt.Errorf("the record has no value for %s", n.option)
		}
		dst = append(dst, n.fallback...)
	}
	n.clean(dst[start:])
	return dst[:start+cutAt(dst[start:], nameLimit)], nil
}

// appendKey appends the key of a record's group and stream.
func (n *names) appendKey(dst []byte, ev *record.Event) ([]byte, error) {
	if n.same != nil {
		return append(dst, n.same...), nil
	}
	start := len(dst)
	dst, err := n.group.append(dst, ev)
	if err != nil {
		return dst[:start], err
	}
	if dst, err = n.stream.append(append(dst, separator), ev); err != nil {
		return dst[:start], err
	}
	return dst, nil
}

// splitKey returns the names in a key.
func splitKey(key []byte) (group, stream []byte) {
	group, stream, _ = bytes.Cut(key, []byte{separator})
	return group, stream
}

// cleanGroup replaces what a group's name must not have: all but letters, digits and _-/.# ("CreateLogGroup - Amazon
// CloudWatch Logs"). AWS's plugin for Fluent Bit does the same.
func cleanGroup(b []byte) {
	for i, c := range b {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '/', c == '.', c == '#':
		default:
			b[i] = '.'
		}
	}
}

// cleanStream replaces what a stream's name must not have: : and * ("CreateLogStream - Amazon CloudWatch Logs").
func cleanStream(b []byte) {
	for i, c := range b {
		if c == ':' || c == '*' {
			b[i] = '.'
		}
	}
}

// cutAt returns where text is to be cut to have at most limit bytes: never within a character.
func cutAt(text []byte, limit int) int {
	if len(text) <= limit {
		return len(text)
	}
	for i := limit; i > limit-utf8.UTFMax && i > 0; i-- {
		if utf8.RuneStart(text[i]) {
			return i
		}
	}
	return limit
}
