package bulk

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

const (
	// maxIndexName is the longest index name that a server takes, in bytes.
	maxIndexName = 255
	// maxHeads bounds the cache of action lines' heads. A cache that is full (a prefix that every record brings anew,
	// a date format with seconds) is emptied: the names are made again.
	maxHeads = 1024
	// maxHeadKey is the longest combination of values, in bytes, that a head is kept for. Longer ones make no index
	// name; a record may bring megabytes of them.
	maxHeadKey = 1 << 10
)

// indexNames makes index names, and with each name the head of the action line: {"create":{"_index":"web-2026-11-23".
// A name is made once a period (a day, where the date format shows no less) and combination of placeholders' values;
// from then on it is looked up.
type indexNames struct {
	name     template         // the index, or the prefix of daily indices
	key      *template        // in its stead where all its values are there (logstash_prefix_key)
	suffix   string           // strftime behind the prefix, separator first; "" without logstash_format
	fallback string           // stands in for a name that comes to nothing or is too long
	verbatim bool             // date math, which the server resolves: nothing is sanitised
	now      func() time.Time // current_time_index: the clock; nil: the record's own date
	zone     *time.Location
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
	if o.Logstash {
		raw, option = o.LogstashPrefix, "logstash_prefix"
		n.suffix = o.LogstashSeparator + o.LogstashDateFormat
	}
	var err error
	if n.name, err = parseTemplate(raw, d); err == nil {
		err = checkStrftime(raw)
	}
	if err != nil {
		return nil, &config.OptionError{Option: option, Reason: err.Error()}
	}
	if key := o.LogstashPrefixKey; key != "" && o.Logstash {
		if !strings.HasPrefix(key, "$") {
			key = "$" + key
		}
		t, err := parseTemplate(key, config.FluentBit)
		if err != nil {
			return nil, &config.OptionError{Option: "logstash_prefix_key", Reason: err.Error()}
		}
		n.key = &t
	}
	n.fallback = fallbackName(raw, d)
	n.verbatim = strings.HasPrefix(raw, "<") && strings.HasSuffix(raw, ">") && !o.Logstash
	utc := o.UTCIndex == nil || *o.UTCIndex
	if !utc {
		n.zone = time.Local
	}
	n.period = period(raw+n.suffix, utc)
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

// read says whether the names depend on the member key of a record.
func (n *indexNames) read(key string) bool {
	return n.name.read(key) || n.key != nil && n.key.read(key)
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
	// The placeholders' values are put behind dst for the look-up, and cut off again.
	start := len(dst)
	dst, keyed := n.appendValues(dst, r)
	n.mu.RLock()
	head, ok := n.heads[headKey{string(dst[start:]), slot, mode}]
	n.mu.RUnlock()
	if !ok {
		head = n.makeHead(string(dst[start:]), slot, sec, mode, r, keyed, e)
	}
	if !n.name.dynamic && n.key == nil {
		n.last.Store(&lastHead{slot * n.period, (slot + 1) * n.period, mode, head})
	}
	return append(dst[:start], head...)
}

// appendValues appends what the name depends on beside the time: first whether the record's own prefix is used.
func (n *indexNames) appendValues(dst []byte, r *sink.Record) (out []byte, keyed bool) {
	start := len(dst)
	if n.key != nil {
		dst = append(dst, 1)
		if dst, keyed = n.key.appendKey(dst, r); keyed {
			return dst, true
		}
		dst = append(dst[:start], 0)
	}
	dst, _ = n.name.appendKey(dst, r)
	return dst, false
}

// makeHead makes the name and the head, and keeps them for the next record that needs them.
func (n *indexNames) makeHead(values string, slot, sec int64, mode uint32, r *sink.Record, keyed bool, e *encoder) []byte {
	t := &n.name
	if keyed {
		t = n.key
	}
	name := n.makeName(t, r, time.Unix(sec, 0).In(n.zone))
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

// makeName renders the template, sanitised, with the date behind it; a name that comes to nothing or is too long
// is the fallback with the date behind it.
func (n *indexNames) makeName(t *template, r *sink.Record, at time.Time) []byte {
	var name []byte
	for i := range t.parts {
		if p := &t.parts[i]; p.kind == partText {
			name = appendStrftime(name, p.text, at)
		} else {
			name = p.append(name, r)
		}
	}
	if n.verbatim {
		return name
	}
	date := sanitiseTail(appendStrftime(nil, n.suffix, at))
	name = sanitise(name)
	if len(name) == 0 || len(name)+len(date) > maxIndexName {
		name = []byte(n.fallback)
	}
	return append(name, date...)
}

// sanitise makes a legal index name of s, or the beginning of one: lower-case, without the characters that a server
// refuses anywhere or at the start. It may come to nothing.
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
