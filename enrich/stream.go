package enrich

import (
	"bytes"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

// StreamOptions are the options of a task of Fluent Bit's stream processor.
type StreamOptions struct {
	Name string `fluentbit:"name" help:"the task's name"`
	Exec string `fluentbit:"exec" required:"true" help:"CREATE STREAM name WITH (tag='new.tag') AS SELECT *, or keys FROM TAG:'pattern' or STREAM:input WHERE condition;"`
}

// Check implements config's check after binding: it returns an error if the query of exec is wrong.
func (o *StreamOptions) Check(config.Dialect) error {
	if _, err := parseStream(o.Exec); err != nil {
		return &config.OptionError{Option: "exec", Reason: err.Error()}
	}
	return nil
}

// Warnings implements config's warnings after binding.
func (o *StreamOptions) Warnings() []string {
	if q, err := parseStream(o.Exec); err == nil && q.mixed {
		return []string{"exec: as in Fluent Bit, AND, OR and NOT apply to everything to their right: a AND b OR c is a AND (b OR c); use parentheses"}
	}
	return nil
}

// Stream implements config.StreamTask; both results are "" if the query is wrong.
func (o *StreamOptions) Stream() (name, tag string) {
	if q, err := parseStream(o.Exec); err == nil {
		return q.name, q.tag
	}
	return "", ""
}

// From implements config.StreamTask; both results are "" if the query is wrong.
func (o *StreamOptions) From() (stream, tags string) {
	if q, err := parseStream(o.Exec); err == nil {
		return q.stream, q.tags
	}
	return "", ""
}

// streamTask is the Step of a task. All events pass unchanged; for each event for which the condition holds, it also emits a new one,
// with the selected keys and the stream's tag.
type streamTask struct{ *streamQuery }

// NewStreamTask makes the Step of a task of the stream processor. It returns an error if the query is wrong.
func NewStreamTask(o *StreamOptions, _ config.Dialect, _ Env) (Step, error) {
	q, err := parseStream(o.Exec)
	return &streamTask{q}, err
}

// Apply implements Step. Events that the task itself has emitted only pass.
func (t *streamTask) Apply(ev *record.Event, out *Out) {
	kept := *ev
	if out.From == Step(t) || t.where != nil && !t.where.holds(ev) {
		out.Next(&kept)
		return
	}
	out.Next(&kept)
	used := out.Mark()
	if body, ok := t.body(out.Take(), ev); ok {
		emitted := *ev
		emitted.Body = out.Keep(body)
		out.Reroute(&emitted, t.tag)
	}
	out.Rewind(used)
}

// body appends the new record. ok is false if the event has none of the keys.
func (t *streamTask) body(dst []byte, ev *record.Event) (body []byte, ok bool) {
	var room [maxStreamKeys][]byte
	count := 0
	for i := range t.keys {
		k := &t.keys[i]
		switch {
		case k.all:
			for f := record.FieldsOf(ev.Body); f.Next(); {
				if !t.selects(f.Key()) {
					count++
				}
			}
		case k.function != "":
			count++
		default:
			if value, found := k.at.Get(ev.Body); found {
				room[i] = value
				count++
			}
		}
	}
	if count == 0 {
		return dst, false
	}
	dst = record.AppendMapHeader(dst, count)
	for i := range t.keys {
		k := &t.keys[i]
		switch {
		case k.all:
			for f := record.FieldsOf(ev.Body); f.Next(); {
				if !t.selects(f.Key()) {
					dst = append(append(dst, f.RawKey()...), f.Value()...)
				}
			}
		case k.function != "":
			dst = k.call(record.AppendStr(dst, k.name), ev)
		case room[i] != nil:
			dst = append(record.AppendStr(dst, k.name), room[i]...)
		}
	}
	return dst, true
}

// selects reports whether a key is also selected by name: then * omits it.
func (t *streamTask) selects(name []byte) bool {
	for i := range t.keys {
		if k := &t.keys[i]; !k.all && k.name == string(name) {
			return true
		}
	}
	return false
}

// call appends the value of a function.
func (k *streamKey) call(dst []byte, ev *record.Event) []byte {
	switch k.function {
	case "RECORD_TAG":
		return record.AppendStr(dst, ev.Tag)
	case "RECORD_TIME":
		return record.AppendFloat(dst, seconds(ev.Time))
	case "UNIX_TIMESTAMP":
		return record.AppendInt(dst, time.Now().Unix())
	}
	const layout = "2006-01-02 15:04:05"
	var room [len(layout)]byte
	return record.AppendStrBytes(dst, time.Now().AppendFormat(room[:0], layout))
}

func seconds(t record.Time) float64 { return float64(t.Sec) + float64(t.Nsec)/1e9 }

// A streamKind is the type of a value in a condition.
type streamKind uint8

const (
	streamMissing streamKind = iota // also a value that can't be compared, such as an array
	streamNull
	streamBool
	streamNumber
	streamText
)

// A streamValue is a value in a condition.
type streamValue struct {
	kind   streamKind
	truth  bool
	number float64
	text   []byte
}

// A streamExpr is a condition. op is AND, OR or NOT of others; "constant"; "is", which tests whether the left value is true; or "="
// or another operator, which compares the left value with value.
type streamExpr struct {
	op       string
	of       []streamExpr
	function string // contains or time; "": the value of the key
	at       field.Accessor
	value    streamValue
	sql      bool // of the processor sql
}

func (e *streamExpr) holds(ev *record.Event) bool {
	switch e.op {
	case "AND":
		return e.of[0].holds(ev) && e.of[1].holds(ev)
	case "OR":
		return e.of[0].holds(ev) || e.of[1].holds(ev)
	case "NOT":
		return !e.of[0].holds(ev)
	case "constant":
		return e.value.isTrue()
	case "is":
		v := e.left(ev)
		return v.isTrue()
	}
	return compare(e.left(ev), e.value, e.op)
}

// left returns the value on the left side.
func (e *streamExpr) left(ev *record.Event) (v streamValue) {
	if e.function == "time" {
		return streamValue{kind: streamNumber, number: seconds(ev.Time)}
	}
	value, ok := e.at.Get(ev.Body)
	if e.function == "contains" {
		return streamValue{kind: streamBool, truth: ok}
	}
	if !ok {
		return v
	}
	switch record.KindOf(value[0]) {
	case record.KindNil:
		v.kind = streamNull
	case record.KindBool:
		v.kind = streamBool
		v.truth, _, _ = record.Bool(value)
	case record.KindMap: // a map counts as true, but not in the processor sql
		if !e.sql {
			v = streamValue{kind: streamBool, truth: true}
		}
	default:
		if text, ok := record.Text(value); ok {
			return streamValue{kind: streamText, text: text}
		}
		if n, _, err := record.Int(value); err == nil {
			return streamValue{kind: streamNumber, number: float64(n)}
		}
		if x, _, err := record.Float(value); err == nil {
			return streamValue{kind: streamNumber, number: x}
		}
	}
	return v
}

// isTrue returns a value's truth as a condition: as in Fluent Bit, every text and every number above 0 is true.
func (v *streamValue) isTrue() bool {
	switch v.kind {
	case streamBool:
		return v.truth
	case streamNumber:
		return v.number > 0
	}
	return v.kind == streamText
}

// compare compares two values of the same type; it returns false if their types differ. A text that begins with a number counts as
// that number if b is not a text.
func compare(a, b streamValue, op string) bool {
	if a.kind == streamText && b.kind != streamText && beginsWithNumber(a.text) {
		a = streamValue{kind: streamNumber, number: leadingNumber(a.text)}
	}
	if a.kind != b.kind || a.kind == streamMissing {
		return false
	}
	order := 0
	switch a.kind {
	case streamNull, streamBool:
		return op == "=" && a.truth == b.truth
	case streamText:
		order = bytes.Compare(a.text, b.text)
	case streamNumber:
		switch {
		case a.number < b.number:
			order = -1
		case a.number > b.number:
			order = 1
		case a.number != b.number: // NaN
			return false
		}
	}
	switch op {
	case "=":
		return order == 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func beginsWithNumber(text []byte) bool {
	if len(text) > 1 && (text[0] == '-' || text[0] == '+') {
		text = text[1:]
	}
	return len(text) > 0 && isDigit(text[0])
}
