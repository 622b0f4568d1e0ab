package admin

import (
	"time"

	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/router"
	"github.com/firelane/firelane/sink/deliver"
)

// An outputMetric is a number of each output.
type outputMetric struct {
	name, help string
	of         func(*router.OutputStatus) float64
}

// queueMetrics tell what waits for each output, and for how long.
func queueMetrics(e *metric.Emitter, outputs []router.OutputStatus, now time.Time) {
	since := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return max(now.Sub(t).Seconds(), 0)
	}
	for _, m := range []outputMetric{
		{"firelane_output_queue_bytes", "bytes in the queue", func(o *router.OutputStatus) float64 { return float64(o.Delivery.Queue.Bytes) }},
		{"firelane_output_queue_limit_bytes", "bytes that the queue may have", func(o *router.OutputStatus) float64 { return float64(o.Delivery.Queue.Limit) }},
		{"firelane_output_deferred_bytes", "bytes of deferred records", func(o *router.OutputStatus) float64 { return float64(o.Delivery.DeferredQueue.Bytes) }},
		{"firelane_output_queue_on_disk", "1: the queue is on disk; 0: it is in memory", func(o *router.OutputStatus) float64 { return number(o.Delivery.Queue.Durable) }},
		{"firelane_output_oldest_record_seconds", "for how long the oldest record has been in the queue; 0: the queue is empty", func(o *router.OutputStatus) float64 { return since(o.Oldest) }},
		{"firelane_output_retrying_records", "records in the queue that wait to be sent again", func(o *router.OutputStatus) float64 { return float64(o.Delivery.Waiting) }},
		{"firelane_output_blocked_appends", "connections that wait for room in the queue", func(o *router.OutputStatus) float64 { return float64(o.Delivery.Queue.Waiting) }},
	} {
		for i := range outputs {
			e.Gauge(m.name, m.help, m.of(&outputs[i]), "output", outputs[i].Account.Output)
		}
	}
	for _, m := range []outputMetric{
		{"firelane_output_blocked_appends_total", "how often a connection had to wait for room in the queue", func(o *router.OutputStatus) float64 { return float64(o.Delivery.Queue.Waits) }},
		{"firelane_output_disk_errors_total", "writes and reads of the queue that failed", func(o *router.OutputStatus) float64 { return float64(o.Delivery.Queue.DiskErrors) }},
	} {
		for i := range outputs {
			e.Counter(m.name, m.help, m.of(&outputs[i]), "output", outputs[i].Account.Output)
		}
	}
	for i := range outputs {
		e.Gauge("firelane_output_failing_seconds", "for how long no record was delivered although it was tried; 0: records are delivered", since(outputs[i].Delivery.FailingSince), "output", outputs[i].Account.Output)
	}
	for i := range outputs {
		last := 0.0
		if at := outputs[i].Delivery.DeliveredAt; !at.IsZero() {
			last = float64(at.UnixMilli()) / 1000
		}
		e.Gauge("firelane_output_last_delivery_timestamp_seconds", "when a record was delivered last, as Unix time; 0: never", last, "output", outputs[i].Account.Output)
	}
	for i := range outputs {
		e.Gauge("firelane_output_healthy", "0: no record was delivered for a minute although it was tried; else 1", number(outputs[i].Trouble == ""), "output", outputs[i].Account.Output)
	}
}

// requestMetrics tell of each output's requests.
func requestMetrics(e *metric.Emitter, outputs []router.OutputStatus) {
	for i := range outputs {
		id := outputs[i].Account.Output
		outputs[i].Delivery.Replies.Each(func(status string, n int64) {
			e.Counter("firelane_output_requests_total", "requests, by the status of the answer", float64(n), "output", id, "status", status)
		})
	}
	for _, m := range []outputMetric{
		{"firelane_output_failed_requests_total", "requests that failed as a whole and were made again", func(o *router.OutputStatus) float64 { return float64(o.Delivery.Failed) }},
		{"firelane_output_retried_records_total", "records that were sent again, counted each time", func(o *router.OutputStatus) float64 { return float64(o.Delivery.Retried) }},
		{"firelane_output_given_up_records_total", "of the records in the dead letter, those that were refused for now until a limit was reached", func(o *router.OutputStatus) float64 { return float64(o.Delivery.GivenUp) }},
		{"firelane_output_sent_bytes_total", "bytes of requests, before compression", func(o *router.OutputStatus) float64 { return float64(o.Delivery.BytesSent) }},
		{"firelane_output_panics_total", "faults in the router's code for the destination: 0, always", func(o *router.OutputStatus) float64 { return float64(o.Delivery.Panics) }},
	} {
		for i := range outputs {
			e.Counter(m.name, m.help, m.of(&outputs[i]), "output", outputs[i].Account.Output)
		}
	}
	for _, m := range []outputMetric{
		{"firelane_output_requests_in_progress", "requests in progress", func(o *router.OutputStatus) float64 { return float64(o.Delivery.InFlight) }},
		{"firelane_output_requests_limit", "requests that may be in progress now", func(o *router.OutputStatus) float64 { return float64(o.Delivery.Concurrency) }},
	} {
		for i := range outputs {
			e.Gauge(m.name, m.help, m.of(&outputs[i]), "output", outputs[i].Account.Output)
		}
	}
	for i := range outputs {
		o := &outputs[i]
		for state := deliver.GateOpen; state <= deliver.GateFailing; state++ {
			e.Gauge("firelane_output_gate", "1 for the state of the gate: while it isn't open, one request is made at a time", number(o.Delivery.Gate == state), "output", o.Account.Output, "state", state.String())
		}
	}
	for i := range outputs {
		o := &outputs[i]
		e.Times("firelane_output_request_seconds", "how long requests took", &o.Delivery.Duration, "output", o.Account.Output)
	}
	for i := range outputs {
		o := &outputs[i]
		e.Times("firelane_output_delay_seconds", "how long delivered records were in the queue", &o.Delivery.Delay, "output", o.Account.Output)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
