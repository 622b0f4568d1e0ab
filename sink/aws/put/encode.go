package put

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
	"github.com/firelane/firelane/sink/httpsend"
)

// A Text says how a destination's records are written where its plugins differ.
type Text struct {
	// GoPlugin means that the configuration names the plugin in Go: %L is three digits.
	GoPlugin bool
	// Newline ends every record with a newline. In Fluentd a formatter's own one is then removed.
	Newline bool
}

// An Encoder writes records as text, compressed or not. It is safe for concurrent use, and allocates nothing for a record.
type Encoder struct {
	text       format.Func
	newline    bool
	chomp      bool                // remove the newline that text writes
	compressor httpsend.Compressor // nil: none

	logKey  string
	json    record.JSONOptions
	shape   *shape // nil: the record's fields as they are
	timeKey []byte // as JSON with its colon; nil: no time
	clock   *field.Strftime

	tails   bool      // text is the record's members and nothing that depends on the others
	scratch sync.Pool // of *[]byte
}

// ReadsTails implements sink.TailReader.
func (e *Encoder) ReadsTails() bool { return e.tails }

// NewEncoder makes the Encoder that the options describe. With simple_aggregation it doesn't compress: Compressor does that to
// several records together.
func NewEncoder(o *Options, t Text, d config.Dialect, env sink.Env) (*Encoder, error) {
	e := &Encoder{newline: t.Newline}
	e.scratch.New = func() any { return new([]byte) }
	if !o.Aggregate {
		var err error
		if e.compressor, err = Compressor(o, env.Common); err != nil {
			return nil, err
		}
	}
	if d == config.Fluentd {
		return e, e.fluentd(o, env)
	}
	return e, e.fluentBit(o, t)
}

// Compressor returns the compressor that the options ask for, nil for none.
func Compressor(o *Options, c *sink.Common) (httpsend.Compressor, error) {
	if o.compression() == "zlib" {
		return httpsend.SharedZlib(c), nil
	}
	return httpsend.SharedCompressor(c, o.compression())
}

func (e *Encoder) fluentBit(o *Options, t Text) error {
	dots := o.ReplaceDots
	e.logKey, e.text = replaced(o.LogKey, dots), e.object
	if o.LogKey == "" {
		if e.json.ReplaceDots = dots == "_"; e.json.ReplaceDots {
			dots = ""
		}
	} else {
		e.text = e.field
	}
	if len(o.DataKeys) > 0 || dots != "" {
		e.shape = &shape{only: o.DataKeys, dots: dots}
	}
	e.tails = o.LogKey == "" && e.shape == nil && !e.json.ReplaceDots
	if o.TimeKey == "" || o.LogKey != "" || e.shape != nil && !e.shape.keeps(o.TimeKey) {
		return nil
	}
	key := replaced(o.TimeKey, o.ReplaceDots)
	e.json.Omit = []string{key}
	e.timeKey = append(record.AppendJSONString(nil, []byte(key)), ':')
	var err error
	if e.clock, err = field.ParseStrftime(fraction(o.TimeKeyFormat, t.GoPlugin)); err != nil {
		return &config.OptionError{Option: "time_key_format", Reason: err.Error()}
	}
	return nil
}

// fraction replaces the conversions for fractions of a second that strftime doesn't have, or has with another meaning: %L is
// nine digits in Fluent Bit's plugins and three in those in Go, where %f is six.
func fraction(format string, goPlugin bool) string {
	digits := "%9N"
	if goPlugin {
		digits = "%3N"
	}
	return strings.NewReplacer("%%", "%%", "%L", digits, "%f", "%6N").Replace(format)
}

func (e *Encoder) fluentd(o *Options, env sink.Env) error {
	e.chomp = o.Chomp || e.newline
	if o.DataKey != "" {
		e.logKey, e.text, e.chomp = o.DataKey, e.field, e.newline
		return nil
	}
	var opts format.Options
	if o.Format != nil {
		opts = *o.Format
	}
	kind := opts.Type
	if kind == "" {
		kind = o.OldFormat
	}
	if kind == "" {
		kind = "json"
	}
	text, err := format.Fluentd(opts, kind)
	if err != nil {
		return err
	}
	inject := o.Inject
	if inject != nil {
		with := *inject
		if with.TimeType == "" {
			with.TimeType = "string"
		}
		if with.TimeFormat == "" {
			with.TimeFormat = "%Y-%m-%dT%H:%M:%S.%N%z"
		}
		inject = &with
	}
	injector, err := format.NewInjector(inject, env)
	if err != nil {
		return err
	}
	e.text = injector.Wrap(text)
	return nil
}

// Append appends r's text, compressed if the options ask for that. On an error dst is returned as it came.
func (e *Encoder) Append(dst []byte, r *sink.Record) ([]byte, error) {
	if e.compressor == nil {
		return e.plain(dst, r)
	}
	buf := e.scratch.Get().(*[]byte)
	defer e.release(buf)
	text, err := e.plain((*buf)[:0], r)
	if err != nil {
		return dst, err
	}
	*buf = text
	z := e.compressor.Compress(text)
	dst = append(dst, z.Bytes()...)
	e.compressor.Put(z)
	return dst, nil
}

// release keeps a buffer for the next record, unless it is large.
func (e *Encoder) release(buf *[]byte) {
	if cap(*buf) <= sink.MaxKept {
		e.scratch.Put(buf)
	}
}

func (e *Encoder) plain(dst []byte, r *sink.Record) ([]byte, error) {
	start := len(dst)
	dst, err := e.text(dst, r)
	if err != nil {
		return dst[:start], err
	}
	if e.chomp && len(dst) > start && bytes.HasSuffix(dst, []byte("\n")) {
		dst = dst[:len(dst)-1]
		if len(dst) > start && dst[len(dst)-1] == '\r' {
			dst = dst[:len(dst)-1]
		}
	}
	if e.newline {
		dst = append(dst, '\n')
	}
	return dst, nil
}

// field is the text of the field logKey.
func (e *Encoder) field(dst []byte, r *sink.Record) ([]byte, error) {
	body := r.Body
	if e.shape != nil {
		buf := e.scratch.Get().(*[]byte)
		defer e.release(buf)
		*buf = e.shape.append((*buf)[:0], body)
		body = *buf
	}
	v, ok := record.Find(body, e.logKey)
	if !ok || record.KindOf(v[0]) == record.KindNil {
		return dst, fmt.Errorf("the record has no field %s, which alone is to be sent", e.logKey)
	}
	return record.AppendText(dst, v), nil
}

// object is the record as JSON.
func (e *Encoder) object(dst []byte, r *sink.Record) ([]byte, error) {
	dst = append(dst, '{')
	start := len(dst)
	if e.shape != nil {
		buf := e.scratch.Get().(*[]byte)
		defer e.release(buf)
		*buf = e.shape.append((*buf)[:0], r.Body)
		dst = record.AppendJSONMembers(dst, *buf, &e.json)
	} else {
		dst = format.AppendMembers(dst, r, &e.json)
	}
	if e.timeKey != nil {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		var buf [64]byte
		text := e.clock.Append(buf[:0], time.Unix(int64(r.Time.Sec), int64(r.Time.Nsec)).UTC())
		dst = record.AppendJSONString(append(dst, e.timeKey...), text)
	}
	return append(dst, '}'), nil
}
