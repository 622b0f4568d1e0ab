package logmetrics

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

// filter is the filter. It counts records in its metric.
type filter struct {
	metric  *metric
	rules   []rule
	labels  []field.Accessor
	value   field.Accessor // nil: a counter
	discard bool
}

// Apply implements enrich.Filter.
func (f *filter) Apply(ev *record.Event, s *enrich.Scratch) bool {
	if f.counts(ev.Body) {
		f.count(ev.Body, s)
	}
	return !f.discard
}

// Metric implements enrich.Measurer.
func (f *filter) Metric() enrich.Metric { return f.metric }

// counts reports whether a record is counted, by the rules of regex and exclude.
func (f *filter) counts(body []byte) bool {
	for i := range f.rules {
		r := &f.rules[i]
		value, ok := r.at.Get(body)
		var text []byte
		if ok {
			text, ok = record.Text(value)
		}
		switch matches := ok && r.pattern.Match(text); {
		case matches:
			return !r.exclude
		case !r.exclude:
			return false
		}
	}
	return true
}

// count adds a record to the metric. A record whose value is missing or isn't a number isn't counted.
func (f *filter) count(body []byte, s *enrich.Scratch) {
	number := 0.0
	if f.value != nil {
		value, ok := f.value.Get(body)
		if !ok {
			return
		}
		if number, ok = numberOf(value); !ok {
			return
		}
	}
	key := s.Take() // scratch memory, not kept
	for _, at := range f.labels {
		value, _ := at.Get(body)
		key = appendLabel(key, value)
	}
	f.metric.observe(key, number)
}

// maxLabel is the maximum length of a label's value in bytes, as in Fluent Bit. A longer value is truncated.
const maxLabel = 251

// appendLabel appends the length and the text of a label's value: a str, an integer, or a float with six decimals. Other types, and
// a missing value, become the empty text.
func appendLabel(dst, value []byte) []byte {
	start := len(dst)
	dst = append(dst, 0)
	if len(value) > 0 {
		switch record.KindOf(value[0]) {
		case record.KindStr:
			text, _ := record.Text(value)
			dst = append(dst, cut(text)...)
		case record.KindInt:
			dst = record.AppendText(dst, value)
		case record.KindFloat:
			f, _, _ := record.Float(value)
			if math.Abs(f) >= 1e100 {
				dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
			} else {
				dst = strconv.AppendFloat(dst, f, 'f', 6, 64)
			}
		}
	}
	dst[start] = byte(len(dst) - start - 1)
	return dst
}

// cut truncates a text to at most maxLabel bytes, between characters.
func cut(text []byte) []byte {
	if len(text) <= maxLabel {
		return text
	}
	n := maxLabel
	for n > maxLabel-utf8.UTFMax && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// maxNumber is the maximum length of a text that is read as a number, in bytes.
const maxNumber = 64

// numberOf reads a number, or a text that is one.
func numberOf(value []byte) (float64, bool) {
	switch record.KindOf(value[0]) {
	case record.KindStr:
		text, _ := record.Text(value)
		if len(text) > maxNumber {
			return 0, false
		}
		n, err := strconv.ParseFloat(string(text), 64)
		return n, err == nil && !math.IsNaN(n)
	case record.KindInt, record.KindFloat:
		n, _, err := record.Float(value)
		return n, err == nil && !math.IsNaN(n)
	}
	return 0, false
}
