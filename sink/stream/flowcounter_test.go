package stream

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

const startTime = 1_700_000_000

func recAt(t *testing.T, sec int) *sink.Record {
	r := rec(t, "a", `{"log":"hello"}`)
	r.Time = record.Time{Sec: uint32(sec)}
	return r
}

func TestFlowCounter(t *testing.T) {
	sinktest.Run(t, sinktest.Case{New: func(*testing.T) sink.Destination {
		return newFlowCounter(&FlowCounterOptions{Unit: "second"}, sink.Env{}, io.Discard, time.Now)
	}})
	line := func(until, n int, unit string, tick int) string {
		return fmt.Sprintf(`[out_flowcounter] [%d, {"counts":%d, "bytes":%d, "counts/%s":%d, "bytes/%s":%d }]`+"\n", until, n, 24*n, unit, n/tick, unit, 24*n/tick)
	}
	for name, c := range map[string]struct {
		o    FlowCounterOptions
		at   []int // seconds after the start at which a request of 60 records comes
		want string
	}{
		"minutes":   {FlowCounterOptions{Unit: "minute"}, []int{0, 1, 60, 61}, line(startTime, 60, "minute", 60) + line(startTime+60, 120, "minute", 60)},
		"no unit":   {FlowCounterOptions{Unit: "sec"}, []int{0, 1}, line(startTime, 60, "minute", 60)},
		"seconds":   {FlowCounterOptions{Unit: "Second"}, []int{0, 1, 2, 5}, line(startTime, 60, "second", 1) + line(startTime+1, 60, "second", 1) + line(startTime+2, 60, "second", 1) + line(startTime+3, 0, "second", 1)},
		"by events": {FlowCounterOptions{Unit: "hour", EventBased: true}, []int{0, 10, 3601, -4000}, line(startTime, 60, "hour", 3600) + line(startTime+3600, 60, "hour", 3600)},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			now := time.Unix(startTime, 0)
			d := newFlowCounter(&c.o, sink.Env{}, &out, func() time.Time { return now })
			for _, sec := range c.at {
				if !c.o.EventBased {
					now = time.Unix(startTime+int64(sec), 0)
				}
				var list []*sink.Record
				for range 60 {
					list = append(list, recAt(t, startTime+sec))
				}
				if r := d.Send(t.Context(), request(t, d, list...)); r.Verdict != sink.Done || r.Err != nil {
					t.Errorf("got %+v, want done", r)
				}
			}
			if out.String() != c.want {
				t.Errorf("got\n%swant\n%s", &out, c.want)
			}
		})
	}
	if len((&FlowCounterOptions{Unit: "sec"}).Warnings()) != 1 || len((&FlowCounterOptions{Unit: "DAY"}).Warnings()) != 0 {
		t.Error("got other warnings")
	}
	if _, err := NewFlowCounter(&FlowCounterOptions{}, config.FluentBit, sink.Env{}); err != nil {
		t.Error(err)
	}
}

func TestFlowCounterCountsARequestOnce(t *testing.T) {
	now := time.Unix(startTime, 0)
	d := newFlowCounter(&FlowCounterOptions{Unit: "second"}, sink.Env{}, short{3}, func() time.Time { return now })
	d.Send(t.Context(), request(t, d, recAt(t, startTime)))
	now = time.Unix(startTime+9, 0)
	req := request(t, d, recAt(t, startTime))
	if r := d.Send(t.Context(), req); r.Verdict != sink.Again || len(r.Items) > 0 {
		t.Errorf("got %+v, want again", r)
	}
	var out bytes.Buffer
	d.w = &out
	d.Send(t.Context(), req)
	if !strings.HasPrefix(out.String(), fmt.Sprintf(`[out_flowcounter] [%d, {"counts":1,`, startTime)) {
		t.Errorf("got %s", &out)
	}
}

// A record of the year 2100 makes no line for each second until then.
func TestFlowCounterWritesNoEndlessLines(t *testing.T) {
	var out bytes.Buffer
	d := newFlowCounter(&FlowCounterOptions{Unit: "second", EventBased: true}, sink.Env{}, &out, func() time.Time { return time.Unix(startTime, 0) })
	const later = 4_102_444_800
	d.Send(t.Context(), request(t, d, recAt(t, later), recAt(t, later)))
	if n := strings.Count(out.String(), "\n"); n > maxWindows+10 {
		t.Errorf("got %d lines", n)
	}
	if w := d.windows[1]; w.until != later && w.until != later+1 || w.counts+d.windows[0].counts != 2 {
		t.Errorf("got %+v, want 2 records until %d", d.windows, later)
	}
}
