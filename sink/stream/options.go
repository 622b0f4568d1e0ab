// Package stream has the destinations stdout and file, which write text, and null, which discards everything.
package stream

import (
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
)

// StdoutOptions are the options of stdout.
type StdoutOptions struct {
	Format         string `fluentbit:"format" oneof:"msgpack,json,json_lines,json_stream,otlp_json,otlp_json_pretty" other:"msgpack" default:"msgpack" help:"msgpack: readable text, [0] tag: [[time, {}], {…}]; json: one array for each request; json_lines: one object a line; json_stream: objects without a separator; otlp_json, otlp_json_pretty: as json"`
	JSONDateKey    string `fluentbit:"json_date_key" default:"date" help:"field that gets the record's time in JSON; false for none"`
	JSONDateFormat string `fluentbit:"json_date_format" oneof:"double,iso8601,epoch,epoch_ms,epoch_millis,epoch_milliseconds,java_sql_timestamp" other:"double" default:"double" help:"format of that time"`

	UseLogger     bool                  `fluentd:"use_logger" default:"true" help:"accepted"`
	FluentdFormat *format.Options       `fluentd:"<format>" help:"how a record is written; default @type stdout"`
	OldFormat     string                `fluentd:"format" help:"old spelling of <format> @type"`
	OldOutputType string                `fluentd:"output_type" help:"old spelling of <format> output_type"`
	Inject        *format.InjectOptions `fluentd:"<inject>" help:"fields to add"`

	sink.OutputOptions
}

// Warnings says that records aren't printed as OTLP.
func (o *StdoutOptions) Warnings() []string {
	w := o.OutputOptions.Warnings()
	if strings.HasPrefix(o.Format, "otlp_") {
		w = append(w, "format "+o.Format+" is written as json here")
	}
	return w
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

	FluentdFormat *format.Options       `fluentd:"<format>" help:"how a record is written; default @type out_file"`
	OldFormat     string                `fluentd:"format" help:"old spelling of <format> @type"`
	Inject        *format.InjectOptions `fluentd:"<inject>" help:"fields to add"`

	sink.OutputOptions
}

// NullOptions are the options of null.
type NullOptions struct {
	Format string `fluentbit:"format" help:"accepted"`
	Never  bool   `fluentd:"never_flush" help:"accepted"`

	sink.OutputOptions
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
