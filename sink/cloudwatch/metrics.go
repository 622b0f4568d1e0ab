package cloudwatch

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// Metrics are sent as events in the embedded metric format ("Specification: Embedded metric format - Amazon CloudWatch"), of which
// the service makes metrics: each sample of an input of metrics; and, with log_format json/emf, the records of the inputs cpu
// and mem. Both are as Fluent Bit makes them.
const (
	defaultNamespace = "fluent-bit-metrics"
	maxDimensions    = 30 // of a set
)

// metrics makes such events.
type metrics struct {
	host       bool       // also of records of cpu and mem
	namespace  string     // of these
	dimensions [][]string // of these: sets of fields
}

func newMetrics(o *Options) metrics {
	m := metrics{host: strings.EqualFold(o.LogFormat, "json/emf"), namespace: cmp.Or(o.Namespace, defaultNamespace)}
	for set := range strings.SplitSeq(o.Dimensions, ";") {
		var names []string
		for name := range strings.SplitSeq(set, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			m.dimensions = append(m.dimensions, names)
		}
	}
	return m
}

// hostMetrics are the fields of records of cpu and of mem that become metrics, and their unit, as Fluent Bit has it.
var hostMetrics = [...]struct {
	names []string
	unit  string
}{
	{[]string{"cpu_p", "user_p", "system_p"}, "Percent"},
	{[]string{"Mem.total", "Mem.used", "Mem.free", "Swap.total", "Swap.used", "Swap.free"}, "Bytes"},
}

// append appends the message of a metric, if r is one.
func (m *metrics) append(dst []byte, r *sink.Record) (out []byte, ok bool) {
	if metric.Is(r.Body) {
		var s metric.Sample
		if s.Read(r.Whole()) {
			return appendSample(dst, &s, r.Time), true
		}
	}
	if !m.host {
		return dst, false
	}
	f := record.FieldsOf(r.Body)
	if !f.Next() {
		return dst, false
	}
	for i := range hostMetrics {
		if h := &hostMetrics[i]; string(f.Key()) == h.names[0] {
			return m.appendHost(dst, r, h.names, h.unit), true
		}
	}
	return dst, false
}

// appendHost appends a record of cpu or mem, with the directive that its fields are metrics.
func (m *metrics) appendHost(dst []byte, r *sink.Record, names []string, unit string) []byte {
	dst = append(dst, `{"_aws":{"Timestamp":`...)
	dst = strconv.AppendInt(dst, int64(r.Time.Sec)*1000, 10)
	dst = append(dst, `,"CloudWatchMetrics":[{"Namespace":`...)
	dst = append(record.AppendJSONString(dst, []byte(m.namespace)), `,"Dimensions":[`...)
	for i, set := range m.dimensions {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendNames(dst, set)
	}
	dst = append(dst, `],"Metrics":[`...)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(append(append(dst, `{"Name":"`...), name...), `","Unit":"`...), unit...), `"}`...)
	}
	return append(record.AppendJSONMembers(append(dst, `]}]},`...), r.Body, nil), '}')
}

func appendNames(dst []byte, names []string) []byte {
	dst = append(dst, '[')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = record.AppendJSONString(dst, []byte(name))
	}
	return append(dst, ']')
}

// appendSample appends a sample: its labels are the dimensions, and the namespace is what its name begins with. JSON has no NaN
// and no infinity: such a value is a text, and no metric.
func appendSample(dst []byte, s *metric.Sample, at record.Time) []byte {
	dst = append(dst, '{')
	if finite(s.Value) && finite(s.Sum) && finite(s.Count) {
		dst = append(appendDirective(dst, s, at), ',')
	}
	for _, l := range s.Labels {
		dst = append(record.AppendJSONString(dst, []byte(l.Name)), ':')
		dst = append(record.AppendJSONString(dst, []byte(l.Value)), ',')
	}
	dst = append(append(append(dst, `"prom_metric_type":"`...), s.Kind...), `",`...)
	dst = append(record.AppendJSONString(dst, []byte(s.Name)), ':')
	if s.Kind != metric.Histogram && s.Kind != metric.Summary {
		return append(appendNumber(dst, s.Value), '}')
	}
	low, high := extent(s)
	for i, part := range [...]struct {
		name  string
		value float64
	}{{"Min", low}, {"Max", high}, {"Sum", s.Sum}, {"Count", s.Count}} {
		dst = append(dst, "{,"[min(i, 1)], '"')
		dst = appendNumber(append(append(dst, part.name...), `":`...), part.value)
	}
	return append(dst, "}}"...)
}

// appendDirective appends what makes the event a metric.
func appendDirective(dst []byte, s *metric.Sample, at record.Time) []byte {
	space, _, found := strings.Cut(s.Name, "_")
	if !found || space == "" {
		space = defaultNamespace
	}
	dst = append(dst, `"_aws":{"Timestamp":`...)
	dst = strconv.AppendInt(dst, int64(at.Sec)*1000+int64(at.Nsec)/1e6, 10)
	dst = append(dst, `,"CloudWatchMetrics":[{"Namespace":`...)
	dst = append(record.AppendJSONString(dst, []byte(space)), `,"Dimensions":[`...)
	names := make([]string, 0, len(s.Labels))
	for _, l := range s.Labels {
		if l.Value != "" && len(names) < maxDimensions { // the service refuses a dimension without a value
			names = append(names, l.Name)
		}
	}
	dst = append(appendNames(dst, names), `],"Metrics":[{"Name":`...)
	dst = record.AppendJSONString(dst, []byte(s.Name))
	if s.Kind == metric.Counter {
		dst = append(dst, `,"Unit":"Count"`...)
	}
	return append(dst, `,"StorageResolution":60}]}]}`...)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func appendNumber(dst []byte, v float64) []byte {
	if finite(v) {
		return record.AppendJSON(dst, record.AppendFloat(nil, v))
	}
	return record.AppendJSONString(dst, []byte(metric.Number(v)))
}

// extent is about the smallest and the largest value of a histogram or summary: of the buckets that are not empty, or of the
// quantiles.
func extent(s *metric.Sample) (low, high float64) {
	below, lower := 0.0, 0.0
	first := true
	for _, p := range s.Points {
		switch {
		case s.Kind == metric.Summary:
			if !finite(p.Value) {
				continue
			}
			if first {
				low = p.Value
			}
			first, high = false, p.Value
		case p.Value > below:
			if first {
				low = lower
			}
			first, high = false, p.At
		}
		below, lower = max(below, p.Value), p.At
	}
	return low, high
}

// TakesMetrics implements sink.MetricTaker.
func (d *Destination) TakesMetrics() (metrics, others bool) { return true, true }
