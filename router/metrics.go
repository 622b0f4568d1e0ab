package router

import (
	"runtime"
	"time"

	"github.com/firelane/firelane/metric"
)

// chunkSize is about what Fluent Bit's chunks have at most, in bytes: with its names, queues are reported in such chunks.
const chunkSize = 2 << 20

// Metrics calls see for each metric of the router, with the names that Fluent Bit gives its own (Fluent Bit, "Monitoring"), as
// far as the accounts have what they stand for, and firelane_ before what Fluent Bit doesn't count. The samples of a metric
// follow one another, and each is there from the start. It implements input.Env.Internal.
func (r *Router) Metrics(see func(*metric.Sample)) {
	e := emitter{see: see}
	status := r.Status()
	r.processMetrics(&e)
	for _, m := range inputMetrics() {
		for i := range status.Inputs {
			e.emit(m.name, m.kind, m.help, m.of(&status.Inputs[i]), named(status.Inputs[i].Input))
		}
	}
	for _, m := range filterMetrics() {
		for i := range status.Filters {
			e.emit(m.name, m.kind, m.help, m.of(&status.Filters[i]), named(status.Filters[i].Filter))
		}
	}
	for _, m := range outputMetrics() {
		for i := range status.Outputs {
			e.emit(m.name, m.kind, m.help, m.of(&status.Outputs[i]), named(status.Outputs[i].Account.Output))
		}
	}
	for i := range status.Outputs {
		o := &status.Outputs[i]
		e.prepare("fluentbit_output_latency_seconds", "How long delivered records were in the queue, in seconds.", metric.Label{Name: "output", Value: o.Account.Output})
		o.Delivery.Delay.Fill(&e.sample)
		see(&e.sample)
	}
	storageMetrics(&e, &status)
}

// An emitter calls see with one sample after another, in the same memory.
type emitter struct {
	see    func(*metric.Sample)
	sample metric.Sample
}

func (e *emitter) prepare(name, help string, labels ...metric.Label) {
	e.sample = metric.Sample{Name: name, Help: help, Labels: append(e.sample.Labels[:0], labels...), Points: e.sample.Points[:0]}
}

func (e *emitter) emit(name string, kind metric.Kind, help string, value float64, labels ...metric.Label) {
	e.prepare(name, help, labels...)
	e.sample.Kind, e.sample.Value = kind, value
	e.see(&e.sample)
}

func named(id string) metric.Label { return metric.Label{Name: "name", Value: id} }

func (r *Router) processMetrics(e *emitter) {
	host := metric.Label{Name: "hostname", Value: r.env.Hostname}
	begun := float64(r.begun.Unix())
	e.emit("fluentbit_uptime", metric.Counter, "Number of seconds that the router has been running.", float64(int64(time.Since(r.begun).Seconds())), host)
	e.emit("fluentbit_process_start_time_seconds", metric.Gauge, "Start time of the process since unix epoch in seconds.", begun, host)
	e.emit("fluentbit_build_info", metric.Gauge, "Build version information.", begun, host,
		metric.Label{Name: "version", Value: r.env.Version}, metric.Label{Name: "os", Value: runtime.GOOS})
	e.emit("fluentbit_hot_reloaded_times", metric.Counter, "Number of configurations that have taken over since the start.", float64(r.Reloads()), host)
}

// A partMetric is a number of each part of one kind, whose status is a T.
type partMetric[T any] struct {
	name string
	kind metric.Kind
	help string
	of   func(*T) float64
}

func inputMetrics() []partMetric[InputAccount] {
	return []partMetric[InputAccount]{
		{"fluentbit_input_records_total", metric.Counter, "Number of input records.", func(in *InputAccount) float64 { return float64(in.Received) }},
		{"fluentbit_input_bytes_total", metric.Counter, "Number of input bytes.", func(in *InputAccount) float64 { return float64(in.Bytes) }},
	}
}

func filterMetrics() []partMetric[FilterAccount] {
	return []partMetric[FilterAccount]{
		{"fluentbit_filter_records_total", metric.Counter, "Number of records that reached the filter.", func(f *FilterAccount) float64 { return float64(f.Records) }},
		{"fluentbit_filter_bytes_total", metric.Counter, "Number of bytes of these records.", func(f *FilterAccount) float64 { return float64(f.Bytes) }},
		{"fluentbit_filter_add_records_total", metric.Counter, "Number of records that the filter added.", func(f *FilterAccount) float64 { return float64(f.Added) }},
		{"fluentbit_filter_drop_records_total", metric.Counter, "Number of records that the filter dropped.", func(f *FilterAccount) float64 { return float64(f.Dropped) }},
	}
}

func outputMetrics() []partMetric[OutputStatus] {
	return []partMetric[OutputStatus]{
		{"fluentbit_output_proc_records_total", metric.Counter, "Number of processed output records.", func(o *OutputStatus) float64 { return float64(o.Account.Delivered) }},
		{"fluentbit_output_proc_bytes_total", metric.Counter, "Number of processed output bytes.", func(o *OutputStatus) float64 { return float64(o.Delivery.BytesSent) }},
		{"fluentbit_output_errors_total", metric.Counter, "Number of records that the destination refused for good.", func(o *OutputStatus) float64 { return float64(o.Account.Dead) }},
		{"fluentbit_output_retries_total", metric.Counter, "Number of requests that failed and were made again.", func(o *OutputStatus) float64 { return float64(o.Delivery.Failed) }},
		{"fluentbit_output_retries_failed_total", metric.Counter, "Number of records that were given up after too many retries.", func(o *OutputStatus) float64 { return float64(o.Delivery.GivenUp) }},
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
		{"fluentbit_output_upstream_busy_connections", metric.Gauge, "Number of requests in progress.", func(o *OutputStatus) float64 { return float64(o.Delivery.InFlight) }},
		{"firelane_output_buffered_records", metric.Gauge, "Records in the output's queue.", func(o *OutputStatus) float64 { return float64(o.Account.Buffered) }},
		{"firelane_output_unaccounted_records", metric.Gauge, "Records that are in no account: 0, always.", func(o *OutputStatus) float64 { return float64(o.Account.Unaccounted) }},
	}
}

// storageMetrics emits what is in the queues, in chunks: those on disk are not also in memory.
func storageMetrics(e *emitter, s *Status) {
	memory, disk := s.queueBytes()
	m, d := float64(Chunks(memory)), float64(Chunks(disk))
	e.emit("fluentbit_storage_chunks", metric.Gauge, "Total number of chunks in the queues, of 2 MiB each.", m+d)
	e.emit("fluentbit_storage_mem_chunks", metric.Gauge, "Total number of chunks in queues in memory.", m)
	e.emit("fluentbit_storage_fs_chunks", metric.Gauge, "Total number of chunks in queues on disk.", d)
	e.emit("fluentbit_storage_fs_chunks_up", metric.Gauge, "Chunks of queues on disk that are also in memory: 0, always.", 0)
	e.emit("fluentbit_storage_fs_chunks_down", metric.Gauge, "Chunks of queues on disk.", d)
}

// Chunks returns how many of Fluent Bit's chunks have n bytes.
func Chunks(n int64) int64 { return (n + chunkSize - 1) / chunkSize }
