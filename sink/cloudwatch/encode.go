package cloudwatch

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
)

// Limits of the service ("PutLogEvents - Amazon CloudWatch Logs"). Sizes are of the message in UTF-8, as the service reads it
// from the JSON, and 26 bytes for each event.
const (
	maxBatchBytes  = 1 << 20
	maxBatchEvents = 10_000
	maxEventBytes  = 1 << 20
	eventOverhead  = 26
	maxMessage     = maxEventBytes - eventOverhead
)

// An item is a comma, and an event as JSON: its time in milliseconds, then its message.
const (
	itemStart   = `,{"timestamp":`
	itemMessage = `,"message":`
)

// truncated ends a message that was cut, as in AWS's plugin for Fluent Bit.
const truncated = "[Truncated...]"

// encoder makes items.
type encoder struct {
	message format.Func // appends the message; may be long, empty, or have bytes that aren't UTF-8
	whole   bool        // it is the record as JSON, and nothing else
	large   string      // what becomes of a message that is too long, as large_events says
	maxRune int         // longest message in characters, 0 for no limit
	onCut   func(size int)
	metrics metrics
}

// newEncoder makes the encoder for the options.
func newEncoder(o *Options, d config.Dialect, env sink.Env) (e encoder, err error) {
	e = encoder{large: o.LargeEvents, maxRune: o.MaxMessageLength, metrics: newMetrics(o)}
	e.onCut = func(size int) {
		env.Log.Warn().Int("bytes", size).Int("max_bytes", maxMessage).
			Msg("an event is too large for CloudWatch Logs: it is cut, and ends in " + truncated)
	}
	switch {
	case o.LogKey != "":
		var at field.Accessor
		if at, err = field.ParseAccessor(o.LogKey, d); err != nil {
			return e, &config.OptionError{Option: "log_key", Reason: err.Error()}
		}
		e.message = fieldMessage(at, o.LogKey)
	case o.Format != nil:
		kind := o.Format.Type
		if kind == "" {
			kind = "json"
		}
		f, err := format.Fluentd(*o.Format, kind)
		if err != nil {
			return e, err
		}
		e.message = withoutNewline(f)
	case len(o.MessageKeys) > 0:
		e.message = joinedMessage(o.MessageKeys)
	default:
		e.message = jsonMessage(o.omitted())
	}
	in := o.inject()
	e.whole = o.LogKey == "" && o.Format == nil && len(o.MessageKeys) == 0 && len(o.omitted()) == 0 && in == nil && e.maxRune == 0
	inject, err := format.NewInjector(in, env)
	e.message = inject.Wrap(e.message)
	return e, err
}

// jsonMessage is the whole record, without some fields.
func jsonMessage(omit []string) format.Func {
	if len(omit) == 0 {
		return func(dst []byte, r *sink.Record) ([]byte, error) { return record.AppendJSON(dst, r.Body), nil }
	}
	opt := &record.JSONOptions{Omit: omit}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		return append(record.AppendJSONMembers(append(dst, '{'), r.Body, opt), '}'), nil
	}
}

// fieldMessage is one field.
func fieldMessage(at field.Accessor, name string) format.Func {
	missing := fmt.Errorf("the record has no field %s, which log_key names", name)
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		value, ok := at.Find(&r.Event)
		if !ok {
			return dst, missing
		}
		return record.AppendText(dst, value), nil
	}
}

// joinedMessage is the fields that are there and not empty, with blanks between them.
func joinedMessage(names []string) format.Func {
	missing := errors.New("the record has none of the fields that message_keys names")
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		start, found := len(dst), false
		for _, name := range names {
			value, ok := record.Find(r.Body, name)
			if found = found || ok; !ok || record.KindOf(value[0]) == record.KindNil {
				continue
			}
			before := len(dst)
			if before > start {
				dst = append(dst, ' ')
			}
			after := len(dst)
			if dst = record.AppendText(dst, value); len(dst) == after {
				dst = dst[:before]
			}
		}
		if !found {
			return dst, missing
		}
		return dst, nil
	}
}

// withoutNewline is f without the newline at its end.
func withoutNewline(f format.Func) format.Func {
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		start := len(dst)
		dst, err := f(dst, r)
		for _, c := range []byte("\n\r") {
			if n := len(dst); n > start && dst[n-1] == c {
				dst = dst[:n-1]
			}
		}
		return dst, err
	}
}

// append appends a record's item.
func (e *encoder) append(body []byte, r *sink.Record) ([]byte, error) {
	start := len(body)
	body = append(body, itemStart...)
	body = strconv.AppendUint(body, uint64(r.Time.Sec)*1000+uint64(r.Time.Nsec)/1e6, 10)
	body = append(body, itemMessage...)
	text := len(body)
	if out, ok := e.metrics.append(body, r); ok {
		return e.quote(out, start, text, r.Time)
	}
	if e.whole {
		if out, ok := appendQuoted(body, r); ok && len(out)-text <= maxMessage {
			return append(out, '}'), nil
		}
		r.Whole()
	}
	body, err := e.message(body, r)
	if err != nil {
		return body[:start], err
	}
	return e.quote(body, start, text, r.Time)
}

// appendQuoted appends a record as record.AppendJSONQuoted does.
func appendQuoted(dst []byte, r *sink.Record) (out []byte, ok bool) {
	r.EncodeTail(appendQuotedTail)
	if out, ok = record.AppendJSONQuoted(dst, r.Body); !ok || len(r.Tail) == 0 {
		return out, ok
	}
	const end = `}"`
	if out = out[:len(out)-len(end)]; out[len(out)-1] != '{' {
		out = append(out, ',')
	}
	return append(append(out, r.Shared.Encoded...), end...), true
}

// appendQuotedTail appends the members of a tail, if there are any and they can be encoded apart from those of a body.
func appendQuotedTail(dst, tail []byte) (out []byte, apart bool) {
	if !record.PlainKeys(tail) {
		return dst, false
	}
	start := len(dst)
	out, ok := record.AppendJSONQuoted(dst, tail)
	if !ok || len(out)-start <= len(`"{}"`) {
		return dst, false
	}
	n := copy(out[start:], out[start+2:len(out)-2])
	return out[:start+n], true
}

// quote makes the message body[text:] as short as it must be, and a JSON string, which ends the item that begins at start.
func (e *encoder) quote(body []byte, start, text int, at record.Time) ([]byte, error) {
	body, size, err := e.fit(body, text)
	if err != nil {
		return body[:start], err
	}
	if size > maxMessage {
		end := len(body)
		body = appendLarge(body, at, body[text:end], size)
		return body[:start+copy(body[start:], body[end:])], nil
	}
	if len(body) == text { // the service takes no empty message
		return append(body, `" "}`...), nil
	}
	// The message is written as a JSON string after its text, and then moved to where it belongs.
	end := len(body)
	body = record.AppendJSONString(body, body[text:end])
	body = body[:text+copy(body[text:], body[end:])]
	return append(body, '}'), nil
}

// fit makes the message body[text:] as short as it must be. size is more than maxMessage if it is to go by OTLP as it is.
func (e *encoder) fit(body []byte, text int) (_ []byte, size int, _ error) {
	if e.maxRune > 0 && len(body)-text > e.maxRune {
		body = body[:text+runesEnd(body[text:], e.maxRune)]
	}
	const growth = len(string(utf8.RuneError)) // of a byte that isn't UTF-8
	if len(body)-text <= maxMessage/growth {
		return body, 0, nil
	}
	size, end := measure(body[text:])
	switch {
	case size <= maxMessage || e.large == largeOTLP:
		return body, size, nil
	case e.large == largeDeadLetter:
		return body, 0, fmt.Errorf("the event has %d bytes; CloudWatch Logs takes at most %d", size+eventOverhead, maxEventBytes)
	}
	e.onCut(size)
	return append(body[:text+end], truncated...), 0, nil
}

// measure returns a message's size as the service counts it, with U+FFFD for each byte that isn't UTF-8, and where to cut it
// if that is more than maxMessage.
func measure(text []byte) (size, cut int) {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if size += n; r == utf8.RuneError && n == 1 {
			size += len(string(utf8.RuneError)) - 1
		}
		if i += n; size <= maxMessage-len(truncated) {
			cut = i
		}
	}
	return size, cut
}

// runesEnd returns where the first n characters of text end.
func runesEnd(text []byte, n int) int {
	i := 0
	for ; n > 0 && i < len(text); n-- {
		_, size := utf8.DecodeRune(text[i:])
		i += size
	}
	return i
}

// timeOf reads an item's time in milliseconds.
func timeOf(item []byte) (ms int64) {
	start := len(itemStart)
	if isLarge(item) {
		start = 1
	}
	for _, c := range item[start:] {
		if c < '0' || c > '9' {
			break
		}
		ms = ms*10 + int64(c-'0')
	}
	return ms
}
