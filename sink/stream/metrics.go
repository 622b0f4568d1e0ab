package stream

import (
	"bytes"

	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
)

// withMetrics is f, but a metric becomes a line of text, whatever the format, as in Fluent Bit.
func withMetrics(f format.Func) format.Func {
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		if metric.Is(r.Body) {
			if out, ok := appendMetric(dst, r); ok {
				return out, nil
			}
		}
		return f(dst, r)
	}
}

func appendMetric(dst []byte, r *sink.Record) ([]byte, bool) {
	var s metric.Sample
	if !s.Read(r.Body) {
		return dst, false
	}
	return s.AppendLine(dst, r.Time), true
}

// TakesMetrics implements sink.MetricTaker.
func (f *file) TakesMetrics() (metrics, others bool) { return true, true }

// TakesMetrics implements sink.MetricTaker.
func (s *stdout) TakesMetrics() (metrics, others bool) { return true, true }

// line is the byte that an item of stdout begins with that is a metric: what is written around other items is not for it. No
// other item begins with it: a tag has no NUL.
const line = 0

// metricLines appends the metrics of a request, and returns a request without them.
func metricLines(dst []byte, req *sink.Request) ([]byte, *sink.Request) {
	if bytes.IndexByte(req.Body, line) < 0 {
		return dst, req
	}
	var others sink.Request
	for i := range req.Len() {
		item := req.Item(i)
		if len(item) > 0 && item[0] == line {
			dst = append(dst, item[1:]...)
			continue
		}
		others.Body = append(others.Body, item...)
		others.Ends = append(others.Ends, len(others.Body))
	}
	return dst, &others
}
