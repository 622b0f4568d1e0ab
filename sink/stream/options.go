// Package stream has the destinations stdout and file, which write text, and null, which discards everything.
package stream

import (
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// StdoutOptions are the options of stdout.
type StdoutOptions struct {
	Format         string `fluentbit:"format" oneof:"msgpack,json,json_lines,json_stream" default:"msgpack" help:"msgpack: readable text, [0] tag: [[time, {}], {…}]; json: one array for each request; json_lines: one object a line; json_stream: objects without a separator"`
	JSONDateKey    string `fluentbit:"json_date_key" default:"date" help:"field that gets the record's time in JSON; false for none"`
	JSONDateFormat string `fluentbit:"json_date_format" oneof:"double,iso8601,epoch,epoch_ms,epoch_millis,epoch_milliseconds,java_sql_timestamp" default:"double" help:"format of that time"`

	UseLogger     bool           `fluentd:"use_logger" default:"true" help:"accepted"`
	FluentdFormat *FormatOptions `fluentd:"<format>" help:"how a record is written; default @type stdout"`
	OldFormat     string         `fluentd:"format" help:"old spelling of <format> @type"`
	OldOutputType string         `fluentd:"output_type" help:"old spelling of <format> output_type"`
	Inject        *InjectOptions `fluentd:"<inject>" help:"fields to add"`

	sink.OutputOptions
}

// FileOptions are the options of file.
type FileOptions struct {
	Path            string `fluentbit:"path" fluentd:"path" identity:"true" help:"Fluent Bit: folder. Fluentd: file, with strftime of the record's time and ${tag}"`
	File            string `fluentbit:"file" identity:"true" help:"file's name; default: the tag"`
	Format          string `fluentbit:"format" oneof:"out_file,plain,csv,ltsv,template,msgpack" default:"out_file" help:"how a record is written; out_file: tag: [time, {…}]"`
	Delimiter       string `fluentbit:"delimiter" help:"between values of csv and ltsv: tab, space or comma"`
	LabelDelimiter  string `fluentbit:"label_delimiter" help:"between label and value of ltsv"`
	Template        string `fluentbit:"template" default:"{time} {message}" help:"for format template"`
	CSVColumnNames  bool   `fluentbit:"csv_column_names" help:"csv: write a line of the fields' names before each record"`
	Mkdir           bool   `fluentbit:"mkdir" help:"create the folder"`
	Append          bool   `fluentd:"append" help:"accepted; records are always appended"`
	AddPathSuffix   bool   `fluentd:"add_path_suffix" default:"true" help:"add path_suffix to a path that has none"`
	PathSuffix      string `fluentd:"path_suffix" default:".log" help:"suffix for add_path_suffix"`
	Compress        string `fluentd:"compress" oneof:"text,gzip,gz" default:"text" help:"gzip or gz: compress the file"`
	Recompress      bool   `fluentd:"recompress" help:"accepted"`
	SymlinkPath     string `fluentd:"symlink_path" help:"accepted"`
	SymlinkRelative bool   `fluentd:"symlink_path_use_relative" help:"accepted"`

	FluentdFormat *FormatOptions `fluentd:"<format>" help:"how a record is written; default @type out_file"`
	OldFormat     string         `fluentd:"format" help:"old spelling of <format> @type"`
	Inject        *InjectOptions `fluentd:"<inject>" help:"fields to add"`

	sink.OutputOptions
}

// NullOptions are the options of null.
type NullOptions struct {
	Format string `fluentbit:"format" help:"accepted"`
	Never  bool   `fluentd:"never_flush" help:"accepted"`

	sink.OutputOptions
}

// FormatOptions are Fluentd's <format>.
type FormatOptions struct {
	Type           string   `fluentd:"@type" oneof:"stdout,json,out_file,ltsv,csv,tsv,single_value,hash,msgpack" help:"how a record is written"`
	OutputType     string   `fluentd:"output_type" oneof:"json,hash,ltsv,single_value" default:"json" help:"how stdout writes the record"`
	JSONParser     string   `fluentd:"json_parser" help:"accepted"`
	AddNewline     *bool    `fluentd:"add_newline" help:"accepted; records always end in a newline"`
	Newline        string   `fluentd:"newline" oneof:"lf,crlf" default:"lf" help:"end of a line"`
	Delimiter      *string  `fluentd:"delimiter" help:"between values"`
	LabelDelimiter string   `fluentd:"label_delimiter" default:":" help:"between label and value of ltsv"`
	Replacement    string   `fluentd:"replacement" default:" " help:"ltsv: replaces delimiters in values"`
	ForceQuotes    bool     `fluentd:"force_quotes" default:"true" help:"csv: quote every value"`
	Fields         []string `fluentd:"fields" help:"fields of csv and tsv"`
	MessageKey     string   `fluentd:"message_key" default:"message" help:"field of single_value"`
	OutputTime     bool     `fluentd:"output_time" default:"true" help:"out_file: write the time"`
	OutputTag      bool     `fluentd:"output_tag" default:"true" help:"out_file: write the tag"`
	TimeType       string   `fluentd:"time_type" oneof:"string,float,unixtime" help:"accepted; times are always strings"`
	TimeFormat     string   `fluentd:"time_format" help:"stdout, out_file: strftime of the time"`
	Localtime      *bool    `fluentd:"localtime" help:"local time (the default) or UTC"`
	UTC            *bool    `fluentd:"utc" help:"UTC"`
	Timezone       string   `fluentd:"timezone" help:"a zone such as +09:00 or Europe/Berlin"`
}

// InjectOptions are Fluentd's <inject>.
type InjectOptions struct {
	HostnameKey string `fluentd:"hostname_key" help:"field that gets the host's name"`
	Hostname    string `fluentd:"hostname" help:"value for hostname_key; default: the host's name"`
	WorkerIDKey string `fluentd:"worker_id_key" help:"field that gets 0"`
	TagKey      string `fluentd:"tag_key" help:"field that gets the tag"`
	TimeKey     string `fluentd:"time_key" help:"field that gets the time"`
	TimeType    string `fluentd:"time_type" oneof:"float,unixtime,unixtime_millis,unixtime_micros,unixtime_nanos,string" default:"float" help:"format of that time"`
	TimeFormat  string `fluentd:"time_format" help:"strftime for time_type string; default ISO 8601"`
	Localtime   *bool  `fluentd:"localtime" help:"local time (the default) or UTC"`
	UTC         *bool  `fluentd:"utc" help:"UTC"`
	Timezone    string `fluentd:"timezone" help:"a zone such as +09:00 or Europe/Berlin"`
}

// Check reports the mistakes that binding can't find.
func (o *StdoutOptions) Check(d config.Dialect) error { return o.CheckOutput(d) }

// Check reports the mistakes that binding can't find.
func (o *FileOptions) Check(d config.Dialect) error {
	if d == config.Fluentd && o.Path == "" {
		return &config.OptionError{Option: "path", Reason: "is missing; want the file to write"}
	}
	return o.CheckOutput(d)
}

// Check reports the mistakes that binding can't find.
func (o *NullOptions) Check(d config.Dialect) error { return o.CheckOutput(d) }
