package splunk

import (
	"sync"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
)

// A meta is a member of an event that says where it comes from: host, source, sourcetype, index.
type meta struct {
	key      []byte // ,"name":
	text     *field.Template
	at       field.Accessor // the field that holds it, instead of text
	fallback []byte         // the member, if text is empty for a record; nil: none
}

// An indexed is a field that Splunk indexes by itself.
type indexed struct {
	key []byte // "name":
	at  field.Accessor
}

// An encoder writes records as events of the HTTP Event Collector: "Format events for HTTP Event Collector".
type encoder struct {
	raw     bool
	auto    bool // no time is written
	metas   []meta
	fields  []indexed
	event   *field.Template // the event, if it isn't the record; nil otherwise
	time    field.Accessor  // of the time; nil: the record's own
	format  format.Func     // of the event as text; nil: the record is an object
	removed []field.Accessor
	omit    record.JSONOptions
	scratch sync.Pool // of *[2][]byte
}

func newEncoder(o *Options, d config.Dialect, hostname string) (*encoder, error) {
	e := &encoder{raw: o.SendRaw, auto: o.AutoTime}
	if d == config.Fluentd {
		return e, e.fluentd(o, hostname)
	}
	notation := field.Notation{Dialect: d}
	for _, m := range []struct{ option, name, text, literal string }{
		{"event_host", "host", o.EventHost, ""}, {"event_source", "source", o.EventSource, ""},
		{"event_sourcetype_key", "sourcetype", o.SourceTypeKey, o.SourceType}, {"event_index_key", "index", o.IndexKey, o.Index},
	} {
		if err := e.addMeta(m.option, m.name, m.text, m.literal, notation); err != nil {
			return nil, err
		}
	}
	if o.EventKey != "" {
		t, err := field.ParseTemplate(o.EventKey, notation)
		if err != nil {
			return nil, &config.OptionError{Option: "event_key", Reason: err.Error()}
		}
		e.event = t
	}
	for _, f := range o.EventFields {
		at, err := field.ParseAccessor(f.Value, d)
		if err != nil {
			return nil, &config.OptionError{Option: "event_field", Reason: err.Error()}
		}
		e.fields = append(e.fields, indexed{jsonKey(f.Key), at})
	}
	return e, nil
}

// addMeta adds a member with the text of a template, or else a literal.
func (e *encoder) addMeta(option, name, text, literal string, n field.Notation) error {
	if text == "" && literal == "" {
		return nil
	}
	t, err := field.ParseTemplate(text, n)
	if err != nil {
		return &config.OptionError{Option: option, Reason: err.Error()}
	}
	m := meta{key: append([]byte{','}, jsonKey(name)...), text: t}
	if literal != "" {
		m.fallback = record.AppendJSONString(append([]byte(nil), m.key...), []byte(literal))
	}
	e.metas = append(e.metas, m)
	return nil
}

// fluentd sets what splunk_hec's options say. The fields that options name are removed from the event.
func (e *encoder) fluentd(o *Options, hostname string) error {
	host := o.EventHost
	if host == "" && o.HostKey == "" {
		host = hostname
	}
	for _, m := range []struct{ name, key, text string }{
		{"host", o.HostKey, host}, {"source", o.SourceKey, o.EventSource}, {"sourcetype", o.SourceTypeKey, o.SourceType}, {"index", o.IndexKey, o.Index},
	} {
		if m.key != "" {
			at, err := e.remove(m.name+"_key", m.key, o.KeepKeys)
			if err != nil {
				return err
			}
			e.metas = append(e.metas, meta{key: append([]byte{','}, jsonKey(m.name)...), at: at})
			continue
		}
		if err := e.addMeta(m.name, m.name, m.text, "", field.Notation{Dialect: config.Fluentd}); err != nil {
			return err
		}
	}
	var err error
	if o.TimeKey != "" {
		if e.time, err = e.remove("time_key", o.TimeKey, o.KeepKeys); err != nil {
			return err
		}
	}
	for _, f := range o.Fields {
		name := f.Value
		if name == "" {
			name = f.Key
		}
		e.fields = append(e.fields, indexed{jsonKey(f.Key), field.Name(name)})
		e.omit.Omit = append(e.omit.Omit, name)
	}
	if f := o.FluentdFormat; f != nil && f.Type != "" && f.Type != "json" {
		e.format, err = format.Fluentd(*f, f.Type)
	}
	return err
}

// remove has the field a.b.c of an option removed from the event, and returns its accessor.
func (e *encoder) remove(option, key string, keep bool) (field.Accessor, error) {
	at, err := field.ParseDotted(key)
	switch {
	case err != nil:
		return nil, &config.OptionError{Option: option, Reason: err.Error()}
	case keep:
	case at.Nested():
		e.removed = append(e.removed, at)
	default:
		e.omit.Omit = append(e.omit.Omit, at.Top())
	}
	return at, nil
}

// jsonKey returns a member's name as JSON, and the colon.
func jsonKey(name string) []byte { return append(record.AppendJSONString(nil, []byte(name)), ':') }

// readsTails reports whether the event is an object with the record's members.
func (e *encoder) readsTails() bool { return !e.raw && len(e.removed) == 0 && e.format == nil }

func (e *encoder) append(dst []byte, r *sink.Record) ([]byte, error) {
	start := len(dst)
	if e.raw {
		if e.event != nil {
			if out, ok := e.appendEventText(dst, r); ok {
				return out, nil
			}
		}
		return record.AppendJSON(dst, r.Body), nil
	}
	dst = append(dst, '{')
	if !e.auto {
		dst = e.appendTime(append(dst, `"time":`...), r)
	}
	for i := range e.metas {
		dst = e.metas[i].append(dst, r)
	}
	dst = e.appendFields(dst, r)
	if len(dst) > start+1 {
		dst = append(dst, ',')
		if dst[start+1] == ',' { // no time before the first member
			dst = append(dst[:start+1], dst[start+2:]...)
		}
	}
	dst, err := e.appendEvent(append(dst, `"event":`...), r)
	if err != nil {
		return dst[:start], err
	}
	return append(dst, '}'), nil
}

func (e *encoder) appendTime(dst []byte, r *sink.Record) []byte {
	if e.time != nil {
		if v, ok := e.time.Find(&r.Event); ok && record.KindOf(v[0]) != record.KindNil {
			return record.AppendJSON(dst, v)
		}
	}
	return format.AppendSeconds(dst, r.Time, 6)
}

func (m *meta) append(dst []byte, r *sink.Record) []byte {
	start := len(dst)
	dst = append(dst, m.key...)
	n := len(dst)
	if m.at == nil {
		dst = m.text.Append(dst, &r.Event)
	} else if v, ok := m.at.Find(&r.Event); ok && record.KindOf(v[0]) != record.KindNil {
		dst = record.AppendText(dst, v)
	}
	if len(dst) == n {
		return append(dst[:start], m.fallback...)
	}
	return format.Quote(dst, n)
}

// appendFields writes the member fields, unless the record has none of them.
func (e *encoder) appendFields(dst []byte, r *sink.Record) []byte {
	if len(e.fields) == 0 {
		return dst
	}
	start := len(dst)
	dst = append(dst, `,"fields":{`...)
	n := len(dst)
	for i := range e.fields {
		v, ok := e.fields[i].at.Find(&r.Event)
		if !ok || record.KindOf(v[0]) == record.KindNil {
			continue
		}
		if len(dst) > n {
			dst = append(dst, ',')
		}
		dst = record.AppendJSON(append(dst, e.fields[i].key...), v)
	}
	if len(dst) == n {
		return dst[:start]
	}
	return append(dst, '}')
}

// appendEventText writes the event of event_key; ok is false if the record has none.
func (e *encoder) appendEventText(dst []byte, r *sink.Record) (out []byte, ok bool) {
	n := len(dst)
	if dst = e.event.Append(dst, &r.Event); len(dst) == n {
		return dst, false
	}
	return format.Quote(dst, n), true
}

func (e *encoder) appendEvent(dst []byte, r *sink.Record) ([]byte, error) {
	if e.event != nil {
		if out, ok := e.appendEventText(dst, r); ok {
			return out, nil
		}
	}
	if e.readsTails() {
		return append(format.AppendMembers(append(dst, '{'), r, &e.omit), '}'), nil
	}
	body := r.Body
	if len(e.removed) > 0 {
		buf, _ := e.scratch.Get().(*[2][]byte)
		if buf == nil {
			buf = new([2][]byte)
		}
		defer e.scratch.Put(buf)
		for i := range e.removed {
			buf[i%2] = e.removed[i].AppendWithout(buf[i%2][:0], body)
			body = buf[i%2]
		}
	}
	if e.format == nil {
		return append(record.AppendJSONMembers(append(dst, '{'), body, &e.omit), '}'), nil
	}
	n := len(dst)
	whole := *r
	whole.Body = body
	dst, err := e.format(dst, &whole)
	if err != nil {
		return dst, err
	}
	if last := len(dst) - 1; last >= n && dst[last] == '\n' {
		dst = dst[:last]
	}
	return format.Quote(dst, n), nil
}
