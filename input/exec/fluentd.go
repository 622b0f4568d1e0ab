package exec

import (
	"bytes"
	"cmp"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// FluentdOptions are those of Fluentd's input.
type FluentdOptions struct {
	Tag      string        `fluentd:"tag" help:"tag of every event; required unless <extract> has a tag_key"`
	Command  string        `fluentd:"command" required:"true" secret:"true" help:"command line, which /bin/sh runs if allow_exec is on in <system>"`
	Interval time.Duration `fluentd:"run_interval" help:"time between two starts of the command, and before the first; unless written, it is started once, at once"`
	Mode     string        `fluentd:"connect_mode" oneof:"read,read_with_stderr" default:"read" help:"read_with_stderr: what the command writes to its standard error is read, too"`
	Block    config.Size   `fluentd:"read_block_size" help:"accepted"`
	Encoding string        `fluentd:"encoding" ignored:"texts are taken as UTF-8" help:"accepted"`

	Parse   *parse.Spec           `fluentd:"<parse>" help:"format of the lines; default @type tsv"`
	Extract *parse.ExtractOptions `fluentd:"<extract>" help:"fields that hold the tag and the time"`

	Format     string   `fluentd:"format" oneof:"json,tsv,csv,ltsv,none,regexp" help:"old spelling of <parse> @type"`
	Keys       []string `fluentd:"keys" help:"old spelling of <parse> keys"`
	TagKey     string   `fluentd:"tag_key" help:"old spelling of <extract> tag_key"`
	TimeKey    string   `fluentd:"time_key" help:"old spelling of <parse> time_key"`
	TimeFormat string   `fluentd:"time_format" help:"old spelling of <parse> time_format"`
}

// Check implements config's check after binding.
func (o *FluentdOptions) Check(config.Dialect) error {
	if o.Tag == "" && o.extract().TagKey == "" {
		return &config.OptionError{Option: "tag", Reason: "is missing; want the tag of the events, or <extract> with a tag_key"}
	}
	if o.spec().Type == "msgpack" {
		return &config.OptionError{Option: "@type", Reason: "msgpack is not supported here; want a format of lines, such as json"}
	}
	_, err := o.extract().Extractor(o.spec())
	return err
}

// spec is the <parse>, with the defaults of this input.
func (o *FluentdOptions) spec() *parse.Spec {
	s := parse.Spec{Localtime: true, LabelDelimiter: ":"}
	if o.Parse != nil {
		s = *o.Parse
	}
	s.Type = cmp.Or(s.Type, o.Format, "tsv")
	s.TimeKey, s.TimeFormat = cmp.Or(s.TimeKey, o.TimeKey), cmp.Or(s.TimeFormat, o.TimeFormat)
	if len(s.Keys) == 0 {
		s.Keys = o.Keys
	}
	if s.TimeType == "" && s.TimeFormat == "" {
		s.TimeType = "float"
	}
	if s.EstimateTime == nil {
		s.EstimateTime = new(bool) // so that <extract> looks for the time
	}
	return &s
}

// extract is the <extract>, with the defaults of this input.
func (o *FluentdOptions) extract() *parse.ExtractOptions {
	e := parse.ExtractOptions{TimeType: "float", Localtime: true}
	if o.Extract != nil {
		e = *o.Extract
	}
	e.TagKey = cmp.Or(e.TagKey, o.TagKey)
	if e.TimeFormat != "" {
		e.TimeType = "string"
	}
	return &e
}

// NewFluentd makes the input of Fluentd.
func NewFluentd(o *FluentdOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	spec := o.spec()
	parser, err := o.extract().Extractor(spec)
	if err != nil {
		return nil, fmt.Errorf("exec: %w", err)
	}
	in := newInput(o.Command, env)
	in.interval, in.once, in.stderr = min(o.Interval, maxInterval), o.Interval <= 0, o.Mode == "read_with_stderr"
	in.lineSize = maxLine
	in.lines = &texts{log: env.Log, tag: []byte(o.Tag), parser: parser, json: spec.Type == "json"}
	return in, nil
}

// texts makes an event of each line or, of JSON, of each value, which may have several lines.
type texts struct {
	log    zerolog.Logger
	tag    []byte
	parser *parse.Extractor
	body   []byte

	json    bool
	pending []byte // lines of a value that hasn't ended
	depth   int    // arrays and objects that it has begun and not ended
}

func (t *texts) take(recv input.Receiver, line []byte) {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	if !t.json {
		t.add(recv, line)
		return
	}
	if len(t.pending) == 0 && len(bytes.TrimSpace(line)) == 0 {
		return
	}
	t.scan(line)
	if t.depth == 0 && len(t.pending) == 0 {
		t.add(recv, line)
		return
	}
	t.pending = append(append(t.pending, line...), '\n')
	if t.depth == 0 || len(t.pending) > maxLine {
		t.end(recv)
	}
}

// end takes what has been read of a value.
func (t *texts) end(recv input.Receiver) {
	if len(t.pending) > 0 {
		t.add(recv, t.pending)
	}
	t.pending, t.depth = nil, 0
}

// scan follows the nesting of a value through its next line. A string ends with its line.
func (t *texts) scan(line []byte) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			t.depth++
		case c == '}' || c == ']':
			t.depth = max(t.depth-1, 0)
		}
	}
}

// untagged is the reason for which a line without a tag is rejected.
const untagged = "line has no tag"

// add adds the event of a text, or rejects it.
func (t *texts) add(recv input.Receiver, text []byte) {
	at := now()
	body, tag, ok := t.parser.Parse(t.body[:0], text, t.tag, &at)
	t.body = body
	n, err := record.Check(body)
	switch {
	case !ok || err != nil || n != len(body):
		recv.Reject(1, unparsed)
		t.log.Warn().Int("bytes", len(text)).Msg("a line is not in the format of <parse>: skipped")
	case len(tag) == 0:
		recv.Reject(1, untagged)
		t.log.Warn().Int("bytes", len(text)).Msg("a line has no field tag_key, and the input has no tag: skipped")
	default:
		recv.Add(tag, at, body)
	}
}
