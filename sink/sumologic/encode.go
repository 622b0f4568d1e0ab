package sumologic

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// metadata is the field in which a record may say where it comes from: source, category, host, fields, log_format.
const metadata = "_sumo_metadata"

// A source is what the headers of a request say, and its key: name, category, host and fields, with a zero byte between.
type source struct {
	name, category, host *field.Template
	nameKey, fields      string
}

// headers are the names of the parts of a key.
var headers = [...]string{"X-Sumo-Name", "X-Sumo-Category", "X-Sumo-Host", "X-Sumo-Fields"}

func newSource(o *Options) (*source, error) {
	s := &source{nameKey: o.NameKey, fields: o.customFields()}
	for _, p := range []struct {
		option, text string
		t            **field.Template
	}{{"source_name", o.Name, &s.name}, {"source_category", o.Category, &s.category}, {"source_host", o.Host, &s.host}} {
		t, err := field.ParseTemplate(p.text, field.Notation{Dialect: config.Fluentd})
		if err == nil {
			err = httpsend.CheckHeader(p.option, p.text)
		}
		if err != nil {
			return nil, &config.OptionError{Option: p.option, Reason: err.Error()}
		}
		*p.t = t
	}
	if httpsend.CheckHeader("custom_fields", s.fields) != nil {
		return nil, &config.OptionError{Option: "custom_fields", Reason: "has control characters; want name=value,name=value"}
	}
	return s, nil
}

// key appends the key of a record: what its metadata says, or else the options.
func (s *source) key(dst []byte, r *sink.Record) ([]byte, error) {
	start := len(dst)
	meta, _ := record.Find(r.Body, metadata)
	name, ok := textOf(meta, "source")
	if len(meta) == 0 {
		name, ok = textOf(r.Body, s.nameKey)
	}
	dst = appendEither(dst, name, ok, s.name, r)
	value, ok := textOf(meta, "category")
	dst = appendEither(append(dst, 0), value, ok, s.category, r)
	value, ok = textOf(meta, "host")
	dst = appendEither(append(dst, 0), value, ok, s.host, r)
	dst = append(dst, 0)
	n := len(dst)
	if value, ok = textOf(meta, "fields"); ok {
		dst = append(dst, bytes.TrimSpace(value)...)
	}
	if s.fields != "" {
		if len(dst) > n {
			dst = append(dst, ',')
		}
		dst = append(dst, s.fields...)
	}
	rest := dst[start:]
	for i := range headers {
		part, after, _ := bytes.Cut(rest, []byte{0})
		if i == len(headers)-1 {
			part = rest
		}
		if err := httpsend.CheckHeader(headers[i], part); err != nil {
			return dst[:start], err
		}
		rest = after
	}
	return dst, nil
}

func textOf(m []byte, name string) ([]byte, bool) {
	v, ok := record.Find(m, name)
	if !ok {
		return nil, false
	}
	return record.Text(v)
}

func appendEither(dst, value []byte, ok bool, t *field.Template, r *sink.Record) []byte {
	if ok {
		return append(dst, value...)
	}
	return t.Append(dst, &r.Event)
}

// headersOf are the headers for a key.
func headersOf(key []byte) http.Header {
	h := http.Header{}
	for i, part := range bytes.SplitN(key, []byte{0}, len(headers)) {
		if len(part) > 0 {
			h.Set(headers[i], string(part))
		}
	}
	return h
}

// An encoder writes records as messages, each with a newline.
type encoder struct {
	format        string
	log, at       string // log_key, and the field for the time; "" for none
	logKey, atKey []byte // their names as JSON, each with a colon
	omit          record.JSONOptions
	omitLog       record.JSONOptions // and log_key
	scratch       sync.Pool          // of *[]byte
}

func newEncoder(o *Options) *encoder {
	e := &encoder{format: o.LogFormat, log: o.LogKey, logKey: append(record.AppendJSONString(nil, []byte(o.LogKey)), ':')}
	if o.AddTime {
		e.at = o.TimeKey
		e.atKey = append(record.AppendJSONString(nil, []byte(e.at)), ':')
	}
	e.omit.Omit = []string{metadata}
	e.omitLog.Omit = []string{metadata, e.log}
	return e
}

var errNoLog = errors.New("the record has no field log_key")

func (e *encoder) append(dst []byte, r *sink.Record) ([]byte, error) {
	format := e.format
	if meta, ok := record.Find(r.Body, metadata); ok {
		if own, ok := textOf(meta, "log_format"); ok {
			switch string(own) { // not kept: no allocation
			case "text":
				format = "text"
			case "json_merge":
				format = "json_merge"
			case "json", "fields":
				format = "json"
			}
		}
	}
	value, hasLog := record.Find(r.Body, e.log)
	if format == "text" {
		if !hasLog {
			return dst, errNoLog
		}
		n := len(dst)
		dst = record.AppendText(dst, value)
		return append(dst[:n+copy(dst[n:], bytes.TrimSpace(dst[n:]))], '\n'), nil
	}
	return e.object(dst, r, value, hasLog, format == "json_merge"), nil
}

// object writes the record as an object. The text in log_key becomes an object if it is one, or its members, if merge is true.
func (e *encoder) object(dst []byte, r *sink.Record, value []byte, hasLog, merge bool) []byte {
	dst = append(dst, '{')
	if e.at != "" {
		if _, own := record.Find(r.Body, e.at); !own {
			dst = strconv.AppendInt(append(dst, e.atKey...), int64(r.Time.Sec)*1000+int64(r.Time.Nsec)/1e6, 10)
			dst = append(dst, ',')
		}
	}
	text, isText := record.Text(value)
	if !hasLog || !isText {
		return finish(record.AppendJSONMembers(dst, r.Body, &e.omit))
	}
	text = trimNewline(text)
	buf, _ := e.scratch.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer e.scratch.Put(buf)
	parsed, err := parseContainer((*buf)[:0], text)
	*buf = parsed
	if merge {
		if err == nil && record.KindOf(parsed[0]) == record.KindMap {
			return finish(e.merged(dst, r.Body, buf, len(parsed)))
		}
		err = errors.ErrUnsupported
	}
	n := len(dst)
	if dst = record.AppendJSONMembers(dst, r.Body, &e.omitLog); len(dst) > n {
		dst = append(dst, ',')
	}
	dst = append(dst, e.logKey...)
	if err == nil {
		return finish(record.AppendJSON(dst, parsed))
	}
	return finish(record.AppendJSONString(dst, text))
}

// merged writes the members of body without log_key, and those of the map of size bytes in buf, which take precedence.
func (e *encoder) merged(dst, body []byte, buf *[]byte, size int) []byte {
	n, members, _ := record.MapHeader((*buf)[:size])
	for f := record.FieldsOf(body); f.Next(); {
		if string(f.Key()) != e.log {
			n++
		}
	}
	whole := record.AppendMapHeader((*buf)[:size], n)
	for f := record.FieldsOf(body); f.Next(); {
		if string(f.Key()) != e.log {
			whole = append(append(whole, f.RawKey()...), f.Value()...)
		}
	}
	*buf = append(whole, members...)
	return record.AppendJSONMembers(dst, (*buf)[size:], &e.omit)
}

func finish(dst []byte) []byte {
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}', '\n')
}

// parseContainer appends the MessagePack of a JSON object or array.
func parseContainer(dst, text []byte) ([]byte, error) {
	t := bytes.TrimSpace(text)
	if len(t) < 2 || t[0] != '{' && t[0] != '[' {
		return dst, errors.ErrUnsupported
	}
	return record.AppendFromJSON(dst, t)
}

func trimNewline(text []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
}
