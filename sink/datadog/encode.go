package datadog

import (
	"strconv"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
)

// A member is one that is added to records that don't have it.
type member struct {
	name string
	json []byte // "name":"value",
}

// maxMembers is how many there are at most: ddsource, service, hostname, ddsourcecategory.
const maxMembers = 4

// An encoder writes records as Datadog's log events, each followed by a comma.
type encoder struct {
	date    string // field that gets the time; "" for none
	dateKey []byte // "name":
	iso     bool   // the time is ISO 8601, not milliseconds
	tag     string // field that gets the tag; "" for none
	tagKey  []byte
	message string // field that is renamed to message; "" for none
	members []member
	tags    string // ddtags of the options
	rules   []rule // fields that become ddtags
	fluentd bool   // the options' ddtags are for records without any, and those of rules follow

	// What is left out of the record's own members: with and without renaming.
	omit, omitMessage record.JSONOptions
}

func newEncoder(o *Options, d config.Dialect, hostname string) *encoder {
	e := &encoder{date: o.DateKey, message: o.Message, tags: o.Tags, fluentd: d == config.Fluentd}
	host := o.Hostname
	if e.fluentd {
		e.date, e.iso, e.message, e.rules = o.TimeKey, true, "", containerRules[:]
		if host == "" {
			host = hostname
		}
	} else if o.Provider == "ecs" {
		e.rules = ecsRules[:]
	}
	switch e.date {
	case "nil", "false", "null":
		e.date = ""
	}
	e.dateKey = jsonKey(e.date)
	if o.WithTag {
		e.tag, e.tagKey = o.TagKey, jsonKey(o.TagKey)
	}
	if e.message == "message" {
		e.message = ""
	}
	for _, m := range []member{{name: "ddsource"}, {name: "service"}, {name: "hostname"}, {name: "ddsourcecategory"}} {
		value := map[string]string{"ddsource": o.Source, "service": o.Service, "hostname": host, "ddsourcecategory": o.Category}[m.name]
		if value != "" {
			m.json = append(record.AppendJSONString(jsonKey(m.name), []byte(value)), ',')
			e.members = append(e.members, m)
		}
	}
	e.omit.Omit = []string{"ddtags"}
	if e.tag != "" {
		e.omit.Omit = append(e.omit.Omit, e.tag)
	}
	for i := range e.rules {
		if !e.fluentd || o.DeleteExt {
			e.omit.Omit = append(e.omit.Omit, e.rules[i].field)
		}
	}
	e.omitMessage.Omit = append(append([]string(nil), e.omit.Omit...), e.message)
	return e
}

// jsonKey returns a member's name as JSON, and the colon.
func jsonKey(name string) []byte { return append(record.AppendJSONString(nil, []byte(name)), ':') }

// A scan is what one pass over a record finds.
type scan struct {
	dated, messaged bool
	has             [maxMembers]bool
	message, tags   []byte           // values
	found           [maxRules][]byte // values for rules
	odd             bool             // a rule's field isn't text
	tagged          bool             // it has a rule's field, or ddtags
}

func (e *encoder) scan(s *scan, body []byte) {
	for f := record.FieldsOf(body); f.Next(); {
		key := f.Key()
		switch {
		case string(key) == e.date:
			s.dated = !e.iso || record.KindOf(f.Value()[0]) != record.KindNil
		case string(key) == "message":
			s.messaged = true
		case e.message != "" && string(key) == e.message:
			s.message = f.Value()
		case string(key) == "ddtags":
			s.tags, s.tagged = f.Value(), true
		default:
			e.scanOther(s, key, f.Value())
		}
	}
}

func (e *encoder) scanOther(s *scan, key, value []byte) {
	for i := range e.members {
		if string(key) == e.members[i].name {
			s.has[i] = true
			return
		}
	}
	for i := range e.rules {
		if string(key) == e.rules[i].field {
			s.found[i], s.tagged = value, true
			s.odd = s.odd || !e.rules[i].fits(value)
			return
		}
	}
}

// append writes a record. What a record says of itself takes precedence over the options. Both its field log and its field
// message are kept if it has both.
func (e *encoder) append(dst []byte, r *sink.Record) ([]byte, error) {
	var s scan
	r.EncodeTail(e.appendTail)
	if e.scan(&s, r.Body); s.tagged && len(r.Tail) > 0 {
		s = scan{}
		e.scan(&s, r.Whole())
	}
	dst = append(dst, '{')
	if e.date != "" && !s.dated {
		dst = append(dst, e.dateKey...)
		if e.iso {
			dst = append(record.AppendTimeISO(append(dst, '"'), r.Time, 3), '"', ',')
		} else {
			dst = append(strconv.AppendInt(dst, milliseconds(r.Time), 10), ',')
		}
	}
	if e.tag != "" {
		dst = append(format.AppendQuoted(append(dst, e.tagKey...), r.Tag), ',')
	}
	for i := range e.members {
		if !s.has[i] {
			dst = append(dst, e.members[i].json...)
		}
	}
	omit := &e.omit
	if s.message != nil && !s.messaged {
		omit = &e.omitMessage
		dst = append(record.AppendJSON(append(dst, `"message":`...), s.message), ',')
	}
	n := len(dst)
	if dst = record.AppendJSONMembers(dst, r.Body, omit); len(dst) > n {
		dst = append(dst, ',')
	}
	if len(r.Tail) > 0 {
		dst = append(dst, r.Shared.Encoded...)
	} else {
		dst = e.appendEnd(dst, &s)
	}
	if last := len(dst) - 1; dst[last] == ',' {
		dst = dst[:last]
	}
	return append(dst, '}', ','), nil
}

// readsTails reports whether tails can be encoded apart: in Fluentd's dialect ddtags are of the record as a whole.
func (e *encoder) readsTails() bool { return !e.fluentd }

// appendTail writes the members of a tail and the ddtags, which are those of all records that have the tail and nothing that becomes
// ddtags beside it. It isn't encoded apart if it has a field that the rest of the event depends on.
func (e *encoder) appendTail(dst, tail []byte) (out []byte, apart bool) {
	var s scan
	e.scan(&s, tail)
	if !e.readsTails() || !record.PlainKeys(tail) || s.dated || s.messaged || s.message != nil || s.has != [maxMembers]bool{} {
		return dst, false
	}
	n := len(dst)
	if dst = record.AppendJSONMembers(dst, tail, &e.omit); len(dst) > n {
		dst = append(dst, ',')
	}
	return e.appendEnd(dst, &s), true
}

// appendEnd writes what follows a record's own members.
func (e *encoder) appendEnd(dst []byte, s *scan) []byte {
	if s.odd && !e.fluentd {
		dst = e.appendOdd(dst, s)
	}
	return e.appendTags(dst, s)
}

// appendOdd writes the fields of rules that can't become ddtags as they are.
func (e *encoder) appendOdd(dst []byte, s *scan) []byte {
	for i := range e.rules {
		if v := s.found[i]; v != nil && !e.rules[i].fits(v) {
			dst = append(append(dst, '"'), e.rules[i].field...)
			dst = append(record.AppendJSON(append(dst, '"', ':'), v), ',')
		}
	}
	return dst
}

// appendTags writes the member ddtags, if there are any.
func (e *encoder) appendTags(dst []byte, s *scan) []byte {
	start := len(dst)
	dst = append(dst, `"ddtags":`...)
	n := len(dst)
	if e.fluentd {
		if s.tags != nil {
			dst = record.AppendText(dst, s.tags)
		} else {
			dst = append(dst, e.tags...)
		}
	}
	for i := range e.rules {
		if v := s.found[i]; v != nil && e.rules[i].fits(v) {
			dst = e.rules[i].append(dst, v, n)
		}
	}
	if !e.fluentd {
		if e.tags != "" {
			dst = append(separate(dst, n), e.tags...)
		}
		if s.tags != nil {
			dst = record.AppendText(separate(dst, n), s.tags)
		}
	}
	if len(dst) == n {
		return dst[:start]
	}
	return append(format.Quote(dst, n), ',')
}

// separate appends a comma, unless dst[n:] has no tags yet.
func separate(dst []byte, n int) []byte {
	if len(dst) > n && dst[len(dst)-1] != ',' {
		return append(dst, ',')
	}
	return dst
}

// milliseconds is a time since the epoch, rounded as Fluent Bit does.
func milliseconds(t record.Time) int64 {
	return int64(t.Sec)*1000 + (int64(t.Nsec)+500_000)/1e6
}
