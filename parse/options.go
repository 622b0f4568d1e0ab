package parse

import (
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field/timefmt"
	"github.com/firelane/firelane/pattern"
)

// Options are those of Fluent Bit's [PARSER].
type Options struct {
	Name           string        `fluentbit:"name" required:"true" help:"name that filters and inputs refer to"`
	Format         string        `fluentbit:"format" required:"true" oneof:"json,regex,ltsv,logfmt" help:"format of the text"`
	Regex          string        `fluentbit:"regex" help:"format regex: the pattern, whose named groups become fields"`
	TimeKey        string        `fluentbit:"time_key" default:"time" help:"field that holds the time"`
	TimeFormat     string        `fluentbit:"time_format" help:"format of the time, as for strptime; without it the event keeps its time"`
	TimeOffset     string        `fluentbit:"time_offset" help:"offset of times without a zone, such as -0600"`
	TimeZone       string        `fluentbit:"time_zone" help:"zone of times without one, such as Europe/Berlin"`
	TimeKeep       bool          `fluentbit:"time_keep" other:"(not written)" default:"false" help:"keep the field that holds the time"`
	TimeStrict     bool          `fluentbit:"time_strict" other:"(not written)" default:"true" help:"off: a time of which only the beginning fits the format is taken as far as it fits"`
	TimeSystemZone bool          `fluentbit:"time_system_timezone" other:"(not written)" default:"false" help:"times without a zone are local"`
	Types          string        `fluentbit:"types" help:"types to convert fields to, such as code:integer size:integer; integer, float, hex, bool, string; JSON has types of its own"`
	DecodeField    []config.Pair `fluentbit:"decode_field" help:"make fields of a field's text, as: json FIELD"`
	DecodeFieldAs  []config.Pair `fluentbit:"decode_field_as" help:"decode a field's text, as DECODER FIELD [try_next|do_next]; json (objects), escaped, escaped_utf8, mysql_quoted"`
	SkipEmpty      bool          `fluentbit:"skip_empty_values" other:"(not written)" default:"true" help:"format regex: leave empty fields out"`
	NoBareKeys     bool          `fluentbit:"logfmt_no_bare_keys" other:"(not written)" default:"false" help:"format logfmt: a text with a key that has no value can't be parsed"`

	nameless bool // the regex has no named group; set by Check
}

// Check implements config's check after binding.
func (o *Options) Check(config.Dialect) error {
	p, err := New(o, config.FluentBit, Env{})
	o.nameless = err == nil && p.nameless
	return err
}

// Warnings implements config's warnings after binding.
func (o *Options) Warnings() (list []string) {
	if zone, err := o.zone(); err == nil && o.TimeFormat != "" {
		if _, err := timefmt.Compile(o.TimeFormat, zone); err != nil {
			list = append(list, "time_format "+o.TimeFormat+" can't be used: "+err.Error()+"; the time stays in its field")
		}
	}
	var unused Parser
	list = append(list, unused.addDecoders("decode_field", false, o.DecodeField)...)
	list = append(list, unused.addDecoders("decode_field_as", true, o.DecodeFieldAs)...)
	if o.nameless {
		list = append(list, "regex has no named group, so that no text can be parsed, as in Fluent Bit; want, for example, (?<level>[A-Z]+)")
	}
	for _, entry := range o.typeList() {
		name, kind, _ := strings.Cut(entry, ":")
		if _, err := fluentBitConverter(kind); err != nil && !strings.EqualFold(o.Format, "json") {
			list = append(list, fmt.Sprintf("types: %s is a string, as in Fluent Bit: %s", name, err))
		}
	}
	return list
}

// typeList is the option types, entry by entry.
func (o *Options) typeList() []string { return strings.Fields(strings.ReplaceAll(o.Types, ",", " ")) }

// Env is what the process gives to parsers.
type Env struct {
	Parsers []config.Instance // the [PARSER] sections, and the built-in ones
	Log     zerolog.Logger
}

// New makes the parser of a section. A time_format that can't be used is ignored; Warnings reports it.
func New(o *Options, _ config.Dialect, env Env) (*Parser, error) {
	p := &Parser{skipEmpty: o.SkipEmpty}
	p.addDecoders("decode_field", false, o.DecodeField)
	p.addDecoders("decode_field_as", true, o.DecodeFieldAs)
	if err := p.setFormat(o, env); err != nil {
		return nil, err
	}
	zone, err := o.zone()
	if err != nil || o.TimeFormat == "" {
		return p, err
	}
	if f, err := timefmt.Compile(o.TimeFormat, zone); err == nil {
		p.time = &timeField{name: o.TimeKey, keep: o.TimeKeep, formats: []*timefmt.Format{f}, partial: !o.TimeStrict}
		if o.TimeKey == "" {
			p.time.name = "time"
		}
	}
	return p, nil
}

// setFormat sets the parser's format, and its converters, which JSON doesn't have.
func (p *Parser) setFormat(o *Options, env Env) error {
	switch strings.ToLower(o.Format) {
	case "regex":
		c, err := pattern.CompileFluentBitCapture(o.Regex, func() {
			env.Log.Warn().Str("parser", o.Name).Float64("limit_s", pattern.MatchTimeout.Seconds()).Int("limit_bytes", pattern.MaxBacktrack).
				Msg("a text is too long for the parser's pattern, or took too long, and was not parsed; simplify the pattern")
		})
		switch {
		case o.Regex == "":
			return &config.OptionError{Option: "regex", Reason: "is missing; want the pattern of format regex"}
		case err != nil:
			return &config.OptionError{Option: "regex", Reason: err.Error()}
		case len(c.Names()) == 0:
			p.nameless = true
			p.format = func(*fields, []byte) bool { return false } // as in Fluent Bit
		default:
			p.format, p.rules = regex(c), dropWrong
		}
	case "ltsv":
		p.format, p.rules = ltsv, refuseWrong
	case "logfmt":
		p.format, p.rules = logfmt(o.NoBareKeys), refuseWrong
	default:
		return nil
	}
	for _, entry := range o.typeList() {
		name, kind, _ := strings.Cut(entry, ":")
		p.typed = true
		if c, _ := fluentBitConverter(kind); c != nil { // another word is a string, as in Fluent Bit; Warnings reports it
			p.convert(name, c)
		}
	}
	return nil
}

// zone is the zone of times without one: UTC unless the section sets another one.
func (o *Options) zone() (*time.Location, error) {
	switch {
	case o.TimeZone != "" && (o.TimeOffset != "" || o.TimeSystemZone):
		return nil, &config.OptionError{Option: "time_zone", Reason: "excludes time_offset and time_system_timezone; use one of them"}
	case o.TimeZone != "":
		zone, err := time.LoadLocation(o.TimeZone)
		if err != nil {
			return nil, &config.OptionError{Option: "time_zone", Reason: fmt.Sprintf("%q is not a zone; want one such as Europe/Berlin", o.TimeZone)}
		}
		return zone, nil
	case o.TimeSystemZone:
		return time.Local, nil
	case o.TimeOffset != "":
		zone, ok := timefmt.Offset(o.TimeOffset)
		if !ok {
			return nil, &config.OptionError{Option: "time_offset", Reason: fmt.Sprintf("%q is not an offset; want one such as -0600", o.TimeOffset)}
		}
		return zone, nil
	}
	return time.UTC, nil
}

// Find returns the parser of that name.
func Find(name string, env Env) (*Parser, error) {
	for _, instance := range env.Parsers {
		if strings.EqualFold(instance.ID, name) {
			o, ok := instance.Options.(*Options)
			if !ok {
				return nil, fmt.Errorf("parser %q has the format %s, which is not supported; want json, regex, ltsv or logfmt", name, instance.Name)
			}
			return New(o, config.FluentBit, env)
		}
	}
	return nil, fmt.Errorf("parser %q is not defined; want a [PARSER] of that name in a parsers_file", name)
}
