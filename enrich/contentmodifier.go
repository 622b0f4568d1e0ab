package enrich

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// ContentModifierOptions are those of Fluent Bit's processor content_modifier, for logs.
type ContentModifierOptions struct {
	Action    string `fluentbit:"action" required:"true" oneof:"insert,upsert,delete,rename,hash,extract,convert" help:"insert: add the field if it isn't there; upsert: set it; delete: remove it; rename: to value; hash: replace it by its SHA-256 in hexadecimal; extract: add the named groups of pattern; convert: to converted_type"`
	Context   string `fluentbit:"context" oneof:"body,message,record" default:"body" help:"accepted; there are only the event's fields"`
	Key       string `fluentbit:"key" required:"true" help:"name of the field"`
	Value     string `fluentbit:"value" help:"text of insert and upsert, new name of rename"`
	Pattern   string `fluentbit:"pattern" help:"pattern of extract, with named groups"`
	Converted string `fluentbit:"converted_type" oneof:"string,boolean,int,double" help:"type of convert; a value that can't be converted stays"`
}

// Check implements config's check after binding.
func (o *ContentModifierOptions) Check(d config.Dialect) error {
	_, err := NewContentModifier(o, d, Env{})
	return err
}

// contentModifier is the Filter.
type contentModifier struct {
	lists  memberLists
	change func(l *memberList, s *Scratch)
}

// NewContentModifier makes the Filter of a content_modifier.
func NewContentModifier(o *ContentModifierOptions, _ config.Dialect, env Env) (Filter, error) {
	m := &contentModifier{}
	need := func(option, value string) error {
		if value == "" {
			return &config.OptionError{Option: option, Reason: "is missing; the action " + o.Action + " needs it"}
		}
		return nil
	}
	key, value := record.AppendStr(nil, o.Key), record.AppendStr(nil, o.Value)
	isKey := func(x *member) bool { return x.is(o.Key) }
	switch o.Action {
	case "insert":
		m.change = func(l *memberList, _ *Scratch) {
			if l.count(o.Key) == 0 {
				*l = append(*l, member{key, value})
			}
		}
		return m, need("value", o.Value)
	case "upsert":
		m.change = func(l *memberList, _ *Scratch) {
			l.without(isKey)
			*l = append(*l, member{key, value})
		}
		return m, need("value", o.Value)
	case "delete":
		m.change = func(l *memberList, _ *Scratch) { l.without(isKey) }
	case "rename":
		m.change = func(l *memberList, _ *Scratch) {
			if o.Key != o.Value && l.count(o.Value) > 0 {
				l.without(isKey)
				return
			}
			l.rename(o.Key, value)
		}
		return m, need("value", o.Value)
	case "hash":
		m.change = func(l *memberList, s *Scratch) { l.replace(o.Key, s, hashed) }
	case "convert":
		convert := converters[o.Converted]
		m.change = func(l *memberList, s *Scratch) { l.replace(o.Key, s, convert) }
		return m, need("converted_type", o.Converted)
	case "extract":
		if err := need("pattern", o.Pattern); err != nil {
			return m, err
		}
		p, err := pattern.CompileCapture(o.Pattern, pattern.Flags{}, func() {
			env.Log.Warn().Str("pattern", o.Pattern).Float64("limit_s", pattern.MatchTimeout.Seconds()).Int("limit_bytes", pattern.MaxBacktrack).
				Msg("a text is too long for the pattern, or took too long, and nothing was extracted; simplify the pattern")
		})
		if err != nil {
			return m, &config.OptionError{Option: "pattern", Reason: err.Error()}
		}
		m.change = func(l *memberList, s *Scratch) { l.extract(o.Key, p, s) }
	}
	return m, nil
}

// Apply implements Filter.
func (m *contentModifier) Apply(ev *record.Event, s *Scratch) bool {
	list := m.lists.of(ev.Body)
	defer m.lists.put(list)
	m.change(list, s)
	ev.Body = s.Keep(list.appendMap(s.Take()))
	return true
}

// replace replaces the value of a field by what convert appends, if that is possible.
func (l memberList) replace(key string, s *Scratch, convert func(dst, value []byte) (out []byte, ok bool)) {
	for i := range l {
		if !l[i].is(key) {
			continue
		}
		if out, ok := convert(s.Take(), l[i].value); ok {
			l[i].value = s.Keep(out)
		}
	}
}

// extract sets the fields that a pattern's groups name.
func (l *memberList) extract(key string, p *pattern.Capture, s *Scratch) {
	for i := range *l {
		text, ok := record.Text((*l)[i].value)
		if !ok || !(*l)[i].is(key) {
			continue
		}
		var room [12]pattern.Group
		groups, _ := p.Groups(room[:0], text)
		for _, g := range groups {
			l.without(func(m *member) bool { return m.is(g.Name) && !m.is(key) })
			if g.Name != key {
				*l = append(*l, member{s.Keep(record.AppendStr(s.Take(), g.Name)), s.Keep(record.AppendStrBytes(s.Take(), g.Text))})
			}
		}
		return
	}
}

// hashed appends the SHA-256 of a value's text.
func hashed(dst, value []byte) ([]byte, bool) {
	var room [64]byte
	text, ok := record.Text(value)
	if !ok {
		text = record.AppendText(room[:0], value)
	}
	sum := sha256.Sum256(text)
	return hex.AppendEncode(record.AppendStrHeader(dst, hex.EncodedLen(len(sum))), sum[:]), true
}

// converters append a value as one of another type. A map, an array and nil stay.
var converters = map[string]func(dst, value []byte) ([]byte, bool){
	"string": func(dst, value []byte) ([]byte, bool) {
		var room [64]byte
		if !isScalar(value) {
			return dst, false
		}
		return record.AppendStrBytes(dst, record.AppendText(room[:0], value)), true
	},
	"boolean": func(dst, value []byte) ([]byte, bool) {
		if text, ok := record.Text(value); ok {
			yes := bytes.EqualFold(text, []byte("true"))
			return record.AppendBool(dst, yes), yes || bytes.EqualFold(text, []byte("false"))
		}
		x, ok := numberOf(value)
		return record.AppendBool(dst, x != 0), ok
	},
	"int": func(dst, value []byte) ([]byte, bool) {
		if record.KindOf(value[0]) == record.KindInt {
			return append(dst, value...), true
		}
		if text, ok := record.Text(value); ok { // 1.5 and 1e3 stay
			n, err := strconv.ParseInt(string(bytes.TrimLeft(text, " \t\n\v\f\r")), 10, 64)
			return record.AppendInt(dst, n), err == nil
		}
		x, ok := numberOf(value)
		if x = math.Round(x); !ok || x < math.MinInt64 || x >= math.MaxInt64 {
			return dst, false
		}
		return record.AppendInt(dst, int64(x)), true
	},
	"double": func(dst, value []byte) ([]byte, bool) {
		x, ok := numberOf(value)
		return record.AppendFloat(dst, x), ok
	},
}

func isScalar(value []byte) bool {
	switch record.KindOf(value[0]) {
	case record.KindMap, record.KindArray, record.KindNil:
		return false
	}
	return true
}

// numberOf is a number, the number that a text is, or 1 for true.
func numberOf(value []byte) (x float64, ok bool) {
	if text, isText := record.Text(value); isText {
		x, err := strconv.ParseFloat(string(text), 64)
		return x, err == nil && !math.IsNaN(x) && !math.IsInf(x, 0)
	}
	if b, _, err := record.Bool(value); err == nil {
		if b {
			x = 1
		}
		return x, true
	}
	if n, _, err := record.Int(value); err == nil {
		return float64(n), true
	}
	x, _, err := record.Float(value)
	return x, err == nil
}
