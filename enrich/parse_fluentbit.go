package enrich

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field/timefmt"
)

// ParserOptions are those of Fluent Bit's [PARSER] with Format json.
type ParserOptions struct {
	Name           string        `fluentbit:"name" required:"true" help:"name that filters refer to"`
	Format         string        `fluentbit:"format" required:"true" help:"json"`
	TimeKey        string        `fluentbit:"time_key" default:"time" help:"field that holds the time"`
	TimeFormat     string        `fluentbit:"time_format" help:"format of the time, as for strptime; without it the event keeps its time"`
	TimeOffset     string        `fluentbit:"time_offset" help:"offset of times without a zone, such as -0600"`
	TimeZone       string        `fluentbit:"time_zone" help:"zone of times without one, such as Europe/Berlin"`
	TimeKeep       bool          `fluentbit:"time_keep" default:"false" help:"keep the field that holds the time"`
	TimeStrict     bool          `fluentbit:"time_strict" default:"true" help:"accepted; a time that doesn't fit the format is left in its field"`
	TimeSystemZone bool          `fluentbit:"time_system_timezone" default:"false" help:"times without a zone are local"`
	Types          string        `fluentbit:"types" help:"accepted; JSON has types of its own"`
	DecodeField    []config.Pair `fluentbit:"decode_field" help:"not supported: use decode_field_as"`
	DecodeFieldAs  []config.Pair `fluentbit:"decode_field_as" help:"decode a field's text, as DECODER FIELD; json, and escaped, which JSON itself undoes"`
	SkipEmpty      bool          `fluentbit:"skip_empty_values" default:"true" help:"accepted, without effect on json"`
}

// Check implements config's check after binding.
func (o *ParserOptions) Check(config.Dialect) error {
	_, err := NewParser(o, config.FluentBit, Env{})
	return err
}

// NewParser makes the parser of a section.
func NewParser(o *ParserOptions, _ config.Dialect, _ Env) (*textParser, error) {
	p := &textParser{}
	if len(o.DecodeField) > 0 {
		return nil, &config.OptionError{Option: "decode_field", Reason: "not supported; use decode_field_as"}
	}
	for _, d := range o.DecodeFieldAs {
		name, _, _ := strings.Cut(d.Value, " ") // do_next and the like follow
		switch decoder := strings.ToLower(d.Key); {
		case name == "":
			return nil, &config.OptionError{Option: "decode_field_as", Reason: "a DECODER or a FIELD is missing; want both, as in: decode_field_as json log"}
		case decoder == "json":
			p.convert(name, decodeJSON)
		case !strings.HasPrefix(decoder, "escaped"):
			return nil, &config.OptionError{Option: "decode_field_as", Reason: fmt.Sprintf("decoder %q is not supported; want json or escaped", d.Key)}
		}
	}
	if o.TimeFormat == "" {
		return p, nil
	}
	zone, err := o.zone()
	if err != nil {
		return nil, err
	}
	f, err := timefmt.Compile(o.TimeFormat, zone)
	if err != nil {
		return nil, &config.OptionError{Option: "time_format", Reason: err.Error()}
	}
	p.time = &timeField{name: o.TimeKey, keep: o.TimeKeep, formats: []*timefmt.Format{f}}
	if o.TimeKey == "" {
		p.time.name = "time"
	}
	return p, nil
}

// zone is the zone of times without one: UTC unless the section sets another one.
func (o *ParserOptions) zone() (*time.Location, error) {
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

// parserNamed returns the first of the named parsers that is for JSON. Parsers of other formats are ignored, with a warning:
// they wouldn't parse a JSON object, and any other text passes unchanged.
func parserNamed(names []string, env Env) (*textParser, error) {
	var firstErr error
	for _, name := range names {
		p, err := findParser(name, env)
		if err == nil {
			return p, nil
		}
		if firstErr == nil {
			firstErr = err
		}
		if len(names) > 1 {
			env.Log.Warn().Str("parser", name).Err(err).Msg("a parser of the filter can't be used and is ignored")
		}
	}
	if firstErr == nil {
		firstErr = errors.New("no parser is named; want the name of a [PARSER]")
	}
	return nil, &config.OptionError{Option: "parser", Reason: firstErr.Error()}
}

func findParser(name string, env Env) (*textParser, error) {
	for _, instance := range env.Parsers {
		o, ok := instance.Options.(*ParserOptions)
		if !strings.EqualFold(instance.ID, name) {
			continue
		}
		if !ok {
			return nil, fmt.Errorf("parser %q has the format %s, which is not supported; want json", name, instance.Name)
		}
		return NewParser(o, config.FluentBit, env)
	}
	return nil, fmt.Errorf("parser %q is not defined; want a [PARSER] of that name in a parsers_file", name)
}
