package router

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/metric"
)

// TestMetricsGoWhereMetricsAreTaken: past the filters, to outputs that take them; other records don't go to outputs of metrics alone.
func TestMetricsGoWhereMetricsAreTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, dir, `
[SERVICE]
    storage.path `+filepath.Join(dir, "q")+`
    grace 50ms
[INPUT]
    Name forward
    unix_path `+filepath.Join(dir, "s")+`
[INPUT]
    Name fluentbit_metrics
    Tag  m
    scrape_interval 1h
    scrape_on_start on
[FILTER]
    Name record_modifier
    Match *
    Record added yes
[OUTPUT]
    Name file
    Match *
    Path `+dir+`
    File out
[OUTPUT]
    Name es
    Match *
    Host 127.0.0.1
    Port 1
[OUTPUT]
    Name prometheus_remote_write
    Match *
    Host 127.0.0.1
    Port 1
`)
	for n, want := range map[int]struct{ logs, metrics bool }{0: {true, true}, 1: {true, false}, 2: {false, true}} {
		for in, wanted := range map[int]bool{0: want.logs, 1: want.metrics} {
			rt := r.routeOf(r.inputs[in], "", "m", ofInput)
			found := false
			for _, o := range rt.outputs {
				found = found || o == n
			}
			if found != wanted {
				t.Errorf("output %d takes events of input %d: got %v, want %v", n, in, found, wanted)
			}
			if filters := len(rt.filters) > 0; filters != (in == 0) {
				t.Errorf("input %d has filters: got %v", in, filters)
			}
		}
	}
}

// TestRouterCountsInFluentBitsNames: each output and input has its numbers.
func TestRouterCountsInFluentBitsNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, dir, "[SERVICE]\n    storage.path "+filepath.Join(dir, "q")+"\n[INPUT]\n    Name forward\n    unix_path "+filepath.Join(dir, "s")+"\n[OUTPUT]\n    Name null\n    Match *\n    Alias out\n")
	var names []string
	r.Metrics(func(s *metric.Sample) {
		if s.Help == "" || s.Kind != metric.Counter && s.Kind != metric.Gauge && s.Kind != metric.Histogram {
			t.Errorf("%s has no description or no type", s.Name)
		}
		name := s.Name
		for _, l := range s.Labels {
			if l.Name == "name" {
				name += " " + l.Value
			}
		}
		names = append(names, strings.TrimPrefix(name, "fluentbit_"))
	})
	want := "uptime,process_start_time_seconds,build_info,hot_reloaded_times,input_records_total forward.0,input_bytes_total forward.0," +
		"output_proc_records_total out,output_proc_bytes_total out,output_errors_total out,output_retries_total out,output_retries_failed_total out," +
		"output_retried_records_total out,output_dropped_records_total out,output_chunk_available_capacity_percent out," +
		"output_upstream_busy_connections out,firelane_output_buffered_records out,firelane_output_unaccounted_records out,output_latency_seconds," +
		"storage_chunks,storage_mem_chunks,storage_fs_chunks,storage_fs_chunks_up,storage_fs_chunks_down"
	if got := strings.Join(names, ","); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
