package enrich

import "github.com/firelane/firelane/config"

// ParseOptions are those of the filter parser in both dialects.
type ParseOptions struct {
	KeyName     string   `fluentbit:"key_name" fluentd:"key_name" required:"true" help:"field whose text is parsed"`
	Parsers     []string `fluentbit:"parser" required:"true" help:"name of a [PARSER]; of several, the first that understands the text"`
	ReserveData bool     `fluentbit:"reserve_data" fluentd:"reserve_data" default:"false" help:"keep the record's other fields"`
	PreserveKey bool     `fluentbit:"preserve_key" default:"false" help:"keep the field that was parsed"`
	UnescapeKey bool     `fluentbit:"unescape_key" default:"false" help:"accepted, without effect, as in Fluent Bit"`

	ReserveTime    bool       `fluentd:"reserve_time" default:"false" help:"keep the event's time"`
	RemoveKey      bool       `fluentd:"remove_key_name_field" default:"false" help:"remove the field that was parsed"`
	ReplaceInvalid bool       `fluentd:"replace_invalid_sequence" default:"false" help:"accepted; invalid UTF-8 never stops parsing"`
	KeyPrefix      string     `fluentd:"inject_key_prefix" help:"prefix of the names of parsed fields"`
	HashField      string     `fluentd:"hash_value_field" help:"field that takes all parsed fields as one map"`
	EmitInvalid    bool       `fluentd:"emit_invalid_record_to_error" default:"true" help:"accepted; what can't be parsed passes as it is"`
	Parse          *ParseSpec `fluentd:"<parse>" help:"how to parse"`
}

// A ParseSpec is Fluentd's <parse>.
type ParseSpec struct {
	Type          string   `fluentd:"@type" oneof:"json,none" default:"json" help:"format of the text"`
	MessageKey    string   `fluentd:"message_key" default:"message" help:"field that takes the text (none)"`
	TimeKey       string   `fluentd:"time_key" default:"time" help:"field that holds the time"`
	TimeType      string   `fluentd:"time_type" oneof:"float,unixtime,string,mixed" help:"how the time is written: string where time_format is set, else float"`
	TimeFormat    string   `fluentd:"time_format" help:"format of the time, as for strptime; %iso8601"`
	TimeFallbacks []string `fluentd:"time_format_fallbacks" help:"formats to try next, for time_type mixed"`
	Timezone      string   `fluentd:"timezone" help:"zone of times that name none: +HH:MM or Area/City"`
	UTC           bool     `fluentd:"utc" default:"false" help:"times that name no zone are in UTC"`
	Localtime     bool     `fluentd:"localtime" default:"true" help:"times that name no zone are local"`
	KeepTimeKey   bool     `fluentd:"keep_time_key" default:"false" help:"keep the field that holds the time"`
	EstimateTime  *bool    `fluentd:"estimate_current_event" help:"true: an event whose text holds no time gets the time of now"`
	Types         string   `fluentd:"types" help:"types to convert fields to: name:type,…"`
	NullPattern   string   `fluentd:"null_value_pattern" help:"texts that stand for null"`
	NullEmpty     bool     `fluentd:"null_empty_string" default:"false" help:"an empty text stands for null"`
	JSONParser    string   `fluentd:"json_parser" help:"accepted, without effect"`
	StreamBuffer  int      `fluentd:"stream_buffer_size" help:"accepted, without effect"`
	Timeout       string   `fluentd:"timeout" help:"accepted, without effect"`
}

// NewParse makes the step of a filter parser.
func NewParse(o *ParseOptions, d config.Dialect, env Env) (Step, error) {
	panic("not written yet")
}
