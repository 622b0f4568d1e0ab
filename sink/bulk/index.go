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
	// maxIndexName is the longest index name that servers accept, in bytes.
	maxIndexName = 255
	// maxHeadBytes is the memory for cached heads in bytes, headCost what one takes besides its text. When the cache is full,
	// as with a prefix that differs in every record or a date format with seconds, it is emptied.
	maxHeadBytes = 256 << 10
	headCost     = 128
	// maxHeadKey is the longest combination of placeholders' values, in bytes, for which a name is made. Longer ones,
	// which may be megabytes, are too long for an index name anyway.
	maxHeadKey = 1 << 10
)

// indexNames makes index names, each with the head of its action line: {"create":{"_index":"web-2026-11-23".
// It caches a head for each combination of placeholders' values and period of time (a day, or what the date format shows
// if that is shorter).
type indexNames struct {
	name     *field.Template  // the index, or the prefix of daily indices
	key      *field.Template  // logstash_prefix_key, used instead of name for records that have its fields; nil: none
	suffix   *field.Strftime  // separator and date of daily indices; empty without logstash_format
	fallback string           // used instead of a name that is empty or too long
	literal  string           // the configured text that name begins with, before any placeholder
	dynamic  bool             // names depend on the record, not only on the time
	verbatim bool             // date math, which the server resolves: nothing is sanitised
	now      func() time.Time // the clock, for current_time_index; nil: the record's time is used
	zone     *time.Location   // of suffix
	nameZone *time.Location   // of name
	period   int64            // seconds within which the date in the name can't change
	verb     string           // create, index, update

	last  atomic.Pointer[lastHead] // of names without placeholders
	mu    sync.RWMutex
	heads map[headKey][]byte
	size  int // bytes that heads take
}

// A headKey is everything that a head depends on.
type headKey struct {
	values string // of the placeholders
	slot   int64  // the time in units of indexNames.period
	mode   uint32 // encoder.mode
}

// A lastHead is a head that holds for the Unix seconds from ≤ t < until.
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

// fallbackName returns the configured name if it has no placeholders, or else the dialect's default index.
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
	// The placeholders' values are appended to dst for the look-up only.
	start := len(dst)
	dst, keyed := n.appendValues(dst, r)
	n.mu.RLock()
	head, ok := n.heads[headKey{string(dst[start:]), slot, mode}]
	n.mu.RUnlock()
	switch {
	case ok:
	case len(dst)-start > maxHeadKey:
		return e.appendHead(dst[:start], n.verb, n.fallbackAt(time.Unix(sec, 0)), mode)
	default:
		head = n.makeHead(string(dst[start:]), slot, sec, mode, r, keyed, e)
	}
	if !n.dynamic {
		n.last.Store(&lastHead{slot * n.period, (slot + 1) * n.period, mode, head})
	}
	return append(dst[:start], head...)
}

// appendValues appends the placeholders' values. With logstash_prefix_key they follow a byte that is 1 if the record has
// that field (keyed), or 0.
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

// makeHead makes a head, and caches it.
func (n *indexNames) makeHead(values string, slot, sec int64, mode uint32, r *sink.Record, keyed bool, e *encoder) []byte {
	t := n.name
	if keyed {
		t = n.key
	}
	name := n.makeName(t, r, time.Unix(sec, 0))
	head := e.appendHead(nil, n.verb, name, mode)
	n.mu.Lock()
	defer n.mu.Unlock()
	cost := headCost + len(values) + len(head)
	if n.size += cost; n.size > maxHeadBytes {
		clear(n.heads)
		n.size = cost
	}
	n.heads[headKey{values, slot, mode}] = head
	return head
}

// makeName fills in the template, sanitises the name and appends the date. The fallback replaces a name that is empty or
// too long.
func (n *indexNames) makeName(t *field.Template, r *sink.Record, at time.Time) []byte {
	name := t.AppendAt(nil, &r.Event, at.In(n.nameZone))
	literal := n.literal
	if t != n.name {
		literal = ""
	}
	if n.verbatim {
		return append([]byte{'<'}, ordinary(name[1:], literal)...)
	}
	date := n.date(at)
	name = ordinary(sanitise(name), literal)
	if len(name) == 0 || len(name)+len(date) > maxIndexName {
		return n.fallbackAt(at)
	}
	return append(name, date...)
}

// fallbackAt is the name of a record whose values make no name.
func (n *indexNames) fallbackAt(at time.Time) []byte {
	return append([]byte(n.fallback), n.date(at)...)
}

func (n *indexNames) date(at time.Time) []byte {
	return sanitiseTail(n.suffix.Append(nil, at.In(n.zone)))
}

// systemNames are what the names of a cluster's own indices begin with, .kibana and .opendistro_security among them.
var systemNames = []string{".", "security-auditlog"}

// ordinary removes a system index's beginning from name, unless the configured text begins like one: a record's values can't
// choose such an index.
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

// cleanDateMath makes dst[start:], a record's value, safe within date math.
func cleanDateMath(dst []byte, start int) []byte {
	return append(dst[:start], bytes.Map(func(c rune) rune {
		if c == '{' || c == '}' {
			return -1
		}
		return c
	}, sanitiseTail(dst[start:]))...)
}

// sanitise makes s a legal index name, or the start of one: lower-case, without the characters that servers refuse in names
// or at their start. The result may be empty.
func sanitise(s []byte) []byte {
	s = bytes.TrimLeft(sanitiseTail(s), "-_+")
	if len(bytes.Trim(s, ".")) == 0 { // . and ..
		return nil
	}
	return s
}

// sanitiseTail is sanitise for text that isn't at the start of a name.
func sanitiseTail(s []byte) []byte {
	return bytes.Map(func(c rune) rune {
		if c <= ' ' || c == 0x7f || c == utf8.RuneError || strings.ContainsRune(`\/*?"<>|,#:`, c) {
			return -1
		}
		return c
	}, bytes.ToLower(s))
}
