package bulk

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/sink"
)

const (
	// maxIndexName is the longest index name that a server takes, in bytes.
	maxIndexName = 255
	// maxHeads bounds the cache of action lines' heads. A cache that is full, as with a prefix that differs in
	// every record or a date format with seconds, is emptied.
	maxHeads = 1024
	// maxHeadKey is the longest combination of values, in bytes, that a head is kept for. Longer ones, which may be
	// megabytes, are too long for an index name anyway.
	maxHeadKey = 1 << 10
)

// indexNames makes index names, and with each name the head of the action line: {"create":{"_index":"web-2026-11-23".
// A name is made once for each combination of placeholders' values and period (a day, unless the date format shows less), and
// looked up from then on.
type indexNames struct {
	name     *field.Template  // the index, or the prefix of daily indices
	key      *field.Template  // used instead where all its values are there (logstash_prefix_key); nil: none
	suffix   *field.Strftime  // follows the prefix, separator first; empty without logstash_format
	fallback string           // used instead of a name that is empty or too long
	literal  string           // the text that the name begins with, before any placeholder
	dynamic  bool             // it depends on more than the time
	verbatim bool             // date math, which the server resolves: nothing is sanitised
	now      func() time.Time // current_time_index: the clock; nil: the record's own date
	zone     *time.Location   // of suffix
	nameZone *time.Location   // of name
	period   int64
	verb     string // create, index, update

	last  atomic.Pointer[lastHead] // of names without placeholders
	mu    sync.RWMutex
	heads map[headKey][]byte
}

// headKey is what a head depends on. mode is what the encoder has learnt, see encoder.mode.
type headKey struct {
	values string
	slot   int64
	mode   uint32
}

// lastHead is the head of the seconds from from to before until.
type lastHead struct {
	from, until int64
	mode        uint32
	head        []byte
}

func newIndexNames(o *Options, d config.Dialect, verb string) (*indexNames, error) {
	n := &indexNames{zone: time.UTC, verb: verb, heads: map[headKey][]byte{}}
	raw, option := o.Index, "index"
	if d == config.Fluentd {
		option = "index_name"
	}
	suffix := ""
	if o.Logstash {
		raw, option = o.LogstashPrefix, "logstash_prefix"
		suffix = o.LogstashSeparator + o.LogstashDateFormat
	}
	if o.UTCIndex != nil && !*o.UTCIndex {
		n.zone = time.Local
	}
	n.verbatim = strings.HasPrefix(raw, "<") && strings.HasSuffix(raw, ">") && !o.Logstash
	n.nameZone = n.zone
	if zone, err := o.TimekeyZone(); err != nil {
		return nil, &config.OptionError{Option: "timekey_zone", Reason: err.Error()}
	} else if zone != nil {
		n.nameZone = zone
	}
	var err error
	notation := field.Notation{Dialect: d, Strftime: true, Zone: n.nameZone}
	if n.verbatim {
		notation.Clean = cleanDateMath
	}
	if n.name, err = field.ParseTemplate(raw, notation); err != nil {
		return nil, &config.OptionError{Option: option, Reason: err.Error()}
	}
	if n.suffix, err = field.ParseStrftime(suffix); err != nil {
		return nil, &config.OptionError{Option: "logstash_dateformat", Reason: err.Error()}
	}
	if key := o.LogstashPrefixKey; key != "" && o.Logstash {
		if !strings.HasPrefix(key, "$") {
			key = "$" + key
		}
		if n.key, err = field.ParseTemplate(key, field.Notation{Dialect: config.FluentBit}); err != nil {
			return nil, &config.OptionError{Option: "logstash_prefix_key", Reason: err.Error()}
		}
	}
	n.dynamic = n.name.Dynamic() || n.key != nil
	n.fallback = fallbackName(raw, d)
	literal, _, _ := strings.Cut(strings.TrimPrefix(raw, "<"), "$")
	n.literal = string(bytes.TrimLeft(sanitiseTail([]byte(literal)), "-_+"))
	n.period = min(n.name.Period(), n.suffix.Period(n.zone))
	if o.CurrentTime {
		n.now = time.Now
	}
	return n, nil
}

// fallbackName is the configured text without its placeholders, or the dialect's default index.
func fallbackName(raw string, d config.Dialect) string {
	if !strings.ContainsAny(raw, "$%") {
		if s := sanitise([]byte(raw)); len(s) > 0 && len(s) <= maxIndexName/2 {
			return string(s)
		}
	}
	if d == config.Fluentd {
		return "fluentd"
	}
	return "fluent-bit"
}

// reads reports whether the names depend on the field key of a record.
func (n *indexNames) reads(key string) bool {
	return n.name.Reads(key) || n.key != nil && n.key.Reads(key)
}

// appendHead appends the head of r's action line.
func (n *indexNames) appendHead(dst []byte, r *sink.Record, e *encoder, mode uint32) []byte {
	sec := int64(r.Time.Sec)
	if n.now != nil {
		sec = n.now().Unix()
	}
	if l := n.last.Load(); l != nil && l.from <= sec && sec < l.until && l.mode == mode {
		return append(dst, l.head...)
	}
	slot := sec / n.period
	// The placeholders' values are appended to dst for the look-up, and cut off again.
	start := len(dst)
	dst, keyed := n.appendValues(dst, r)
	n.mu.RLock()
	head, ok := n.heads[headKey{string(dst[start:]), slot, mode}]
	n.mu.RUnlock()
	if !ok {
		head = n.makeHead(string(dst[start:]), slot, sec, mode, r, keyed, e)
	}
	if !n.dynamic {
		n.last.Store(&lastHead{slot * n.period, (slot + 1) * n.period, mode, head})
	}
	return append(dst[:start], head...)
}

// appendValues appends what the name depends on besides the time: first a byte that is 1 if the record's own prefix is used.
func (n *indexNames) appendValues(dst []byte, r *sink.Record) (out []byte, keyed bool) {
	start := len(dst)
	if n.key != nil {
		dst = append(dst, 1)
		if dst, keyed = n.key.AppendKey(dst, &r.Event); keyed {
			return dst, true
		}
		dst = append(dst[:start], 0)
	}
	dst, _ = n.name.AppendKey(dst, &r.Event)
	return dst, false
}

// makeHead makes the name and the head, and keeps them for the next record that needs them.
func (n *indexNames) makeHead(values string, slot, sec int64, mode uint32, r *sink.Record, keyed bool, e *encoder) []byte {
	t := n.name
	if keyed {
		t = n.key
	}
	name := n.makeName(t, r, time.Unix(sec, 0))
	head := e.appendHead(nil, n.verb, name, mode)
	if len(values) > maxHeadKey {
		return head
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.heads) >= maxHeads {
		clear(n.heads)
	}
	n.heads[headKey{values, slot, mode}] = head
	return head
}

// makeName fills the template, sanitised, and appends the date; instead of a name that is empty or too long it uses the
// fallback.
func (n *indexNames) makeName(t *field.Template, r *sink.Record, at time.Time) []byte {
	name := t.AppendAt(nil, &r.Event, at.In(n.nameZone))
	literal := n.literal
	if t != n.name {
		literal = ""
	}
	if n.verbatim {
		return append([]byte{'<'}, ordinary(name[1:], literal)...)
	}
	date := sanitiseTail(n.suffix.Append(nil, at.In(n.zone)))
	name = ordinary(sanitise(name), literal)
	if len(name) == 0 || len(name)+len(date) > maxIndexName {
		name = []byte(n.fallback)
	}
	return append(name, date...)
}

// systemNames begin the names of indices that a cluster keeps for itself, .kibana and .opendistro_security among them.
var systemNames = []string{".", "security-auditlog"}

// ordinary is name without a beginning that makes it a system index's, unless literal, the text that was configured, begins so:
// what a record holds chooses no such index.
func ordinary(name []byte, literal string) []byte {
	for again := true; again; {
		again = false
		for _, system := range systemNames {
			if !strings.HasPrefix(literal, system) && bytes.HasPrefix(name, []byte(system)) {
				name = bytes.TrimLeft(name[len(system):], "-_+")
				again = true
			}
		}
	}
	return name
}

// cleanDateMath makes dst[start:], a record's value, a part of a name within date math.
func cleanDateMath(dst []byte, start int) []byte {
	return append(dst[:start], bytes.Map(func(c rune) rune {
		if c == '{' || c == '}' {
			return -1
		}
		return c
	}, sanitiseTail(dst[start:]))...)
}

// sanitise makes a legal index name of s, or the beginning of one: lower-case, without the characters that a server
// refuses anywhere or at the start. It may be empty.
func sanitise(s []byte) []byte {
	s = bytes.TrimLeft(sanitiseTail(s), "-_+")
	if len(bytes.Trim(s, ".")) == 0 { // . and ..
		return nil
	}
	return s
}

func sanitiseTail(s []byte) []byte {
	return bytes.Map(func(c rune) rune {
		if c <= ' ' || c == 0x7f || c == utf8.RuneError || strings.ContainsRune(`\/*?"<>|,#:`, c) {
			return -1
		}
		return c
	}, bytes.ToLower(s))
}
