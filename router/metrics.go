package router

import (
	"runtime"
	"time"

	"github.com/firelane/firelane/metric"
)

// Metrics calls see for each metric of the router, with the names that Fluent Bit gives its own (Fluent Bit, "Monitoring"), as
// far as the accounts have what they stand for, and firelane_ before what Fluent Bit doesn't count. It implements
// input.Env.Internal.
func (r *Router) Metrics(see func(*metric.Sample)) {
	var s metric.Sample
	emit := func(name string, kind metric.Kind, help string, value float64, labels ...metric.Label) {
		s = metric.Sample{Name: name, Kind: kind, Help: help, Value: value, Labels: append(s.Labels[:0], labels...)}
		see(&s)
	}
	host := metric.Label{Name: "hostname", Value: r.env.Hostname}
	begun := float64(r.begun.Unix())
	emit("fluentbit_uptime", metric.Counter, "Number of seconds that the router has been running.", float64(int64(time.Since(r.begun).Seconds())), host)
	emit("fluentbit_process_start_time_seconds", metric.Gauge, "Start time of the process since unix epoch in seconds.", begun, host)
	emit("fluentbit_build_info", metric.Gauge, "Build version information.", begun, host,
		metric.Label{Name: "version", Value: r.env.Version}, metric.Label{Name: "os", Value: runtime.GOOS})
	status := r.Status()
	for i := range status.Inputs {
		in := &status.Inputs[i]
		emit("fluentbit_input_records_total", metric.Counter, "Number of input records.", float64(in.Received), named(in.Input))
	}
	for _, m := range outputMetrics() {
		for i := range status.Outputs {
			o := &status.Outputs[i]
			emit(m.name, m.kind, m.help, m.of(o), named(o.Account.Output))
		}
	}
}

func named(id string) metric.Label { return metric.Label{Name: "name", Value: id} }

// An outputMetric is a number of each output.
type outputMetric struct {
	name string
	kind metric.Kind
	help string
	of   func(*OutputStatus) float64
}

func outputMetrics() []outputMetric {
	return []outputMetric{
		{"fluentbit_output_proc_records_total", metric.Counter, "Number of processed output records.", func(o *OutputStatus) float64 { return float64(o.Account.Delivered) }},
		{"fluentbit_output_proc_bytes_total", metric.Counter, "Number of processed output bytes.", func(o *OutputStatus) float64 { return float64(o.Delivery.BytesSent) }},
		{"fluentbit_output_errors_total", metric.Counter, "Number of records that the destination refused for good.", func(o *OutputStatus) float64 { return float64(o.Account.Dead) }},
		{"fluentbit_output_retries_total", metric.Counter, "Number of requests that failed and were made again.", func(o *OutputStatus) float64 { return float64(o.Delivery.Failed) }},
		{"fluentbit_output_retried_records_total", metric.Counter, "Number of retried records.", func(o *OutputStatus) float64 { return float64(o.Delivery.Retried) }},
		{"fluentbit_output_dropped_records_total", metric.Counter, "Number of records that were dropped or put into the dead letter.", func(o *OutputStatus) float64 {
			n := o.Account.Dead
			for _, dropped := range o.Account.Dropped {
				n += dropped
			}
			return float64(n)
		}},
		{"fluentbit_output_chunk_available_capacity_percent", metric.Gauge, "Free part of the output's queue in percent.", func(o *OutputStatus) float64 {
			q := &o.Delivery.Queue
			if q.Limit <= 0 {
				return 100
			}
			return float64(max(q.Limit-q.Bytes, 0)) * 100 / float64(q.Limit)
		}},
		{"firelane_output_buffered_records", metric.Gauge, "Records in the output's queue.", func(o *OutputStatus) float64 { return float64(o.Account.Buffered) }},
		{"firelane_output_unaccounted_records", metric.Gauge, "Records that are in no account: 0, always.", func(o *OutputStatus) float64 { return float64(o.Account.Unaccounted) }},
	}
}
