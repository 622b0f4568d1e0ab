package enrich

import "github.com/firelane/firelane/config"

// ParserOptions are those of Fluent Bit's [PARSER] with Format json.
type ParserOptions struct {
	Name           string        `fluentbit:"name" help:"name that filters refer to"`
	Format         string        `fluentbit:"format" help:"json"`
	TimeKey        string        `fluentbit:"time_key" default:"time" help:"field that holds the time"`
	TimeFormat     string        `fluentbit:"time_format" help:"format of the time, as for strptime; without it the event keeps its time"`
	TimeOffset     string        `fluentbit:"time_offset" help:"offset of times that name none, such as -0600"`
	TimeZone       string        `fluentbit:"time_zone" help:"zone of times that name none, such as Europe/Berlin"`
	TimeKeep       bool          `fluentbit:"time_keep" default:"false" help:"keep the field that holds the time"`
	TimeStrict     bool          `fluentbit:"time_strict" default:"true" help:"accepted; a time that doesn't fit the format is left in its field"`
	TimeSystemZone bool          `fluentbit:"time_system_timezone" default:"false" help:"times that name no zone are local"`
	Types          string        `fluentbit:"types" help:"accepted; JSON has types of its own"`
	DecodeField    []config.Pair `fluentbit:"decode_field" help:"as decode_field_as, the decoded fields joining the record"`
	DecodeFieldAs  []config.Pair `fluentbit:"decode_field_as" help:"decode a field's text, as DECODER FIELD; json and escaped are understood"`
	SkipEmpty      bool          `fluentbit:"skip_empty_values" default:"true" help:"accepted, without effect on json"`
}
