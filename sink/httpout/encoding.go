package httpout

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
	"github.com/firelane/firelane/sink/httpsend"
)

// An encoding is how records are written, and what is around them in a request.
type encoding struct {
	append        format.Func
	array         bool   // an item ends with a comma, and the items of a request are an array
	tails         bool   // append is format.JSON
	contentType   string // of a request
	perRecord     bool   // an item is a request of its own: see appendRequest
	bodyAt, hdrAt field.Accessor
}

// contentTypes are those of the formats, as in Fluent Bit and Fluentd.
var contentTypes = map[string]string{
	"json": "application/json", "json_stream": "application/json", "gelf": "application/json",
	"json_lines": "application/x-ndjson", "msgpack": "application/msgpack",
}

var fluentdContentTypes = map[string]string{
	"json": "application/x-ndjson", "csv": "text/csv", "tsv": "text/tab-separated-values", "ltsv": "text/tab-separated-values",
	"msgpack": "application/x-msgpack", "out_file": "text/plain", "single_value": "text/plain", "stdout": "text/plain", "hash": "text/plain",
}

func newEncoding(o *Options, d config.Dialect, hostname string) (*encoding, error) {
	if d == config.Fluentd {
		return newFluentdEncoding(o)
	}
	e := &encoding{contentType: contentTypes[o.Format]}
	if o.BodyKey != "" {
		var err error
		if e.bodyAt, err = field.ParseAccessor(o.BodyKey, d); err != nil {
			return nil, err
		}
		if e.hdrAt, err = field.ParseAccessor(o.HeadersKey, d); err != nil {
			return nil, err
		}
		e.perRecord, e.contentType, e.append = true, "", e.appendRequest
		return e, nil
	}
	key := format.DateKey(o.JSONDateKey)
	e.tails = o.Format == "json" || o.Format == "json_lines" || o.Format == "json_stream"
	switch o.Format {
	case "json":
		e.append, e.array = format.JSON(key, o.JSONDateFormat, ","), true
	case "json_lines":
		e.append = format.JSON(key, o.JSONDateFormat, "\n")
	case "json_stream":
		e.append = format.JSON(key, o.JSONDateFormat, "")
	case "msgpack":
		e.append = format.MessagePack
	case "gelf":
		e.append = format.GELF(format.GELFKeys{
			Short: o.ShortKey, Full: o.FullKey, Host: o.HostKey, Timestamp: o.TimestampKey, Level: o.LevelKey,
		}, hostname, "\n")
	}
	return e, nil
}

func newFluentdEncoding(o *Options) (*encoding, error) {
	var f format.Options
	if o.FluentdFormat != nil {
		f = *o.FluentdFormat
	}
	kind := f.Type
	if kind == "" {
		kind = "json"
	}
	e := &encoding{contentType: fluentdContentTypes[kind]}
	if o.JSONArray {
		if kind != "json" {
			return nil, &config.OptionError{Option: "json_array", Reason: "needs @type json in <format>"}
		}
		e.array, e.contentType = true, "application/json"
		e.append = func(dst []byte, r *sink.Record) ([]byte, error) {
			return append(record.AppendJSON(dst, r.Body), ','), nil
		}
	} else {
		var err error
		if e.append, err = format.Fluentd(f, kind); err != nil {
			return nil, err
		}
	}
	if o.ContentType != "" {
		if err := httpsend.CheckHeader("Content-Type", o.ContentType); err != nil {
			return nil, &config.OptionError{Option: "content_type", Reason: "has control characters; want, for example, application/json"}
		}
		e.contentType = o.ContentType
	}
	return e, nil
}

// maxHeaders is the largest size of the headers that a record may give its request, in bytes.
const maxHeaders = 16 << 10

var (
	errNoBody    = errors.New("the field of body_key is missing, or is not text")
	errNoHeaders = errors.New("the field of headers_key is missing, or is not a map")
	errHeaders   = fmt.Errorf("the headers have more than %d bytes", maxHeaders)
)

// appendRequest writes a request for body_key: the size of the headers, each header as its name and value with their sizes,
// and the body. Headers that aren't text are left out, as in Fluent Bit.
func (e *encoding) appendRequest(dst []byte, r *sink.Record) ([]byte, error) {
	start := len(dst)
	value, _ := e.bodyAt.Get(r.Body)
	body, ok := record.Text(value)
	if !ok {
		return dst, errNoBody
	}
	headers, ok := e.hdrAt.Get(r.Body)
	if !ok || record.KindOf(headers[0]) != record.KindMap {
		return dst, errNoHeaders
	}
	dst = append(dst, 0, 0, 0, 0)
	for f := record.FieldsOf(headers); f.Next(); {
		value, ok := record.Text(f.Value())
		if !ok || len(f.Key()) == 0 {
			continue
		}
		if err := httpsend.CheckHeader(string(f.Key()), value); err != nil {
			return dst[:start], err
		}
		for _, s := range [][]byte{f.Key(), value} {
			dst = append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
		}
		if len(dst)-start > maxHeaders {
			return dst[:start], errHeaders
		}
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return append(dst, body...), nil
}

// readRequest reads what appendRequest wrote.
func readRequest(item []byte) (headers []config.Pair, body []byte) {
	size := binary.BigEndian.Uint32(item)
	rest, body := item[4:4+size], item[4+size:]
	next := func() string {
		n := binary.BigEndian.Uint32(rest)
		s := string(rest[4 : 4+n])
		rest = rest[4+n:]
		return s
	}
	for len(rest) > 0 {
		name := next()
		headers = append(headers, config.Pair{Key: name, Value: next()})
	}
	return headers, body
}
