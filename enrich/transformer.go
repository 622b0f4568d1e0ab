package enrich

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/ruby"
)

// TransformerOptions are the options of Fluentd's record_transformer.
type TransformerOptions struct {
	Record       []config.Pair `fluentd:"<record>" help:"fields to set; values may have placeholders such as ${tag} and ${record[\"key\"]}"`
	EnableRuby   bool          `fluentd:"enable_ruby" default:"false" help:"${…} may have expressions of Ruby; see docs/filters/record_transformer.md for which"`
	AutoTypecast bool          `fluentd:"auto_typecast" default:"true" help:"keep the type of a value that is one placeholder and nothing else"`
	RenewRecord  bool          `fluentd:"renew_record" default:"false" help:"start from an empty record"`
	RenewTimeKey string        `fluentd:"renew_time_key" help:"field that holds the event's new time, in Unix seconds"`
	KeepKeys     []string      `fluentd:"keep_keys" help:"fields that renew_record keeps"`
	RemoveKeys   []string      `fluentd:"remove_keys" help:"fields to remove, nested ones as $.a.b or $['a']['b']"`
}

// Check implements config's check after binding.
func (o *TransformerOptions) Check(config.Dialect) error {
	_, err := NewTransformer(o, config.Fluentd, Env{})
	return err
}

// NewTransformer makes the stage of a record_transformer: a Filter, or with expressions that may fail and a label @ERROR a Step.
func NewTransformer(o *TransformerOptions, d config.Dialect, env Env) (Stage, error) {
	if len(o.KeepKeys) > 0 && !o.RenewRecord {
		return nil, &config.OptionError{Option: "keep_keys", Reason: "has no effect alone; want renew_record true, too"}
	}
	t := &transformer{renew: o.RenewRecord, timeKey: o.RenewTimeKey, log: env.Log}
	for _, key := range o.RemoveKeys {
		at, err := field.ParseAccessor(key, d)
		if err != nil {
			return nil, &config.OptionError{Option: "remove_keys", Reason: err.Error()}
		}
		t.remove = append(t.remove, at)
	}
	for _, key := range o.KeepKeys {
		t.keep.add(key)
	}
	c := templateParser{hostname: env.Hostname, typecast: o.AutoTypecast}
	if o.EnableRuby {
		c.ruby = rubyEnv(env.Hostname)
	}
	constant := true
	for _, p := range o.Record {
		if strings.Contains(p.Key, "${") {
			return nil, &config.OptionError{Option: "<record>", Reason: "placeholders in a field's name are not supported: " + strconv.Quote(p.Key)}
		}
		tpl, err := c.value(p.Value)
		if err != nil {
			return nil, &config.OptionError{Option: p.Key, Reason: err.Error()}
		}
		constant = constant && tpl.kind == templateConstant
		t.nests = t.nests || tpl.nests()
		t.set(p.Key, tpl)
	}
	t.ruby = c.used
	if constant && !t.renew && t.timeKey == "" && len(t.remove) == 0 {
		return t.constants(), nil
	}
	if t.ruby {
		return env.fallible(t), nil
	}
	return t, nil
}

// transformer is a record_transformer that does more than set constants.
type transformer struct {
	renew   bool
	keep    nameSet // the fields that renew keeps
	names   nameSet // those of fields
	fields  []templateField
	nests   bool // there is a field that is a map or an array of values
	remove  []field.Accessor
	timeKey string
	log     zerolog.Logger

	ruby     bool // there are expressions
	machines sync.Pool
}

// A rubyWork is the memory for the expressions of one event.
type rubyWork struct {
	ruby.Machine
	fields []byte // the new fields
}

type templateField struct {
	name  string
	value *template
}

// set adds a field, or replaces the one of that name.
func (t *transformer) set(name string, value *template) {
	for i := range t.fields {
		if t.fields[i].name == name {
			t.fields[i].value = value
			return
		}
	}
	t.fields = append(t.fields, templateField{name, value})
	t.names.add(name)
}

func (t *transformer) constants() Filter {
	fields := make([]constant, 0, len(t.fields))
	for _, f := range t.fields {
		fields = append(fields, constant{name: f.name, value: f.value.encoded})
	}
	return newConstants(fields)
}

func (t *transformer) stays(key []byte) bool {
	return !t.names.has(key) && (!t.renew || t.keep.has(key))
}

func (t *transformer) Apply(ev *record.Event, s *Scratch) bool {
	if err := t.try(ev, s); err != nil {
		t.log.Warn().Str("tag", ev.Tag).Err(err).
			Msg("an expression of record_transformer failed: records go on unchanged; see docs/filters/record_transformer.md")
	}
	return true
}

// try implements fallible.
func (t *transformer) try(ev *record.Event, s *Scratch) error {
	if t.ruby {
		if err := t.evaluate(ev, s); err != nil {
			return err
		}
	} else {
		n := t.count(ev.Body)
		out := t.build(s.Take(), n, ev, false)
		if t.nests && tooDeep(out) {
			out = t.build(out[:0], n, ev, true)
		}
		ev.Body = s.Keep(out)
	}
	if t.timeKey != "" {
		if value, ok := record.Find(ev.Body, t.timeKey); ok {
			if at, err := unixTime(value); err == nil {
				ev.Time = at
			}
		}
	}
	for _, at := range t.remove {
		if _, ok := at.Get(ev.Body); ok {
			ev.Body = s.Keep(at.AppendWithout(s.Take(), ev.Body))
		}
	}
	return nil
}

// count is how many fields the new record has.
func (t *transformer) count(body []byte) int {
	n := len(t.fields)
	for f := record.FieldsOf(body); f.Next(); {
		if t.stays(f.Key()) {
			n++
		}
	}
	return n
}

// evaluate is build with expressions, which may fail: then the event is unchanged.
func (t *transformer) evaluate(ev *record.Event, s *Scratch) (err error) {
	w, _ := t.machines.Get().(*rubyWork)
	if w == nil {
		w = new(rubyWork)
	}
	defer func() {
		if w.End(); cap(w.fields) > maxSpareFields {
			w.fields = nil
		}
		t.machines.Put(w)
	}()
	w.Begin(ev)
	w.fields = w.fields[:0]
	for _, f := range t.fields {
		w.fields = record.AppendStr(w.fields, f.name)
		if w.fields, err = f.value.appendRuby(w.fields, ev, &w.Machine); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if len(w.fields) > record.MaxJSON {
			return errLargeFields
		}
	}
	body := w.Record()
	out := record.AppendMapHeader(s.Take(), t.count(body))
	for f := record.FieldsOf(body); f.Next(); {
		if t.stays(f.Key()) {
			out = append(append(out, f.RawKey()...), f.Value()...)
		}
	}
	if out = append(out, w.fields...); tooDeep(out) {
		return record.ErrDepth
	}
	ev.Body = s.Keep(out)
	return nil
}

// maxSpareFields is how many bytes of memory for new fields are kept for the next event.
const maxSpareFields = 64 << 10

var errLargeFields = errors.New("the new fields are too large")

// build appends a record of n fields to dst. flat makes nil of values that nest others.
func (t *transformer) build(dst []byte, n int, ev *record.Event, flat bool) []byte {
	dst = record.AppendMapHeader(dst, n)
	for f := record.FieldsOf(ev.Body); f.Next(); {
		if t.stays(f.Key()) {
			dst = append(append(dst, f.RawKey()...), f.Value()...)
		}
	}
	for _, f := range t.fields {
		dst = record.AppendStr(dst, f.name)
		if flat && f.value.nests() || len(dst) > record.MaxJSON { // so large, the event is given up anyway
			dst = record.AppendNil(dst)
		} else {
			dst = f.value.append(dst, ev)
		}
	}
	return dst
}

var errNoTime = errors.New("not a time in Unix seconds")

// unixTime reads a number, or a text that is one, as Unix seconds. Anything else is an error (in Fluentd it is 1970).
func unixTime(value []byte) (record.Time, error) {
	switch record.KindOf(value[0]) {
	case record.KindInt, record.KindFloat:
		t, _, err := record.ReadTime(value)
		return t, err
	}
	text, _ := record.Text(value)
	if t, ok := parse.NumericTime(text, true); ok {
		return t, nil
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(f >= 0 && f < math.MaxUint32) {
		return record.Time{}, errNoTime
	}
	sec, frac := math.Modf(f)
	return record.Time{Sec: uint32(sec), Nsec: uint32(frac * 1e9)}, nil
}
