// Package put has what Firehose and Kinesis Data Streams share: the options of both, a record's text and its compression,
// requests of many records, and the verdict on each of them.
package put

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/format"
	"github.com/firelane/firelane/sink/httpsend"
)

// Options are the options that both destinations have: those of Fluent Bit's own plugins, of AWS's plugins in Go, and of
// fluent-plugin-kinesis. Their options structs embed it.
type Options struct {
	LogKey        string   `fluentbit:"log_key" help:"send the text of this field and nothing else"`
	DataKeys      []string `fluentbit:"data_keys" help:"send these fields and no others; time_key must be one of them if it is to be sent"`
	TimeKey       string   `fluentbit:"time_key" help:"field that gets the record's time; default: none"`
	TimeKeyFormat string   `fluentbit:"time_key_format" default:"%Y-%m-%dT%H:%M:%S" help:"strftime of that time, in UTC; %3N and %9N are digits of the fraction, %L is nine of them, for firehose and kinesis three, %f six"`
	ReplaceDots   string   `fluentbit:"replace_dots" help:"what replaces the dots in field names, at every level"`
	Compression   string   `fluentbit:"compression" fluentd:"compression" help:"compress each record, or with simple_aggregation several together: gzip, zstd, snappy, zlib, none"`
	Aggregate     bool     `fluentbit:"simple_aggregation" help:"send several records as one, one after the other"`

	DataKey     string                `fluentd:"data_key" help:"send the text of this field and nothing else"`
	Chomp       bool                  `fluentd:"chomp_record" help:"remove the newline at the end of a record"`
	Format      *format.Options       `fluentd:"<format>" help:"how a record is written; default @type json"`
	OldFormat   string                `fluentd:"format" help:"old spelling of <format> @type"`
	Inject      *format.InjectOptions `fluentd:"<inject>" help:"fields to add"`
	LogTruncate int                   `fluentd:"log_truncate_max_size" help:"accepted"`
	MaxRecord   int                   `fluentd:"max_record_size" help:"largest record in bytes; larger ones go to the dead letter"`
	MaxCount    int                   `fluentd:"batch_request_max_count" help:"most records in a request"`
	MaxSize     int                   `fluentd:"batch_request_max_size" help:"size in bytes at which a request is sent"`
	Retries     int                   `fluentd:"retries_on_batch_request" help:"accepted; records that the service refuses for now are sent again until it takes them"`
	ResetWait   bool                  `fluentd:"reset_backoff_if_success" help:"accepted"`
	DropFailed  bool                  `fluentd:"drop_failed_records_after_batch_request_retries" help:"accepted; no record is dropped"`
	CountRetry  bool                  `fluentd:"monitor_num_of_batch_request_retries" help:"accepted"`
	Debug       bool                  `fluentd:"debug" help:"accepted"`

	aws.FluentdOptions
	aws.ServiceOptions
	sink.OutputOptions
}

const (
	// maxDataKeys is how many fields data_keys may name.
	maxDataKeys = 256
	// maxDots is the longest replace_dots, in bytes.
	maxDots = 64
)

// CheckPut reports mistakes that binding can't find.
func (o *Options) CheckPut(d config.Dialect) error {
	if !slices.Contains(compressions, o.compression()) {
		return &config.OptionError{Option: "compression", Reason: fmt.Sprintf("%q is not a compression; want gzip, zstd, snappy, zlib or none", o.Compression)}
	}
	if len(o.DataKeys) > maxDataKeys {
		return &config.OptionError{Option: "data_keys", Reason: fmt.Sprintf("names %d fields; want at most %d", len(o.DataKeys), maxDataKeys)}
	}
	if len(o.ReplaceDots) > maxDots {
		return &config.OptionError{Option: "replace_dots", Reason: fmt.Sprintf("has %d bytes; want at most %d", len(o.ReplaceDots), maxDots)}
	}
	if _, err := field.ParseStrftime(fraction(o.TimeKeyFormat, false)); err != nil {
		return &config.OptionError{Option: "time_key_format", Reason: err.Error(), Instead: config.NotWritten}
	}
	return errors.Join(o.CheckService(d), o.CheckCredentials(), o.CheckOutput(d))
}

// compressions are the values of compression.
var compressions = []string{"", "none", "gzip", "zstd", "snappy", "zlib"}

func (o *Options) compression() string { return strings.ToLower(strings.TrimSpace(o.Compression)) }

// Warnings says what the options don't do here.
func (o *Options) Warnings() []string {
	w := o.OutputOptions.Warnings()
	if o.LogKey != "" && o.TimeKey != "" {
		w = append(w, "time_key has no effect with log_key: only the text of one field is sent")
	}
	return w
}

// source returns where credentials come from.
func (o *Options) source(d config.Dialect) aws.Source {
	s := o.Source()
	if d == config.Fluentd {
		o.Complete(&s)
		o.Verify = o.Verify && o.VerifyPeer
	}
	return s
}

// Clip lowers a limit to what the user set, if that is less.
func Clip(limit, set int) int {
	if set > 0 {
		return min(limit, set)
	}
	return limit
}

// A StreamName is the name of the stream of each record.
type StreamName struct {
	template *field.Template
	fixed    string // "": by template
	max      int    // characters
}

// name matches the name of a stream of either service.
var name = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`) })

// NewStreamName parses the value of an option. In Fluentd the name may have placeholders and strftime; max is the longest one
// that the service has.
func NewStreamName(option, value string, max int, d config.Dialect, zone *time.Location) (*StreamName, error) {
	s := &StreamName{fixed: value, max: max}
	if d == config.Fluentd && strings.ContainsAny(value, "$%") {
		t, err := field.ParseTemplate(value, field.Notation{Dialect: d, Strftime: true, Zone: zone})
		if err != nil {
			return nil, &config.OptionError{Option: option, Reason: err.Error()}
		}
		if text, same := t.Text(); same {
			s.fixed = text
		} else {
			s.fixed, s.template = "", t
			return s, nil
		}
	}
	switch {
	case s.fixed == "":
		return nil, &config.OptionError{Option: option, Reason: "is missing; want the stream's name"}
	case !s.valid([]byte(s.fixed)):
		return nil, &config.OptionError{Option: option, Reason: fmt.Sprintf("%q is not a stream's name; want 1 to %d letters, digits, _, . and -", s.fixed, max)}
	}
	return s, nil
}

func (s *StreamName) valid(text []byte) bool { return len(text) <= s.max && name().Match(text) }

// Fixed returns the name if it is the same for all records.
func (s *StreamName) Fixed() (name string, ok bool) { return s.fixed, s.template == nil }

// Key appends the name of r's stream, as sink.Keyer does.
func (s *StreamName) Key(dst []byte, r *sink.Record) ([]byte, error) {
	if s.template == nil {
		return append(dst, s.fixed...), nil
	}
	start := len(dst)
	dst = s.template.Append(dst, &r.Event)
	if text := dst[start:]; !s.valid(text) {
		err := fmt.Errorf("%q is not a stream's name; want 1 to %d letters, digits, _, . and -", httpsend.Clip(string(text), httpsend.MaxReason), s.max)
		return dst[:start], err
	}
	return dst, nil
}
