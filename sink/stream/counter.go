package stream

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// CounterOptions are the options of counter.
type CounterOptions struct {
	sink.OutputOptions
}

// Check reports the mistakes that binding can't find.
func (o *CounterOptions) Check(d config.Dialect) error { return o.CheckOutput(d) }

// NewCounter makes Fluent Bit's output counter, which writes how many records a request has to standard output.
func NewCounter(o *CounterOptions, d config.Dialect, env sink.Env) (sink.Destination, error) {
	return newCounter(o, d, env, os.Stdout)
}

func newCounter(_ *CounterOptions, _ config.Dialect, _ sink.Env, w io.Writer) (sink.Destination, error) {
	return counter{&stdout{w: w, writing: make(chan struct{}, 1), framing: framedCount}}, nil
}

// counter is a stdout whose items are empty.
type counter struct{ *stdout }

// Append implements sink.Destination.
func (counter) Append(body []byte, _ *sink.Record) ([]byte, error) { return body, nil }

// TakesMetrics implements sink.MetricTaker.
func (counter) TakesMetrics() (metrics, others bool) { return false, true }

// appendCount appends the line of a request of n records, as Fluent Bit 5.1 writes it.
func appendCount(dst []byte, n int, at time.Time) []byte {
	return fmt.Appendf(dst, `{"ts":%d.%06d,"serialized_events":%d,"log_records":%d,"total":%d}`+"\n", at.Unix(), at.Nanosecond()/1000, n, n, n)
}
