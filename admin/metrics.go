package admin

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/router"
)

// maxSeries is how many series the router's own metrics may have on a page. An output has about 120.
const maxSeries = 20_000

// metricPages adds the pages with metrics: Prometheus's own, and Fluent Bit's.
func metricPages(mux *http.ServeMux, c Config) {
	local, remote := newUnread(), newUnread() // others can't block what this machine asks for
	page := func(path string, write func() []byte) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			of := remote
			if isLocal(r) {
				of = local
			}
			of.serve(w, r, write)
		})
	}
	page("/metrics", func() []byte { return everything(c, ownMetrics, processMetrics, fluentBitMetrics) })
	page("/api/v2/metrics/prometheus", func() []byte { return everything(c, ownMetrics, fluentBitMetrics) })
	page("/api/v1/metrics/prometheus", func() []byte {
		p := &metric.Page{Max: maxSeries}
		ownMetrics(c, p.Add)
		timed := &metric.Page{Max: maxSeries, Time: time.Now()} // as configurations of AWS's image parse it
		fluentBitMetrics(c, func(s *metric.Sample) {
			if inFirstVersion(s.Name) {
				timed.Add(s)
			}
		})
		return slices.Concat(p.Text(), c.Source.AppendMetrics(nil), timed.Text())
	})
	page("/api/v2/metrics", func() (lines []byte) {
		now := time.Now()
		at := record.Time{Sec: uint32(now.Unix()), Nsec: uint32(now.Nanosecond())}
		fluentBitMetrics(c, func(s *metric.Sample) { lines = s.AppendLine(lines, at) })
		return lines
	})
}

// everything returns a page of several kinds of metrics, and of those that filters count, which have limits of their own.
func everything(c Config, kinds ...func(Config, func(*metric.Sample))) []byte {
	p := &metric.Page{Max: maxSeries}
	for _, kind := range kinds {
		kind(c, p.Add)
	}
	left := p.Left
	p.Max = 0
	e := metric.Emitter{See: p.Add}
	e.Gauge("firelane_metrics_left_out", "metrics of inputs, filters and outputs that are not on this page, which has too many", float64(left))
	return c.Source.AppendMetrics(p.Text())
}

// fluentBitMetrics are the metrics that have Fluent Bit's names.
func fluentBitMetrics(c Config, see func(*metric.Sample)) {
	c.Source.Metrics(func(s *metric.Sample) {
		if strings.HasPrefix(s.Name, "fluentbit_") { // ownMetrics has the others
			see(s)
		}
	})
}

// inFirstVersion reports whether Fluent Bit has the metric on its page of the first version.
func inFirstVersion(name string) bool {
	return strings.HasSuffix(name, "_total") || slices.Contains([]string{"fluentbit_uptime", "fluentbit_process_start_time_seconds", "fluentbit_build_info"}, name)
}

// ownMetrics are the router's accounts and what it knows of each destination. Each series is there from the start, but for what can't
// be known before: reasons of rejected input, and queues without an output.
func ownMetrics(c Config, see func(*metric.Sample)) {
	e := &metric.Emitter{See: see}
	s := c.Source.Status()
	inputMetrics(e, s.Inputs)
	accountMetrics(e, s.Outputs)
	queueMetrics(e, s.Outputs, time.Now())
	requestMetrics(e, s.Outputs)
	for _, o := range c.Source.Orphans() {
		e.Gauge("firelane_queue_without_output_records", "records in queues whose output the configuration doesn't have", float64(o.Records), "queue", o.Queue)
	}
	e.Counter("firelane_reloads_total", "configurations that have taken over since the start", float64(c.Source.Reloads()))
	e.Gauge("firelane_buffer_memory_bytes", "memory that buffers take, or that is reserved for them", float64(s.Memory))
	e.Gauge("firelane_buffer_memory_limit_bytes", "memory that buffers may take", float64(s.MemoryLimit))
	e.Gauge("firelane_build_info", "the router's version: 1, always", 1, "version", c.Version, "go_version", runtime.Version(), "os", runtime.GOOS, "arch", runtime.GOARCH)
}

func inputMetrics(e *metric.Emitter, inputs []router.InputAccount) {
	for i := range inputs {
		e.Counter("firelane_input_records_total", "records received", float64(inputs[i].Received), "input", inputs[i].Input)
	}
	for i := range inputs {
		e.Counter("firelane_input_bytes_total", "bytes of these records, as MessagePack", float64(inputs[i].Bytes), "input", inputs[i].Input)
	}
	for i := range inputs {
		e.Counter("firelane_input_unrouted_total", "records whose tag matches no output", float64(inputs[i].Unrouted), "input", inputs[i].Input)
	}
	for i := range inputs {
		e.Gauge("firelane_input_joining_records", "parts of split lines that wait for the last one", float64(inputs[i].Joining), "input", inputs[i].Input)
	}
	for i := range inputs {
		in := &inputs[i]
		for _, reason := range sortedKeys(in.Rejected) {
			e.Counter("firelane_input_rejected_total", "rejected input, such as malformed messages, by reason", float64(in.Rejected[reason]), "input", in.Input, "reason", reason)
		}
	}
}

// accountMetrics are the terms of router.Account.
func accountMetrics(e *metric.Emitter, outputs []router.OutputStatus) {
	for i := range outputs {
		a := &outputs[i].Account
		for _, f := range []struct {
			fate string
			n    int64
		}{
			{"received", a.Received}, {"added", a.Added}, {"delivered", a.Delivered}, {"filtered", a.Filtered}, {"merged", a.Merged}, {"dead_lettered", a.Dead},
		} {
			e.Counter("firelane_output_records_total", "records of an output, by what became of them", float64(f.n), "output", a.Output, "fate", f.fate)
		}
	}
	for i := range outputs {
		a := &outputs[i].Account
		for _, reason := range router.DropReasons {
			e.Counter("firelane_output_dropped_total", "records dropped, by reason", float64(a.Dropped[reason]), "output", a.Output, "reason", reason)
		}
	}
	for _, m := range []struct {
		name, help string
		of         func(*router.Account) int64
	}{
		{"buffered", "records in the queue", func(a *router.Account) int64 { return a.Buffered }},
		{"deferred", "of the records in the queue, those that the destination refuses again and again, for now", func(a *router.Account) int64 { return a.Deferred }},
		{"held", "records that a step holds until others come", func(a *router.Account) int64 { return a.Held }},
		{"unaccounted", "records that are in none of the other counts: 0, always", func(a *router.Account) int64 { return a.Unaccounted }},
	} {
		for i := range outputs {
			a := &outputs[i].Account
			e.Gauge("firelane_output_"+m.name+"_records", m.help, float64(m.of(a)), "output", a.Output)
		}
	}
}

func sortedKeys(m map[string]int64) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
