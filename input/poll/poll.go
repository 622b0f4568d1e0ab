// Package poll is the common part of inputs that collect something at an interval, such as the state of the host, a file or a page,
// and make events of it. Each input passes a function that collects.
package poll

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

const (
	maxInterval = 365 * 24 * time.Hour  // between two collections
	minInterval = 10 * time.Millisecond // the shortest interval
	collectTime = 10 * time.Second      // for one collection
	maxBatch    = 128 << 10             // bytes of events, about, after which they are flushed
	flushTime   = 5 * time.Second       // for queuing events at a stop, unless Env.FlushTime is set

	usualScrape = 10 * time.Second // between two readings of metrics whose interval is 0
)

// Options are the options that all of these inputs have.
type Options struct {
	Tag  string `fluentbit:"tag" help:"tag of every event; unless written, the name of the input"`
	Sec  int64  `fluentbit:"interval_sec" default:"1" help:"seconds between two collections"`
	Nsec int64  `fluentbit:"interval_nsec" default:"0" help:"nanoseconds more between two collections"`
	input.CommonOptions
}

// Interval returns the time between two collections: one second if the options give none, as in Fluent Bit.
func (o *Options) Interval() time.Duration {
	if o.Sec <= 0 && o.Nsec <= 0 {
		return time.Second
	}
	return time.Duration(min(max(o.Sec, 0), int64(maxInterval/time.Second)))*time.Second + time.Duration(min(max(o.Nsec, 0), int64(maxInterval)))
}

// A Collector collects once, and calls add for each event. An error is logged, and collecting goes on. ctx ends after 10 s.
type Collector func(ctx context.Context, add Add) error

// Add adds an event with the input's tag and the time of the collection. It doesn't keep record, which is a map that record.Check
// accepts.
type Add func(record []byte)

// A MetricCollector is a Collector of metrics. at is the time for metrics that have none of their own.
type MetricCollector func(ctx context.Context, at record.Time, add AddMetric) error

// AddMetric adds a metric. It doesn't keep s.
type AddMetric func(s *metric.Sample, at record.Time)

// An Input collects at an interval. It implements input.Input.
type Input struct {
	log       zerolog.Logger
	tag       []byte
	interval  time.Duration
	collect   func(ctx context.Context, at record.Time, add func(at record.Time, body []byte)) error
	flushTime time.Duration
	metrics   bool
	atOnce    bool

	due    func(ctx context.Context) bool // waits for the next collection; false: ctx has ended
	ctx    context.Context                // ends at Close
	cancel context.CancelFunc
}

// New makes an input whose events have the tag; if that is "", the input's default tag. The interval is at least 10 ms.
func New(tag string, interval time.Duration, collect Collector, env input.Env) *Input {
	in := newInput(tag, interval, env)
	in.collect = func(ctx context.Context, at record.Time, add func(record.Time, []byte)) error {
		return collect(ctx, func(body []byte) { add(at, body) })
	}
	return in
}

// NewMetrics makes an input of metrics; tag and interval are as in New, but 0 is 10 s. If atOnce is true, it also collects at the start.
func NewMetrics(tag string, interval time.Duration, atOnce bool, collect MetricCollector, env input.Env) *Input {
	in := newInput(tag, cmp.Or(interval, usualScrape), env)
	in.metrics, in.atOnce = true, atOnce
	var body []byte
	in.collect = func(ctx context.Context, at record.Time, add func(record.Time, []byte)) error {
		return collect(ctx, at, func(s *metric.Sample, at record.Time) {
			body = s.Append(body[:0])
			add(at, body)
		})
	}
	return in
}

// ScrapeWarnings returns a line if the scrape_interval of an input of metrics is 0.
func ScrapeWarnings(interval time.Duration) []string {
	if interval > 0 {
		return nil
	}
	return []string{"scrape_interval: 0 counts as " + usualScrape.String() + " here; Fluent Bit reads nothing after its start"}
}

func newInput(tag string, interval time.Duration, env input.Env) *Input {
	in := &Input{
		log: env.Log, tag: []byte(cmp.Or(tag, env.DefaultTag())), interval: min(max(interval, minInterval), maxInterval),
		flushTime: cmp.Or(env.FlushTime, flushTime),
	}
	in.ctx, in.cancel = context.WithCancel(context.Background())
	return in
}

// HasMetrics implements input.MetricSource.
func (in *Input) HasMetrics() bool { return in.metrics }

// Run collects until ctx ends or Close is called. While a queue is full it doesn't collect, and doesn't catch up later. It returns nil.
func (in *Input) Run(ctx context.Context, receiver func() input.Receiver) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(in.ctx, cancel)
	defer stop()
	flushing, abandon := context.WithCancel(in.ctx)
	defer abandon()
	late := context.AfterFunc(ctx, func() { time.AfterFunc(in.flushTime, abandon) }) // events may still be queued after ctx has ended
	defer late()
	due := in.due
	if due == nil {
		ticker := time.NewTicker(in.interval)
		defer ticker.Stop()
		due = func(ctx context.Context) bool {
			select {
			case <-ticker.C:
				return ctx.Err() == nil
			case <-ctx.Done():
				return false
			}
		}
	}
	recv := receiver()
	if in.atOnce && in.once(ctx, flushing, recv) != nil {
		return nil
	}
	for due(ctx) {
		if err := in.once(ctx, flushing, recv); err != nil {
			return nil // the stop came before a queue had room
		}
	}
	return nil
}

// once collects once, and flushes. It returns an error if a flush fails.
func (in *Input) once(ctx, flushing context.Context, recv input.Receiver) error {
	collecting, cancel := context.WithTimeout(ctx, collectTime)
	defer cancel()
	t := time.Now()
	at := record.Time{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())}
	added := 0
	var flushErr error
	err := in.collect(collecting, at, func(at record.Time, body []byte) {
		if flushErr != nil {
			return
		}
		recv.Add(in.tag, at, body)
		if added += len(body); added >= maxBatch {
			added, flushErr = 0, flush(flushing, recv)
		}
	})
	if err != nil && ctx.Err() == nil {
		in.log.Warn().Err(err).Msg("collecting failed")
	}
	if flushErr != nil {
		return flushErr
	}
	return flush(flushing, recv)
}

func flush(ctx context.Context, recv input.Receiver) error {
	if err := recv.Flush(ctx); !errors.Is(err, input.ErrHeld) {
		return err
	}
	return nil
}

// WaitIdle returns at once: there are no clients to wait for.
func (in *Input) WaitIdle(ctx context.Context) error { return ctx.Err() }

// Close ends Run. It returns nil.
func (in *Input) Close() error {
	in.cancel()
	return nil
}
