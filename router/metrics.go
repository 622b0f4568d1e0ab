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
	e := metric.Emitter{See: see}
	status := r.Status()
	r.processMetrics(&e)
	for _, m := range inputMetrics() {
		for i := range status.Inputs {
			e.Emit(m.kind, m.name, m.help, m.of(&status.Inputs[i]), "name", status.Inputs[i].Input)
		}
	}
	for _, m := range filterMetrics() {
		for i := range status.Filters {
			e.Emit(m.kind, m.name, m.help, m.of(&status.Filters[i]), "name", status.Filters[i].Filter)
		}
	}
	for _, m := range outputMetrics() {
		for i := range status.Outputs {
			e.Emit(m.kind, m.name, m.help, m.of(&status.Outputs[i]), "name", status.Outputs[i].Account.Output)
		}
	}
	for i := range status.Outputs {
		o := &status.Outputs[i]
		e.Times("fluentbit_output_latency_seconds", "How long delivered records were in the queue, in seconds.", &o.Delivery.Delay, "output", o.Account.Output)
	}
	storageMetrics(&e, &status)
}

func (r *Router) processMetrics(e *metric.Emitter) {
	host := r.env.Hostname
	begun := float64(r.begun.Unix())
	e.Counter("fluentbit_uptime", "Number of seconds that the router has been running.", float64(int64(time.Since(r.begun).Seconds())), "hostname", host)
	e.Gauge("fluentbit_process_start_time_seconds", "Start time of the process since unix epoch in seconds.", begun, "hostname", host)
	e.Gauge("fluentbit_build_info", "Build version information.", begun, "hostname", host, "version", r.env.Version, "os", runtime.GOOS)
	e.Counter("fluentbit_hot_reloaded_times", "Number of configurations that have taken over since the start.", float64(r.Reloads()), "hostname", host)
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
func storageMetrics(e *metric.Emitter, s *Status) {
	memory, disk := s.queueBytes()
	m, d := float64(Chunks(memory)), float64(Chunks(disk))
	e.Gauge("fluentbit_storage_chunks", "Total number of chunks in the queues, of 2 MiB each.", m+d)
	e.Gauge("fluentbit_storage_mem_chunks", "Total number of chunks in queues in memory.", m)
	e.Gauge("fluentbit_storage_fs_chunks", "Total number of chunks in queues on disk.", d)
	e.Gauge("fluentbit_storage_fs_chunks_up", "Chunks of queues on disk that are also in memory: 0, always.", 0)
	e.Gauge("fluentbit_storage_fs_chunks_down", "Chunks of queues on disk.", d)
}

// Chunks returns how many of Fluent Bit's chunks have n bytes.
func Chunks(n int64) int64 { return (n + chunkSize - 1) / chunkSize }
