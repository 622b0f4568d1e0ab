// Package metric defines how metrics are stored as records. Each event of a metrics input is one Sample: a metric with one set of
// labels, at the event's time. Its record is a map:
//
//	{"__name__":"node_load1","type":"gauge","help":"1m load average.","labels":{"host":"a"},"value":0.5}
//	{"__name__":"latency_seconds","type":"histogram","labels":{},"buckets":[[0.1,3],[1,7]],"sum":2.5,"count":9}
//	{"__name__":"rpc_seconds","type":"summary","labels":{},"quantiles":[[0.5,0.1]],"sum":2.5,"count":9}
//
// So they are handled like other records: the queue, the accounts and the dead letter know nothing about metrics. As in Fluent Bit,
// the router sends them only to outputs that accept metrics, and filters don't see them.
package metric

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/firelane/firelane/record"
)

// Limits of a Sample that Read reads.
const (
	MaxLabels  = 128  // labels of a sample
	MaxBuckets = 1024 // buckets of a histogram, or quantiles of a summary
)

// Kind is a metric's type, with Prometheus's names.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Untyped   Kind = "untyped"
	Histogram Kind = "histogram"
	Summary   Kind = "summary"
)

// A Label is a name and a value.
type Label struct{ Name, Value string }

// A Point is either a bucket (its upper bound, and the number of observations at or below it), or a quantile and its value.
type Point struct{ At, Value float64 }

// A Sample is a metric with one set of labels at one moment.
type Sample struct {
	Name   string
	Help   string
	Kind   Kind
	Labels []Label

	Value      float64 // of a Counter, Gauge or Untyped
	Points     []Point // of a Histogram, ascending and cumulative, without +Inf; or of a Summary
	Sum, Count float64 // of a Histogram or Summary
}

// The fields of a record.
const (
	nameKey   = "__name__"
	typeKey   = "type"
	helpKey   = "help"
	labelsKey = "labels"
	valueKey  = "value"
	sumKey    = "sum"
	countKey  = "count"
)

// points returns the name of the field with the points of a kind, "" if it has none.
func (k Kind) points() string {
	switch k {
	case Histogram:
		return "buckets"
	case Summary:
		return "quantiles"
	}
	return ""
}

// Append appends the sample's record to dst, as MessagePack.
func (s *Sample) Append(dst []byte) []byte {
	points := s.Kind.points()
	n := 4
	if points != "" {
		n = 6
	}
	if s.Help != "" {
		n++
	}
	dst = record.AppendStr(record.AppendStr(record.AppendMapHeader(dst, n), nameKey), s.Name)
	dst = record.AppendStr(record.AppendStr(dst, typeKey), string(s.Kind))
	if s.Help != "" {
		dst = record.AppendStr(record.AppendStr(dst, helpKey), s.Help)
	}
	dst = record.AppendMapHeader(record.AppendStr(dst, labelsKey), len(s.Labels))
	for _, l := range s.Labels {
		dst = record.AppendStr(record.AppendStr(dst, l.Name), l.Value)
	}
	if points == "" {
		return record.AppendFloat(record.AppendStr(dst, valueKey), s.Value)
	}
	dst = record.AppendArrayHeader(record.AppendStr(dst, points), len(s.Points))
	for _, p := range s.Points {
		dst = record.AppendFloat(record.AppendFloat(record.AppendArrayHeader(dst, 2), p.At), p.Value)
	}
	dst = record.AppendFloat(record.AppendStr(dst, sumKey), s.Sum)
	return record.AppendFloat(record.AppendStr(dst, countKey), s.Count)
}

// Is reports whether a record is a sample. It checks only the name of the first field, so it is cheap.
func Is(body []byte) bool {
	const first = "\xa8" + nameKey // as MessagePack
	head := 1
	if len(body) > 0 && body[0] == 0xde {
		head = 3
	}
	return len(body) >= head+len(first) && string(body[head:head+len(first)]) == first
}

// Read reads a record into s, and reuses the memory of s. ok is false if the record is not a sample, or is over a limit.
func (s *Sample) Read(body []byte) (ok bool) {
	*s = Sample{Labels: s.Labels[:0], Points: s.Points[:0]}
	for f := record.FieldsOf(body); f.Next(); {
		v := f.Value()
		switch string(f.Key()) {
		case nameKey:
			s.Name = text(v)
		case typeKey:
			s.Kind = Kind(text(v))
		case helpKey:
			s.Help = text(v)
		case labelsKey:
			if !s.readLabels(v) {
				return false
			}
		case "buckets", "quantiles":
			if !s.readPoints(v) {
				return false
			}
		case valueKey:
			s.Value, ok = number(v)
		case sumKey:
			s.Sum, _ = number(v)
		case countKey:
			s.Count, ok = number(v)
		}
	}
	return ok && s.Name != "" && slices.Contains([]Kind{Counter, Gauge, Untyped, Histogram, Summary}, s.Kind)
}

func (s *Sample) readLabels(v []byte) bool {
	if record.KindOf(v[0]) != record.KindMap {
		return false
	}
	for f := record.FieldsOf(v); f.Next(); {
		if len(s.Labels) == MaxLabels {
			return false
		}
		s.Labels = append(s.Labels, Label{string(f.Key()), text(f.Value())})
	}
	return true
}

func (s *Sample) readPoints(v []byte) bool {
	n, rest, err := record.ArrayHeader(v)
	if err != nil || n > MaxBuckets {
		return false
	}
	for range n {
		two, pair, err := record.ArrayHeader(rest)
		if err != nil || two != 2 {
			return false
		}
		var p Point
		var ok bool
		if p.At, pair, ok = next(pair); !ok {
			return false
		}
		if p.Value, rest, ok = next(pair); !ok {
			return false
		}
		s.Points = append(s.Points, p)
	}
	return true
}

func text(v []byte) string {
	t, ok := record.Text(v)
	if !ok {
		return ""
	}
	return string(t)
}

func number(v []byte) (float64, bool) {
	n, _, ok := next(v)
	return n, ok
}

// next reads a number.
func next(v []byte) (n float64, rest []byte, ok bool) {
	if f, rest, err := record.Float(v); err == nil {
		return f, rest, true
	}
	i, rest, err := record.Int(v)
	return float64(i), rest, err == nil
}

// Series calls see for each of the sample's Prometheus time series: a histogram has one for each bucket, one for its sum and one for
// its count. extra is the label that distinguishes them (le or quantile); its Name is "" if there is none.
func (s *Sample) Series(see func(name string, extra Label, value float64)) {
	switch s.Kind {
	case Histogram:
		for _, p := range s.Points {
			if !math.IsInf(p.At, 1) {
				see(s.Name+"_bucket", Label{"le", Number(p.At)}, p.Value)
			}
		}
		see(s.Name+"_bucket", Label{"le", "+Inf"}, s.Count)
	case Summary:
		for _, p := range s.Points {
			see(s.Name, Label{"quantile", Number(p.At)}, p.Value)
		}
	default:
		see(s.Name, Label{}, s.Value)
		return
	}
	see(s.Name+"_sum", Label{}, s.Sum)
	see(s.Name+"_count", Label{}, s.Count)
}

// Number formats a number as in Prometheus's text format.
func Number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case math.IsNaN(v):
		return "NaN"
	case v == math.Trunc(v) && math.Abs(v) < 1e15:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// AppendLine appends the sample as Fluent Bit's stdout and file write it:
//
//	2026-11-26T18:45:45.481335436Z http_requests_total{method="post",code="400"} = 3
//
// with the newline. Unlike Fluent Bit, it escapes the values of labels.
func (s *Sample) AppendLine(dst []byte, at record.Time) []byte {
	dst = time.Unix(int64(at.Sec), int64(at.Nsec)).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000000Z")
	dst = append(append(dst, ' '), s.Name...)
	if len(s.Labels) > 0 {
		dst = appendLabels(append(dst, '{'), s.Labels)
		dst = append(dst, '}')
	}
	dst = append(dst, " = "...)
	points := s.Kind.points()
	if points == "" {
		return append(append(dst, Number(s.Value)...), '\n')
	}
	dst = append(append(append(dst, "{ "...), points...), " = { "...)
	for i, p := range s.Points {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(append(dst, Number(p.At)...), '='), Number(p.Value)...)
	}
	if s.Kind == Histogram {
		if len(s.Points) > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(dst, "+Inf="...), Number(s.Count)...)
	}
	dst = append(append(dst, " }, sum="...), Number(s.Sum)...)
	return append(append(append(dst, ", count="...), Number(s.Count)...), " }\n"...)
}

// appendLabels appends name="value",…
func appendLabels(dst []byte, labels []Label) []byte {
	for i, l := range labels {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendLabel(dst, l)
	}
	return dst
}
