package parse

import (
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// ExtractOptions are Fluentd's <extract>.
type ExtractOptions struct {
	TagKey      string `fluentd:"tag_key" help:"field whose value is the event's tag; without that field, or if it is empty, the event has the tag of the input"`
	KeepTagKey  bool   `fluentd:"keep_tag_key" default:"false" help:"keep that field"`
	TimeKey     string `fluentd:"time_key" help:"field that holds the time of an event whose text has none for <parse>; used only with estimate_current_event false there, as in Fluentd"`
	KeepTimeKey bool   `fluentd:"keep_time_key" default:"false" help:"keep that field"`
	TimeType    string `fluentd:"time_type" oneof:"float,unixtime,string" default:"float" help:"how the time is written"`
	TimeFormat  string `fluentd:"time_format" help:"format of the time, as for strptime, if time_type is string"`
	Timezone    string `fluentd:"timezone" help:"zone of times without one: +HH:MM or Area/City"`
	UTC         bool   `fluentd:"utc" default:"false" help:"times without a zone are in UTC"`
	Localtime   bool   `fluentd:"localtime" default:"true" help:"times without a zone are local"`
}

// Check implements config's check after binding.
func (o *ExtractOptions) Check(config.Dialect) error {
	_, err := o.time()
	return err
}

// time is the field that holds the time; nil for none.
func (o *ExtractOptions) time() (*timeField, error) {
	if o.TimeKey == "" {
		return nil, nil
	}
	like := Spec{Type: "regexp", TimeKey: o.TimeKey, KeepTimeKey: o.KeepTimeKey, TimeType: o.TimeType, TimeFormat: o.TimeFormat, Timezone: o.Timezone, UTC: o.UTC, Localtime: o.Localtime}
	zone, err := like.zone()
	if err != nil {
		return nil, err
	}
	tf, err := like.timeField(zone)
	if err != nil {
		return nil, &config.OptionError{Option: "time_format", Reason: err.Error()}
	}
	return tf, nil
}

// An Extractor parses texts, and takes an event's tag and time from fields of its record. It isn't safe for concurrent use; each
// goroutine has a copy.
type Extractor struct {
	parser *Parser
	tag    string // field; "": none
	keep   bool
	time   *timeField // nil: the record has no time
	room   []byte     // for the tag
}

// Extractor makes the extractor of an <extract>, which may be nil, for the texts of a <parse>.
func (o *ExtractOptions) Extractor(spec *Spec) (*Extractor, error) {
	p, err := spec.Parser(false)
	if err != nil {
		return nil, err
	}
	e := &Extractor{parser: p}
	if o == nil {
		return e, nil
	}
	e.tag, e.keep = o.TagKey, o.KeepTagKey
	if spec.EstimateTime != nil && !*spec.EstimateTime {
		e.time, err = o.time()
	}
	return e, err
}

// noTime is a time that no text has.
var noTime = record.Time{Nsec: 1<<32 - 1}

// Parse is Parser's, and returns the tag, too: tag, or the one that the record has. That one is valid until the next call.
func (e *Extractor) Parse(dst, text, tag []byte, at *record.Time) (out, its []byte, ok bool) {
	now := *at
	*at = noTime
	out, ok = e.parser.Parse(dst, text, at)
	if ok && *at == noTime && e.time != nil {
		out = e.time.take(at, out)
	}
	if *at == noTime {
		*at = now
	}
	if !ok || e.tag == "" {
		return out, tag, ok
	}
	if cap(e.room) > 2*record.MaxTag { // of a value that was too long for a tag
		e.room = nil
	}
	out, its = e.takeTag(out)
	if len(its) == 0 || len(its) > record.MaxTag {
		its = tag
	}
	return out, its, true
}

// takeTag returns the value of the tag's field as text, and the record without the field if it isn't kept.
func (e *Extractor) takeTag(body []byte) (out, tag []byte) {
	_, members, err := record.MapHeader(body)
	if err != nil {
		return body, nil
	}
	end := len(body) - len(members)
	for f := record.FieldsOf(body); f.Next(); {
		start := end
		end += len(f.RawKey()) + len(f.Value())
		if string(f.Key()) != e.tag {
			continue
		}
		if record.KindOf(f.Value()[0]) != record.KindNil {
			tag = record.AppendText(e.room[:0], f.Value())
			e.room = tag
		}
		if e.keep {
			return body, tag
		}
		return removeMember(body, start, end), tag
	}
	return body, nil
}
