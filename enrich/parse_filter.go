package enrich

import (
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// ParseOptions are those of the filter parser in both dialects.
type ParseOptions struct {
	KeyName     string   `fluentbit:"key_name" fluentd:"key_name" required:"true" help:"field whose text is parsed"`
	Parsers     []string `fluentbit:"parser" help:"name of a [PARSER]; may be repeated: the first one that can parse the text is used"`
	ReserveData bool     `fluentbit:"reserve_data" fluentd:"reserve_data" default:"false" help:"keep the record's other fields"`
	PreserveKey bool     `fluentbit:"preserve_key" default:"false" help:"keep the field that was parsed"`
	UnescapeKey bool     `fluentbit:"unescape_key" ignored:"it has none in Fluent Bit either" help:"accepted, without effect"`

	ReserveTime    bool        `fluentd:"reserve_time" default:"false" help:"keep the event's time"`
	RemoveKey      bool        `fluentd:"remove_key_name_field" default:"false" help:"remove the field that was parsed"`
	ReplaceInvalid bool        `fluentd:"replace_invalid_sequence" default:"false" help:"accepted; invalid UTF-8 never stops parsing"`
	KeyPrefix      string      `fluentd:"inject_key_prefix" help:"prefix of the names of parsed fields"`
	HashField      string      `fluentd:"hash_value_field" help:"field that takes all parsed fields as one map"`
	EmitInvalid    bool        `fluentd:"emit_invalid_record_to_error" default:"true" help:"a record that can't be parsed goes to the label @ERROR, and with reserve_data also on; if there is no such label it passes unchanged"`
	Parse          *parse.Spec `fluentd:"<parse>" help:"how to parse"`

	OldFormat     string  `fluentd:"format" oneof:"json,none,ltsv,csv,tsv,apache,apache2,apache_error,nginx,syslog,msgpack" help:"old spelling of <parse> @type"`
	OldTimeKey    *string `fluentd:"time_key" help:"old spelling of <parse> time_key"`
	OldTimeFormat string  `fluentd:"time_format" help:"old spelling of <parse> time_format"`
	OldKeepTime   bool    `fluentd:"keep_time_key" help:"old spelling of <parse> keep_time_key"`
}

// spec is <parse>, or the options that were used instead before Fluentd 1.0; nil if there is neither.
func (o *ParseOptions) spec() *parse.Spec {
	if o.Parse != nil || o.OldFormat == "" {
		return o.Parse
	}
	s := &parse.Spec{Type: o.OldFormat, MessageKey: "message", TimeFormat: o.OldTimeFormat, Localtime: true, KeepTimeKey: o.OldKeepTime}
	if o.OldTimeKey != nil {
		s.TimeKey = *o.OldTimeKey
	}
	return s
}

// Check implements config's check after binding. Whether the parsers exist is checked by NewParse.
func (o *ParseOptions) Check(d config.Dialect) error {
	if _, err := field.ParseAccessor(o.KeyName, d); err != nil {
		return &config.OptionError{Option: "key_name", Reason: err.Error()}
	}
	if d == config.FluentBit && len(o.Parsers) == 0 {
		return &config.OptionError{Option: "parser", Reason: "no parser is named; want the name of a [PARSER]"}
	}
	if d == config.Fluentd {
		s := o.spec()
		if s == nil {
			return parse.ErrNoSpec
		}
		if o.Parse == nil { // binding has called the Check of a <parse>
			return s.Check(d)
		}
	}
	return nil
}

// NewParse makes the stage of a filter parser: a Filter, or where records that can't be parsed go to a label a Step.
func NewParse(o *ParseOptions, d config.Dialect, env Env) (Stage, error) {
	if err := o.Check(d); err != nil {
		return nil, err
	}
	at, err := field.ParseAccessor(o.KeyName, d)
	if err != nil {
		return nil, err
	}
	s := &parseStep{at: at, keepOthers: o.ReserveData, prefix: o.KeyPrefix, hash: o.HashField}
	if d == config.FluentBit {
		s.keepKey = o.PreserveKey
		if strings.HasPrefix(o.KeyName, "$") {
			s.keepKey = o.ReserveData // Fluent Bit never removes a nested field
		}
		s.parsers, err = parsersNamed(o.Parsers, env)
	} else {
		s.keepKey = o.ReserveData && !o.RemoveKey
		var p *parse.Parser
		p, err = o.spec().Parser(o.ReserveTime)
		s.parsers = []*parse.Parser{p}
	}
	if err != nil {
		return nil, err
	}
	for _, p := range s.parsers {
		s.deep = s.deep || p.Deep()
	}
	if d == config.Fluentd && o.EmitInvalid && env.Errors {
		return &parseOrDivert{s}, nil
	}
	return s, nil
}

// parseOrDivert is the Step of a parser in Fluentd's dialect where there is a label @ERROR.
type parseOrDivert struct{ of *parseStep }

// Apply implements Step. With reserve_data an event that can't be parsed goes both to the label and on, as in Fluentd.
func (p *parseOrDivert) Apply(ev *record.Event, out *Out) {
	if p.of.apply(ev, out.Scratch) {
		out.Next(ev)
		return
	}
	failed := *ev
	if !out.Divert(&failed, ErrorLabel) || p.of.keepOthers {
		out.Next(ev)
	}
}

// parsersNamed returns the parsers of those names. One that isn't defined is left out with a warning, unless all are.
func parsersNamed(names []string, env Env) (list []*parse.Parser, err error) {
	var firstErr error
	for _, name := range names {
		p, err := parse.Find(name, parse.Env{Parsers: env.Parsers, Log: env.Log})
		if err == nil {
			list = append(list, p)
			continue
		}
		if firstErr == nil {
			firstErr = err
		}
		if len(names) > 1 {
			env.Log.Warn().Str("parser", name).Err(err).Msg("a parser of the filter can't be used and is ignored")
		}
	}
	if len(list) > 0 {
		return list, nil
	}
	return nil, &config.OptionError{Option: "parser", Reason: firstErr.Error()}
}

// parseStep replaces a field by the fields that its text holds. An event whose text can't be parsed passes unchanged.
type parseStep struct {
	parsers    []*parse.Parser // the first that can parse the text is used
	deep       bool            // parsed fields may be nested deeper than a text
	at         field.Accessor
	keepKey    bool   // keep the field itself
	keepOthers bool   // keep the other fields
	prefix     string // of the names of parsed fields
	hash       string // field that takes the parsed fields as a map; "": they become fields of the record

	tail *nameSet // the names in the events' Tail; nil: events have none
}

// withTail implements tailAccepter. In a record the constants come after the other fields, as without a Tail. A parsed field
// replaces the constant of the same name.
func (p *parseStep) withTail(c *constants) Filter {
	if !p.keepOthers || p.at.Nested() || c.names.has([]byte(p.at.Top())) {
		return nil
	}
	tailed := *p
	tailed.tail = &c.names
	return &tailed
}

// headerRoom is the length in bytes of the largest header of a map.
const headerRoom = 5

// Apply implements Filter.
func (p *parseStep) Apply(ev *record.Event, s *Scratch) bool {
	p.apply(ev, s)
	return true
}

// apply parses an event, which stays as it is if it can't be parsed. It appends to the scratch: room for a header, the parsed
// fields, and the fields that stay.
func (p *parseStep) apply(ev *record.Event, s *Scratch) (parsed bool) {
	value, ok := p.at.Get(ev.Body)
	if !ok {
		return false
	}
	text, ok := record.Text(value)
	if !ok {
		return false
	}
	var header [headerRoom]byte
	out := append(s.Take(), header[:]...)
	at := ev.Time
	out, ok = p.parse(out, text, &ev.Time)
	if !ok {
		return false
	}
	made := out[headerRoom:]
	if p.prefix != "" {
		out, made = p.rename(out, made)
	}
	if p.hash != "" {
		out, made = p.wrap(out, made)
	}
	n, members, err := record.MapHeader(made)
	if err != nil {
		return false // impossible: rewrite, wrap or parse has written it
	}
	if len(ev.Tail) > 0 && p.tail.meets(members, n) {
		ev.Fold(nil)
	}
	start := len(out) - len(members)
	out, kept := p.appendKept(out, ev.Body, members, n)
	whole := putHeader(out, start, n+kept)
	if (p.hash != "" || p.deep) && tooDeep(whole) {
		ev.Time = at
		return false
	}
	s.Keep(out)
	ev.Body = whole
	return true
}

// parse appends the fields of text, by the first parser that can read it.
func (p *parseStep) parse(out, text []byte, at *record.Time) ([]byte, bool) {
	for _, parser := range p.parsers {
		if out, ok := parser.Parse(out, text, at); ok {
			return out, true
		}
	}
	return out, false
}

// putHeader writes the header of a map of n members, which begin at out[start], before them, and returns the map. There must be
// room of headerRoom.
func putHeader(out []byte, start, n int) []byte {
	var h [headerRoom]byte
	header := record.AppendMapHeader(h[:0], n)
	copy(out[start-len(header):], header)
	return out[start-len(header):]
}

// appendKept appends the members of body that stay, and returns their number. A member with the name of a parsed field (there
// are n, in members) doesn't stay.
func (p *parseStep) appendKept(out, body, members []byte, n int) ([]byte, int) {
	if !p.keepKey && !p.keepOthers {
		return out, 0
	}
	if !p.keepKey && p.at.Nested() {
		body = p.at.AppendWithout(nil, body)
	}
	kept, names := 0, NamesOf(members, n)
	f := record.FieldsOf(body)
	run := f.Rest() // its beginning, up to the current member, stays and isn't copied yet
	for f.Next() {
		key := f.Key()
		isKey := !p.at.Nested() && string(key) == p.at.Top()
		if isKey && !p.keepKey || !isKey && !p.keepOthers || key != nil && names.Has(key) {
			out = append(out, run[:len(run)-len(f.Rest())-len(f.RawKey())-len(f.Value())]...)
			run = f.Rest()
			continue
		}
		kept++
	}
	return append(out, run[:len(run)-len(f.Rest())]...), kept
}

// rename appends room for a header to out, which holds the parsed map, and then the map with the prefix before its names.
func (p *parseStep) rename(out, parsed []byte) (longer, renamed []byte) {
	start := len(out) + headerRoom
	var header [headerRoom]byte
	out = append(out, header[:]...)
	n, _, err := record.MapHeader(parsed)
	if err != nil {
		return out, parsed
	}
	out = record.AppendMapHeader(out, n)
	for f := record.FieldsOf(parsed); f.Next(); {
		out = record.AppendStrHeader(out, len(p.prefix)+len(f.Key()))
		out = append(append(append(out, p.prefix...), f.Key()...), f.Value()...)
	}
	return out, out[start:]
}

// wrap appends room for a header to out, which holds the parsed map, and then a map with that map as its only field.
func (p *parseStep) wrap(out, parsed []byte) (longer, wrapped []byte) {
	start := len(out) + headerRoom
	var header [headerRoom]byte
	out = append(out, header[:]...)
	out = record.AppendMapHeader(out, 1)
	out = record.AppendStr(out, p.hash)
	out = append(out, parsed...)
	return out, out[start:]
}
