// Package admin serves a running router's health and counters over HTTP, at the same paths as Fluent Bit.
package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/router"
)

// A Source has the data for the pages.
type Source interface {
	Accounts() ([]router.InputAccount, []router.Account)
	// Healthy reports whether records flow and, if not, the reason.
	Healthy() (bool, string)
	// Orphans are queues without an output.
	Orphans() []router.Orphan
	// AppendMetrics appends what filters count, in Prometheus's text format.
	AppendMetrics(dst []byte) []byte
	// QueueBytes are the bytes in the queues, those in memory and those on disk.
	QueueBytes() (memory, disk int64)
	// Metrics calls see for each metric that has Fluent Bit's name.
	Metrics(see func(*metric.Sample))
}

// Limits of a request. The pages are small.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 10 * time.Second
	idleTimeout  = 30 * time.Second
	endTime      = time.Second // for the answers in progress when the server ends
	// maxHeader is the largest request header in bytes.
	maxHeader = 16 << 10
)

// Listen listens on addr (HTTP_Listen and HTTP_Port), for Serve.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	return ln, nil
}

// Config is what Serve serves.
type Config struct {
	Addr, Hosts string // HTTP_Listen and HTTP_Port; HTTP_Hosts
	Source      Source
	Reloader    Reloader
	Version     string
	Start       time.Time // of the process
}

// Serve serves the pages on ln, which it closes, until ctx ends. It answers requests whose Host is one that c.Hosts allows.
func Serve(ctx context.Context, ln net.Listener, c Config) error {
	all := pages(c.Source, c.Version, c.Start)
	reloadPage(all, c.Reloader)
	srv := &http.Server{
		Handler:     newHostCheck(c.Addr, c.Hosts, all),
		ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(&cappedListener{Listener: ln}) }()
	select {
	case err := <-done:
		return fmt.Errorf("serving on %s: %w", c.Addr, err)
	case <-ctx.Done():
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer cancel()
		if err := srv.Shutdown(last); err != nil {
			_ = srv.Close()
		}
		<-done
		return nil
	}
}

func pages(src Source, version string, start time.Time) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"firelane": map[string]string{"version": version}})
	})
	mux.HandleFunc("GET /api/v1/uptime", func(w http.ResponseWriter, _ *http.Request) {
		up := time.Since(start)
		writeJSON(w, map[string]any{"uptime_sec": int64(up.Seconds()), "uptime_hr": "firelane has been running: " + up.Round(time.Second).String()})
	})
	// ECS ends a task whose health check fails. So the page that health checks ask tells whether the router runs: it waits for the
	// state of every output, and a router that is stuck doesn't answer. Whether records flow is the other page's: a destination that is
	// away, or a record that is refused, would be no better after a restart.
	mux.HandleFunc("GET /api/v1/health", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = src.Healthy()
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /api/v1/health/delivery", func(w http.ResponseWriter, _ *http.Request) {
		ok, why := src.Healthy()
		if !ok {
			http.Error(w, "error: "+why, http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /api/v1/accounts", func(w http.ResponseWriter, _ *http.Request) {
		in, out := src.Accounts()
		writeJSON(w, map[string]any{"inputs": in, "outputs": out, "queues_without_output": src.Orphans()})
	})
	for path, timed := range map[string]bool{"/metrics": false, "/api/v1/metrics/prometheus": true, "/api/v2/metrics/prometheus": false} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			in, out := src.Accounts()
			_, _ = io.WriteString(w, metrics(in, out, src.Orphans()))
			_, _ = w.Write(src.AppendMetrics(nil))
			_, _ = w.Write(fluentBitMetrics(src, time.Now(), timed))
		})
	}
	fluentBitPages(mux, src)
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// metrics writes the accounts in Prometheus's text format.
func metrics(in []router.InputAccount, out []router.Account, orphans []router.Orphan) string {
	var b strings.Builder
	family := func(name, kind, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }

	family("firelane_input_records_total", "counter", "records received")
	for _, a := range in {
		fmt.Fprintf(&b, "firelane_input_records_total{input=%q} %d\n", a.Input, a.Received)
	}
	family("firelane_input_unrouted_total", "counter", "records whose tag matches no output")
	for _, a := range in {
		fmt.Fprintf(&b, "firelane_input_unrouted_total{input=%q} %d\n", a.Input, a.Unrouted)
	}
	family("firelane_input_rejected_total", "counter", "rejected input, such as malformed messages, by reason")
	for _, a := range in {
		for _, reason := range sortedKeys(a.Rejected) {
			fmt.Fprintf(&b, "firelane_input_rejected_total{input=%q,reason=%q} %d\n", a.Input, reason, a.Rejected[reason])
		}
	}
	family("firelane_output_records_total", "counter", "records of an output, by outcome")
	for _, a := range out {
		for _, fate := range []struct {
			name string
			n    int64
		}{
			{"received", a.Received}, {"added", a.Added}, {"delivered", a.Delivered}, {"filtered", a.Filtered}, {"merged", a.Merged},
			{"dead_lettered", a.Dead},
		} {
			fmt.Fprintf(&b, "firelane_output_records_total{output=%q,fate=%q} %d\n", a.Output, fate.name, fate.n)
		}
	}
	family("firelane_output_dropped_total", "counter", "records dropped, by reason")
	for _, a := range out {
		for _, reason := range sortedKeys(a.Dropped) {
			fmt.Fprintf(&b, "firelane_output_dropped_total{output=%q,reason=%q} %d\n", a.Output, reason, a.Dropped[reason])
		}
	}
	for _, gauge := range []struct {
		name, help string
		of         func(*router.Account) int64
	}{
		{"buffered", "records in the queue", func(a *router.Account) int64 { return a.Buffered }},
		{"deferred", "of the records in the queue, those that the destination refuses again and again, for now", func(a *router.Account) int64 { return a.Deferred }},
		{"held", "records that a step holds until others come", func(a *router.Account) int64 { return a.Held }},
		{"unaccounted", "records that are in none of the other counts: 0, always", func(a *router.Account) int64 { return a.Unaccounted }},
	} {
		family("firelane_output_"+gauge.name+"_records", "gauge", gauge.help)
		for i := range out {
			fmt.Fprintf(&b, "firelane_output_%s_records{output=%q} %d\n", gauge.name, out[i].Output, gauge.of(&out[i]))
		}
	}
	if len(orphans) > 0 {
		family("firelane_queue_without_output_records", "gauge", "records in queues whose output the configuration doesn't have")
		for _, o := range orphans {
			fmt.Fprintf(&b, "firelane_queue_without_output_records{queue=%q} %d\n", o.Queue, o.Records)
		}
	}
	family("go_goroutines", "gauge", "goroutines of the process")
	fmt.Fprintf(&b, "go_goroutines %d\n", runtime.NumGoroutine())
	return b.String()
}

// fluentBitMetrics writes the metrics that have Fluent Bit's names. Its page /api/v1 has the time in milliseconds after each value,
// by which configurations of AWS's image parse it.
func fluentBitMetrics(src Source, now time.Time, timed bool) (b []byte) {
	last := ""
	src.Metrics(func(m *metric.Sample) {
		if !strings.HasPrefix(m.Name, "fluentbit_") {
			return // the accounts have it
		}
		if m.Name != last {
			b = fmt.Appendf(b, "# HELP %s %s\n# TYPE %s %s\n", m.Name, m.Help, m.Name, m.Kind)
		}
		last = m.Name
		b = append(b, m.Name...)
		for i, l := range m.Labels {
			b = metric.AppendLabel(append(b, "{,"[min(i, 1)]), l)
		}
		if len(m.Labels) > 0 {
			b = append(b, '}')
		}
		b = append(append(b, ' '), metric.Number(m.Value)...)
		if timed {
			b = strconv.AppendInt(append(b, ' '), now.UnixMilli(), 10)
		}
		b = append(b, '\n')
	})
	return b
}

func sortedKeys(m map[string]int64) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
