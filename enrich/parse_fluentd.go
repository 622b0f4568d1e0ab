package enrich

import (
	"errors"
	"fmt"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/field/timefmt"
)

// A ParseSpec is Fluentd's <parse>.
type ParseSpec struct {
	Type          string   `fluentd:"@type" oneof:"json,none" default:"json" help:"format of the text"`
	MessageKey    string   `fluentd:"message_key" default:"message" help:"field that takes the text (none)"`
	TimeKey       string   `fluentd:"time_key" default:"time" help:"field that holds the time"`
	TimeType      string   `fluentd:"time_type" oneof:"float,unixtime,string,mixed" help:"how the time is written; default: string if time_format is set, otherwise float"`
	TimeFormat    string   `fluentd:"time_format" help:"format of the time, as for strptime; %iso8601"`
	TimeFallbacks []string `fluentd:"time_format_fallbacks" help:"formats to try next, for time_type mixed"`
	Timezone      string   `fluentd:"timezone" help:"zone of times without one: +HH:MM or Area/City"`
	UTC           bool     `fluentd:"utc" default:"false" help:"times without a zone are in UTC"`
	Localtime     bool     `fluentd:"localtime" default:"true" help:"times without a zone are local"`
	KeepTimeKey   bool     `fluentd:"keep_time_key" default:"false" help:"keep the field that holds the time"`
	EstimateTime  *bool    `fluentd:"estimate_current_event" ignored:"an event whose text has no time keeps its own" help:"accepted, without effect"`
	Types         string   `fluentd:"types" help:"types to convert fields to: name:type,…"`
	NullPattern   string   `fluentd:"null_value_pattern" help:"regular expression of texts that become null"`
	NullEmpty     bool     `fluentd:"null_empty_string" default:"false" help:"empty texts become null"`
	JSONParser    string   `fluentd:"json_parser" ignored:"there is one parser, which needs none" help:"accepted, without effect"`
	StreamBuffer  int      `fluentd:"stream_buffer_size" ignored:"there is one parser, which needs none" help:"accepted, without effect"`
	Timeout       string   `fluentd:"timeout" ignored:"there is one parser, which needs none" help:"accepted, without effect"`
}

// errNoParse is the error of a filter without a <parse>.
var errNoParse = errors.New("a section <parse> is missing; want one with @type json or none")

// Check implements config's check after binding.
func (o *ParseSpec) Check(config.Dialect) error {
	_, err := o.parser(false)
	return err
}

// parser makes the section's parser. With reserveTime, the event keeps its time.
func (o *ParseSpec) parser(reserveTime bool) (*textParser, error) {
	p := &textParser{nullEmpty: o.NullEmpty}
	if o.NullPattern != "" {
		nulls, err := pattern.CompileRuby(o.NullPattern, nil)
		if err != nil {
			return nil, &config.OptionError{Option: "null_value_pattern", Reason: err.Error()}
		}
		p.nulls = nulls
	}
	zone, err := o.zone()
	if err != nil {
		return nil, err
	}
	if err := p.addTypes(o.Types, zone); err != nil {
		return nil, &config.OptionError{Option: "types", Reason: err.Error()}
	}
	if o.Type == "none" {
		p.messageKey = o.MessageKey
		if p.messageKey == "" {
			p.messageKey = "message"
		}
		return p, nil
	}
	tf, err := o.timeField(zone)
	if err != nil {
		return nil, &config.OptionError{Option: "time_format", Reason: err.Error()}
	}
	tf.ignore = reserveTime
	p.time = tf
	return p, nil
}

func (o *ParseSpec) zone() (*time.Location, error) {
	switch {
	case o.Timezone != "":
		if zone, ok := timefmt.Offset(o.Timezone); ok {
			return zone, nil
		}
		zone, err := time.LoadLocation(o.Timezone)
		if err != nil {
			return nil, &config.OptionError{Option: "timezone", Reason: fmt.Sprintf("%q is not a zone; want +HH:MM or Area/City", o.Timezone)}
		}
		return zone, nil
	case o.UTC || !o.Localtime:
		return time.UTC, nil
	}
	return time.Local, nil
}

func (o *ParseSpec) timeField(zone *time.Location) (*timeField, error) {
	tf := &timeField{name: o.TimeKey, keep: o.KeepTimeKey}
	if tf.name == "" {
		tf.name = "time"
	}
	formats := o.TimeFallbacks
	if o.TimeFormat != "" {
		formats = append([]string{o.TimeFormat}, formats...)
	}
	switch {
	case o.TimeType == "unixtime" || o.TimeType == "float" || o.TimeType == "" && o.TimeFormat == "":
		tf.numeric, formats = true, nil
	case len(formats) == 0: // the formats of Ruby's Time.parse that occur in logs
		formats = []string{"%iso8601", "%Y-%m-%d %H:%M:%S.%L %z", "%Y-%m-%d %H:%M:%S %z", "%d/%b/%Y:%H:%M:%S %z",
			"%a, %d %b %Y %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S.%L", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%L", "%Y-%m-%d %H:%M:%S"}
	}
	for _, format := range formats {
		if format == "unixtime" || format == "float" {
			tf.numeric = true
			continue
		}
		f, err := timefmt.Compile(format, zone)
		if err != nil {
			return nil, err
		}
		tf.formats = append(tf.formats, f)
	}
	return tf, nil
}
