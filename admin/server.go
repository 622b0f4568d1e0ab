// Package admin serves a running router's health and counters over HTTP, at the same paths as Fluent Bit.
package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/router"
)

// A Source has the data for the pages.
type Source interface {
	Status() router.Status
	Accounts() ([]router.InputAccount, []router.Account)
	// Healthy reports whether records flow and, if not, the reason.
	Healthy() (bool, string)
	// Orphans are queues without an output.
	Orphans() []router.Orphan
	// Reloads returns how many configurations have taken over since the start.
	Reloads() int64
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
	Records     string // http_records
	Source      Source
	Watched     Watched // what the status page shows
	Reloader    Reloader
	Version     string
	Start       time.Time // of the process
}

// Serve serves the pages on ln, which it closes, until ctx ends. It answers requests whose Host is one that c.Hosts allows.
func Serve(ctx context.Context, ln net.Listener, c Config) error {
	srv := &http.Server{
		Handler:     c.handler(),
		ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return ctx }, // a live tail ends with the server
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

// handler answers all requests.
func (c *Config) handler() http.Handler {
	records, src := showsRecords(c.Addr, c.Records), c.Source
	if !records {
		src = withoutRecords{src}
	}
	all := pages(src, c.Version, c.Start)
	reloadPage(all, c.Reloader)
	watchPages(all, &watch{*c, records})
	return newHostCheck(c.Addr, c.Hosts, all)
}

func pages(src Source, version string, start time.Time) *http.ServeMux {
	mux := http.NewServeMux()
	rootPage(mux, version)
	mux.HandleFunc("GET /api/v1/uptime", func(w http.ResponseWriter, _ *http.Request) {
		up := time.Since(start)
		writeJSON(w, map[string]any{"uptime_sec": int64(up.Seconds()), "uptime_hr": "firelane has been running: " + up.Round(time.Second).String()})
	})
	// ECS ends a task whose health check fails. So the page that health checks ask says whether the router runs: it waits for the
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
		writeJSON(w, map[string]any{"inputs": in, "filters": src.Status().Filters, "outputs": out, "queues_without_output": src.Orphans()})
	})
	metricPages(mux, Config{Source: src, Version: version, Start: start})
	fluentBitPages(mux, src)
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
