package parse

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field/timefmt"
	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// A Spec is Fluentd's <parse>.
type Spec struct {
	Type             string           `fluentd:"@type" oneof:"json,none,regexp,ltsv,csv,tsv,apache,apache2,apache_error,nginx,syslog,multiline,msgpack" help:"format of the text; default: json, and in the input exec tsv"`
	MessageKey       string           `fluentd:"message_key" default:"message" help:"field that takes the text (none)"`
	Expression       string           `fluentd:"expression" help:"pattern whose named groups become fields (regexp)"`
	FirstLine        string           `fluentd:"format_firstline" help:"pattern of a line with which a text begins (multiline, in tail)"`
	Formats          []config.Ordered `fluentd:"format1,format2,format3,format4,format5,format6,format7,format8,format9,format10,format11,format12,format13,format14,format15,format16,format17,format18,format19,format20" help:"pattern of the whole text, in pieces that are put together in the order in which they are written (multiline)"`
	UnmatchedLines   *bool            `fluentd:"unmatched_lines" ignored:"the filter and the input have options for texts that can't be parsed" help:"accepted, without effect"`
	Keys             []string         `fluentd:"keys" help:"names of the fields, in order (csv, tsv)"`
	Delimiter        string           `fluentd:"delimiter" help:"between fields (ltsv, csv, tsv)"`
	DelimiterPattern string           `fluentd:"delimiter_pattern" help:"pattern of what is between fields, of single characters such as [ \t]+ (ltsv)"`
	LabelDelimiter   string           `fluentd:"label_delimiter" default:":" help:"between a field's name and its value (ltsv)"`
	WithPriority     bool             `fluentd:"with_priority" default:"false" help:"the text begins with <priority> (syslog)"`
	MessageFormat    string           `fluentd:"message_format" oneof:"rfc3164,rfc5424,auto" default:"rfc3164" help:"syslog's format; auto tells by the text"`
	RFC5424Time      string           `fluentd:"rfc5424_time_format" default:"%Y-%m-%dT%H:%M:%S.%L%z" help:"format of the time in rfc5424"`
	SyslogParser     string           `fluentd:"parser_type,parser_engine" ignored:"there is one parser, which needs none" help:"accepted, without effect"`
	SupportColonless bool             `fluentd:"support_colonless_ident" default:"true" help:"the identifier may have no colon after it (syslog)"`
	TimeKey          string           `fluentd:"time_key" help:"field that holds the time; default: time, and none for csv, tsv and msgpack"`
	TimeType         string           `fluentd:"time_type" oneof:"float,unixtime,string,mixed" help:"how the time is written; default: string, and for json and msgpack without time_format float"`
	TimeFormat       string           `fluentd:"time_format" help:"format of the time, as for strptime; %iso8601"`
	TimeFallbacks    []string         `fluentd:"time_format_fallbacks" help:"formats to try next, for time_type mixed"`
	Timezone         string           `fluentd:"timezone" help:"zone of times without one: +HH:MM or Area/City"`
	UTC              bool             `fluentd:"utc" default:"false" help:"times without a zone are in UTC"`
	Localtime        bool             `fluentd:"localtime" default:"true" help:"times without a zone are local"`
	KeepTimeKey      bool             `fluentd:"keep_time_key" default:"false" help:"keep the field that holds the time"`
	EstimateTime     *bool            `fluentd:"estimate_current_event" help:"accepted: an event whose text has no time keeps its own; false lets <extract> look for one"`
	Types            string           `fluentd:"types" help:"types to convert fields to: name:type,…"`
	NullPattern      string           `fluentd:"null_value_pattern" help:"regular expression of texts that become null"`
	NullEmpty        bool             `fluentd:"null_empty_string" default:"false" help:"empty texts become null"`
	JSONParser       string           `fluentd:"json_parser" ignored:"there is one parser, which needs none" help:"accepted, without effect"`
	StreamBuffer     int              `fluentd:"stream_buffer_size" ignored:"there is one parser, which needs none" help:"accepted, without effect"`
	Timeout          string           `fluentd:"timeout" ignored:"there is one parser, which needs none" help:"accepted, without effect"`
}

// ErrNoSpec is the error of a filter without a <parse>.
var ErrNoSpec = errors.New("a section <parse> is missing; want one with an @type such as json")

// Check implements config's check after binding.
func (o *Spec) Check(config.Dialect) error {
	_, err := o.Parser(false)
	return err
}

// Parser makes the section's parser. With reserveTime, the event keeps its time.
func (o *Spec) Parser(reserveTime bool) (*Parser, error) {
	p := &Parser{nullEmpty: o.NullEmpty}
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
	if p.format, err = o.format(p, zone); err != nil {
		return nil, err
	}
	if o.Type == "none" || o.TimeKey == "" && (o.Type == "csv" || o.Type == "tsv" || o.Type == "msgpack") {
		return p, nil
	}
	if p.time != nil { // that of the format
		p.time.ignore, p.time.keep = reserveTime, o.KeepTimeKey
		return p, nil
	}
	if p.time, err = o.timeField(zone); err != nil {
		return nil, &config.OptionError{Option: "time_format", Reason: err.Error()}
	}
	p.time.ignore = reserveTime
	return p, nil
}

// The patterns of formats that have one, as Fluentd's documentation gives them.
const (
	apache2Pattern = `^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>(?:[^\"]|\\.)*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>(?:[^\"]|\\.)*)" "(?<agent>(?:[^\"]|\\.)*)")?$`
	apachePattern  = `^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^ ]*) +\S*)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>[^\"]*)")?$`
	apacheError    = `^\[[^ ]* (?<time>[^\]]*)\] \[(?<level>[^\]]*)\](?: \[pid (?<pid>[^\]]*)\])?( \[client (?<client>[^\]]*)\])? (?<message>.*)$`
	nginxPattern   = `^(?<remote>[^ ]*) (?<host>[^ ]*) (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>[^\"]*)"(?:\s+\"?(?<http_x_forwarded_for>[^\"]*)\"?)?)?$`

	accessTime = "%d/%b/%Y:%H:%M:%S %z"
)

// format returns what reads the text; nil for JSON. It may set the parser's time and converters.
func (o *Spec) format(p *Parser, zone *time.Location) (format, error) {
	switch o.Type {
	case "none":
		return none(first(o.MessageKey, "message")), nil
	case "regexp":
		return o.pattern("expression", o.Expression)
	case "ltsv":
		split := splitter(first(o.Delimiter, "\t"))
		if o.DelimiterPattern != "" {
			if split = splitterAt(o.DelimiterPattern); split == nil {
				return nil, &config.OptionError{Option: "delimiter_pattern", Reason: fmt.Sprintf(`%q is not supported; want a set of characters such as /[ \t]+/`, o.DelimiterPattern)}
			}
		}
		return delimited(split, first(o.LabelDelimiter, ":")), nil
	case "csv", "tsv":
		if len(o.Keys) == 0 {
			return nil, &config.OptionError{Option: "keys", Reason: "is missing; want the names of the fields of " + o.Type + ", in order"}
		}
		if o.Type == "tsv" {
			return csv(o.Keys, first(o.Delimiter, "\t"), false), nil
		}
		return csv(o.Keys, first(o.Delimiter, ","), true), nil
	case "apache", "apache2", "nginx", "apache_error":
		return o.access(p, zone)
	case "syslog":
		return o.syslog(p, zone)
	case "multiline":
		return o.multiline()
	case "msgpack":
		p.msgpack = true
	}
	return nil, nil
}

// multiline returns the format that is given in pieces; the dot matches newlines, too.
func (o *Spec) multiline() (format, error) {
	var whole strings.Builder
	for _, piece := range o.Formats {
		inner, ok := strings.CutPrefix(piece.Value, "/")
		inner, closed := strings.CutSuffix(inner, "/")
		if !ok || !closed {
			return nil, &config.OptionError{Option: "format1", Reason: fmt.Sprintf("%q is not a pattern between slashes; want, for example, /^(?<time>[^ ]+) (?<message>.*)/", piece.Value)}
		}
		whole.WriteString(inner)
	}
	if _, err := o.First(); err != nil {
		return nil, err
	}
	if whole.Len() == 0 {
		return nil, &config.OptionError{Option: "format1", Reason: "is missing; want a pattern with named groups"}
	}
	return o.pattern("format1", "/"+whole.String()+"/m")
}

// First is the pattern of the line with which a text begins; nil if there is none.
func (o *Spec) First() (*pattern.Pattern, error) {
	if o.Type != "multiline" || o.FirstLine == "" {
		return nil, nil
	}
	p, err := pattern.CompileRuby(o.FirstLine, nil)
	if err != nil {
		return nil, &config.OptionError{Option: "format_firstline", Reason: err.Error()}
	}
	return p, nil
}

func (o *Spec) pattern(option, source string) (format, error) {
	c, err := pattern.CompileRubyCapture(source, nil)
	switch {
	case source == "":
		return nil, &config.OptionError{Option: option, Reason: "is missing; want a pattern with named groups"}
	case err != nil:
		return nil, &config.OptionError{Option: option, Reason: err.Error()}
	case len(c.Names()) == 0:
		return nil, &config.OptionError{Option: option, Reason: "has no named group; want, for example, (?<level>[A-Z]+)"}
	}
	return regex(c), nil
}

// access returns the format of a web server's log.
func (o *Spec) access(p *Parser, zone *time.Location) (format, error) {
	source, times := map[string]string{"apache": apachePattern, "apache2": apache2Pattern, "nginx": nginxPattern, "apache_error": apacheError}[o.Type], accessTime
	formats := []string{first(o.TimeFormat, times)}
	if o.Type == "apache_error" && o.TimeFormat == "" {
		formats = []string{"%b %d %H:%M:%S.%N %Y", "%b %d %H:%M:%S %Y"}
	}
	if err := o.setTime(p, zone, formats...); err != nil {
		return nil, err
	}
	if o.Type == "apache2" { // the numbers are numbers, and - is null
		c, err := pattern.CompileRubyCapture(source, nil)
		return apache2(c), err
	}
	return o.pattern("@type", source)
}

// apache2 is regex with Fluentd's types: code and size are numbers, a code of 0 is null, and so is a - in place of all other
// fields but method and path.
func apache2(c *pattern.Capture) format {
	return func(f *fields, text []byte) bool {
		var room [16]pattern.Group
		groups, ok := c.Groups(room[:0], text)
		for _, name := range [...]string{"path", "referer", "agent"} { // those that a text may not have are null
			if ok && !slices.ContainsFunc(groups, func(g pattern.Group) bool { return g.Name == name }) {
				f.addNil(name)
			}
		}
		for _, g := range groups {
			switch {
			case string(g.Text) == "-" && g.Name != "time" && g.Name != "method" && g.Name != "path":
				f.addNil(g.Name)
			case g.Name == "code" || g.Name == "size":
				n, _ := strconv.ParseInt(string(g.Text), 10, 64)
				if n == 0 && g.Name == "code" {
					f.addNil(g.Name)
					continue
				}
				f.n++
				f.out = record.AppendInt(record.AppendStr(f.out, g.Name), n)
			default:
				f.add(g.Name, g.Text)
			}
		}
		return ok
	}
}

// setTime sets the parser's time to the field time in a format.
func (o *Spec) setTime(p *Parser, zone *time.Location, formats ...string) error {
	p.time = &timeField{name: "time"}
	for _, format := range formats {
		f, err := timefmt.Compile(format, zone)
		if err != nil {
			return &config.OptionError{Option: "time_format", Reason: err.Error()}
		}
		p.time.formats = append(p.time.formats, f)
	}
	return nil
}

// Patterns of syslog, as Fluentd's documentation gives them, after the priority.
const (
	priority = `^<(?<pri>[0-9]{1,3})>`
	rfc3164  = `(?<time>[^ ]* {1,2}[^ ]* [^ ]*) (?<host>[^ ]*) (?<ident>[^ :\[]*)(?:\[(?<pid>[0-9]+)\])?(?:[^:]*:)? *(?<message>.*)$`
	rfc5424  = `[1-9]\d{0,2} (?<time>[^ ]+) (?<host>[!-~]{1,255}) (?<ident>[!-~]{1,48}) (?<pid>[!-~]{1,128}) (?<msgid>[!-~]{1,32}) (?<extradata>-|(?:\[.*?(?<!\\)\])+)(?: (?<message>(?m:.)+))?$`
)

// syslog returns the format of syslog's messages.
func (o *Spec) syslog(p *Parser, zone *time.Location) (format, error) {
	start := "^"
	if o.WithPriority {
		start = priority
		p.convert("pri", toInteger)
	}
	old, err := o.pattern("@type", start+rfc3164)
	if err != nil {
		return nil, err
	}
	current, err := o.pattern("@type", start+rfc5424)
	if err != nil {
		return nil, err
	}
	err = o.setTime(p, zone, first(o.TimeFormat, "%b %d %H:%M:%S"), first(o.RFC5424Time, "%Y-%m-%dT%H:%M:%S.%L%z"), "%Y-%m-%dT%H:%M:%S%z")
	switch o.MessageFormat {
	case "rfc5424":
		return current, err
	case "auto":
		return func(f *fields, text []byte) bool {
			_, rest, ok := bytes.Cut(text, []byte{'>'})
			if digits := bytes.TrimLeft(rest, "0123456789"); o.WithPriority && ok && len(digits) < len(rest) && bytes.HasPrefix(digits, []byte{' '}) {
				return current(f, text)
			}
			return old(f, text)
		}, err
	}
	return old, err
}

// first returns the first text that isn't empty, "" if all are.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func (o *Spec) zone() (*time.Location, error) {
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

func (o *Spec) timeField(zone *time.Location) (*timeField, error) {
	tf := &timeField{name: o.TimeKey, keep: o.KeepTimeKey}
	if tf.name == "" {
		tf.name = "time"
	}
	formats := o.TimeFallbacks
	if o.TimeFormat != "" {
		formats = append([]string{o.TimeFormat}, formats...)
	}
	numbers := o.Type == "json" || o.Type == "" || o.Type == "msgpack"
	switch {
	case o.TimeType == "unixtime" || o.TimeType == "float" || o.TimeType == "" && o.TimeFormat == "" && numbers:
		tf.numeric, formats = true, nil
	case len(formats) == 0: // the formats of Ruby's Time.parse that occur in logs
		formats = []string{"%iso8601", "%Y-%m-%d %H:%M:%S.%L %z", "%Y-%m-%d %H:%M:%S %z", "%d/%b/%Y:%H:%M:%S %z",
			"%a, %d %b %Y %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S.%L", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%L", "%Y-%m-%d %H:%M:%S"}
	}
	tf.numeric = tf.numeric || o.TimeType == "" && o.TimeFormat == ""
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
