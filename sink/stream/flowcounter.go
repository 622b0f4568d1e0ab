package stream

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// FlowCounterOptions are the options of flowcounter.
type FlowCounterOptions struct {
	Unit       string `fluentbit:"unit" default:"minute" help:"time that is counted in: second, minute, hour or day"`
	EventBased bool   `fluentbit:"event_based" default:"false" help:"count by the records' times; otherwise by the time at which they are counted"`

	sink.OutputOptions
}

// Check reports the mistakes that binding can't find.
func (o *FlowCounterOptions) Check(d config.Dialect) error { return o.CheckOutput(d) }

// Warnings returns a line for a unit that there isn't.
func (o *FlowCounterOptions) Warnings() []string {
	if _, ok := flowUnits[strings.ToLower(o.Unit)]; !ok {
		return []string{fmt.Sprintf("unit: unknown unit %q, minute is used; want second, minute, hour or day", o.Unit)}
	}
	return nil
}

// flowUnits are the units in seconds.
var flowUnits = map[string]int64{"second": 1, "minute": 60, "hour": 3600, "day": 86400}

const (
	eventOverhead = 13   // bytes that an event has besides its record: two arrays, a time and empty metadata
	maxWindows    = 1000 // lines of times without records, after which the counter goes on at the next record
	flowItem      = 16   // bytes of an item: time and size
)

// A window is a time in which records are counted: those up to until, of the length of a unit.
type window struct{ until, counts, bytes int64 }

// A flowCounter counts records and their bytes for each second, minute, hour or day. Its line is written when a record comes that
// belongs to a later one.
type flowCounter struct {
	*stdout
	unit    string
	tick    int64 // seconds
	byEvent bool
	log     zerolog.Logger
	now     func() time.Time

	counting chan struct{} // a lock that a select can wait for: holds a value while a request is being counted
	windows  []window      // the oldest first; guarded by counting
}

// NewFlowCounter makes Fluent Bit's output flowcounter, which writes how many records there are in a time to standard output.
func NewFlowCounter(o *FlowCounterOptions, _ config.Dialect, env sink.Env) (sink.Destination, error) {
	return newFlowCounter(o, env, os.Stdout, time.Now), nil
}

func newFlowCounter(o *FlowCounterOptions, env sink.Env, w io.Writer, now func() time.Time) *flowCounter {
	f := &flowCounter{stdout: &stdout{w: w, writing: make(chan struct{}, 1)}, counting: make(chan struct{}, 1), unit: strings.ToLower(o.Unit), byEvent: o.EventBased, log: env.Log, now: now}
	var ok bool
	if f.tick, ok = flowUnits[f.unit]; !ok {
		f.unit, f.tick = "minute", 60
	}
	start := now().Unix()
	f.windows = []window{{until: start}}
	if f.tick == 1 { // records may be a second late
		f.windows = append(f.windows, window{until: start + 1})
	}
	return f
}

// Append implements sink.Destination. An item is a record's time and size.
func (f *flowCounter) Append(body []byte, r *sink.Record) ([]byte, error) {
	body = binary.LittleEndian.AppendUint64(body, uint64(r.Time.Sec))
	return binary.LittleEndian.AppendUint64(body, uint64(len(r.Whole())+eventOverhead)), nil
}

// Send counts the records of a request, and writes the lines of the times that are over. If that fails, none of them is counted.
func (f *flowCounter) Send(ctx context.Context, req *sink.Request) sink.Reply {
	select {
	case f.counting <- struct{}{}:
		defer func() { <-f.counting }()
	case <-ctx.Done():
		return sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("waiting for another request to be counted: %w", ctx.Err())}
	}
	was := slices.Clone(f.windows)
	var lines []byte
	late := 0
	now := f.now().Unix()
	for i := range req.Len() {
		item := req.Item(i)
		if len(item) < flowItem {
			continue
		}
		at, size := now, int64(binary.LittleEndian.Uint64(item[8:]))
		if f.byEvent {
			at = int64(binary.LittleEndian.Uint64(item))
		}
		var ok bool
		if lines, ok = f.count(lines, at, size); !ok {
			late++
		}
	}
	if late > 0 {
		f.log.Warn().Int("records", late).Msg("records were not counted: they are older than the current unit of time")
	}
	if len(lines) == 0 {
		return sink.Reply{Cause: sink.Answered}
	}
	r := f.stdout.Send(ctx, &sink.Request{Body: lines, Ends: []int{len(lines)}})
	if r.Verdict != sink.Done {
		f.windows, r.Items = was, nil
	}
	return r
}

// count counts a record, after it has appended the lines of the windows before it. ok is false if the record is older than these.
func (f *flowCounter) count(lines []byte, at, size int64) (_ []byte, ok bool) {
	if at < f.windows[0].until-f.tick {
		return lines, false
	}
	for n := 0; ; n++ {
		for i := range f.windows {
			if w := &f.windows[i]; at >= w.until-f.tick && at <= w.until {
				w.counts++
				w.bytes += size
				return lines, true
			}
		}
		lines = f.appendLine(lines, f.windows[0])
		next := f.windows[len(f.windows)-1].until + f.tick
		if n >= maxWindows { // nobody reads lines of years without records
			next += max(at-next, 0) / f.tick * f.tick
		}
		copy(f.windows, f.windows[1:])
		f.windows[len(f.windows)-1] = window{until: next}
	}
}

// appendLine appends the line of a window, as Fluent Bit writes it.
func (f *flowCounter) appendLine(b []byte, w window) []byte {
	return fmt.Appendf(b, `[out_flowcounter] [%d, {"counts":%d, "bytes":%d, "counts/%s":%d, "bytes/%s":%d }]`+"\n",
		w.until, w.counts, w.bytes, f.unit, w.counts/f.tick, f.unit, w.bytes/f.tick)
}

// TakesMetrics implements sink.MetricTaker.
func (f *flowCounter) TakesMetrics() (metrics, others bool) { return false, true }

// Describe implements sink.Describer.
func (o *FlowCounterOptions) Describe(config.Dialect, time.Time) sink.Description {
	return sink.Description{Service: "standard output"}
}
