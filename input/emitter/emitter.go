// Package emitter makes events of what a filter counts, as Fluent Bit's emitters do: the metrics of a log_to_metrics, for outputs that
// take metrics. The configuration adds the input itself.
package emitter

import (
	"context"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/poll"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

const (
	// usualInterval is the time between two collections if the filter gives none. Fluent Bit emits all metrics at each record then.
	usualInterval = 5 * time.Second
	// refreshTime is after which metrics are emitted although they haven't changed: an output may forget those that it gets no more.
	refreshTime = 10 * time.Minute
)

// Options are those of the input. The filter gives them.
type Options struct {
	Filter string `fluentbit:"filter" required:"true" help:"ID of the filter"`
	Tag    string `fluentbit:"tag" required:"true" help:"tag of the metrics"`
	Sec    int64  `fluentbit:"flush_interval_sec" default:"0" help:"seconds between two collections; 5 unless written"`
	Nsec   int64  `fluentbit:"flush_interval_nsec" default:"0" help:"nanoseconds more"`
	input.CommonOptions
}

// An emitter collects the metrics of a filter.
type emitter struct {
	opts  *Options
	read  func(filter, tag string, since uint64, see func(*metric.Sample)) (changes uint64)
	seen  uint64    // changes at the last collection
	fresh time.Time // when everything was emitted
	now   func() time.Time
}

// New makes the input.
func New(o *Options, _ config.Dialect, env input.Env) (input.Input, error) {
	interval := usualInterval
	if o.Sec > 0 || o.Nsec > 0 {
		interval = (&poll.Options{Sec: o.Sec, Nsec: o.Nsec}).Interval()
	}
	e := &emitter{opts: o, read: env.FilterMetrics, now: time.Now}
	return poll.NewMetrics(o.Tag, interval, false, e.collect, env), nil
}

// collect is the poll.MetricCollector.
func (e *emitter) collect(_ context.Context, at record.Time, add poll.AddMetric) error {
	if e.read == nil {
		return nil
	}
	now := e.now()
	if now.Sub(e.fresh) >= refreshTime {
		e.seen, e.fresh = 0, now
	}
	e.seen = e.read(e.opts.Filter, e.opts.Tag, e.seen, func(s *metric.Sample) { add(s, at) })
	return nil
}
