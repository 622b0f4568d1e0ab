package admin

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/firelane/firelane/metric"
)

// processMetrics are those that Prometheus's clients in Go have, with their names. What the system doesn't tell is left out.
func processMetrics(c Config, see func(*metric.Sample)) {
	e := &metric.Emitter{See: see}
	e.Gauge("process_start_time_seconds", "when the process was started, as Unix time", float64(c.Start.UnixMilli())/1000)
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) == nil {
		e.Counter("process_cpu_seconds_total", "CPU time of the process, in user and system mode", seconds(used.Utime)+seconds(used.Stime))
	}
	if n, ok := residentBytes(); ok {
		e.Gauge("process_resident_memory_bytes", "memory of the process", n)
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		e.Gauge("process_open_fds", "open file descriptors", float64(len(fds)-1)) // without that of the folder
	}
	e.Gauge("go_goroutines", "goroutines of the process", float64(runtime.NumGoroutine()))
	var heap runtime.MemStats // package runtime/metrics costs each start more than this costs each look
	runtime.ReadMemStats(&heap)
	e.Gauge("go_memstats_heap_alloc_bytes", "memory of objects on the heap, also those that are not in use any more", float64(heap.HeapAlloc))
	e.Gauge("go_gc_gomemlimit_bytes", "the heap's limit: near it garbage is collected more often", float64(debug.SetMemoryLimit(-1)))
}

func seconds(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }

// residentBytes returns the memory of the process; false where there is no /proc.
func residentBytes() (float64, bool) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	f := bytes.Fields(text)
	if len(f) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(string(f[1]), 10, 64)
	return float64(pages) * float64(os.Getpagesize()), err == nil
}
