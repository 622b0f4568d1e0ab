package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/firelane/firelane/sink/prometheus/prometheustest"
)

// Pages are a load of metrics: a page in Prometheus's text format, which the router's input prometheus_scrape reads. Each reading has
// the next samples, one for each series, with the time of the reading; a sample's value is its number.
type pages struct {
	records int
	ln      net.Listener
	http    *http.Server
	all     chan struct{} // closed when all samples have been read
	ended   sync.Once     // closes it

	mu   sync.Mutex
	next int   // number of the next sample
	last int64 // time of the last reading, ms
	held bool  // nothing is given: the router is about to be stopped
	gave int   // samples given to this process of the router
}

const (
	// pageSeries is the number of series: more than a request's 2,000 metrics, so that a request has no series twice, as where a
	// server is scraped once a minute. The server would refuse the second copy of a request that has one twice
	// (docs/destinations/prometheus.md).
	pageSeries = 2500
	pageEvery  = 125 * time.Millisecond // pageSeries samples: 20,000/s
	pageTime   = time.Minute            // for the router to count what it has read
	pageQueued = 100 * time.Millisecond // and then for it to queue that
)

// newPages serves a load.
func newPages(records int) (*pages, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &pages{records: records, ln: ln, all: make(chan struct{})}
	p.http = &http.Server{Handler: p, ReadHeaderTimeout: pageTime}
	go p.http.Serve(ln) //nolint:errcheck // it ends with close
	return p, nil
}

func (p *pages) close() { p.http.Close() }

// input is the input that reads them.
func (p *pages) input() string {
	return fmt.Sprintf("[INPUT]\n    Name prometheus_scrape\n    Tag app-metrics\n    Host 127.0.0.1\n    Port %d\n    Scrape_Interval %v\n",
		p.ln.Addr().(*net.TCPAddr).Port, pageEvery)
}

// ServeHTTP implements http.Handler.
func (p *pages) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held {
		http.Error(w, "held", http.StatusServiceUnavailable)
		return
	}
	p.last = max(p.last+1, time.Now().UnixMilli())
	text := []byte("# TYPE bench gauge\n")
	for range min(pageSeries, p.records-p.next) {
		text = fmt.Appendf(text, "bench{series=\"%d\"} %d %d\n", p.next%pageSeries, p.next, p.last)
		p.next++
		p.gave++
	}
	_, _ = w.Write(text) // a reading that breaks is missing in what the router has received
	if p.next == p.records {
		p.ended.Do(func() { close(p.all) })
	}
}

// run returns when all samples have been read.
func (p *pages) run(ctx context.Context) error {
	select {
	case <-p.all:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hold gives no more samples, and waits until the router has queued all that it was given: what it has read when it is stopped, and
// not queued, was never accepted.
func (p *pages) hold(w *watcher) error {
	p.mu.Lock()
	p.held = true
	gave := p.gave
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), pageTime)
	defer cancel()
	for ctx.Err() == nil {
		s, err := w.read(ctx)
		sleep(ctx, pageQueued)
		if err == nil && s.received == gave {
			return nil
		}
	}
	return fmt.Errorf("the router has not received %d samples that it read", gave)
}

// release gives samples to a new process of the router.
func (p *pages) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held, p.gave = false, 0
}

// takeMetrics takes the samples of a request that aren't there yet, as Prometheus does, and refuses the whole request because of one
// that is out of order or that has the time of another one.
func takeMetrics(s *store, _ *http.Request, body []byte) ([]byte, int, string) {
	fresh, err := s.metrics().Store(body)
	if err != nil {
		return nil, http.StatusBadRequest, err.Error()
	}
	text := []byte{} // not nil: it is a request with records
	for _, samples := range fresh {
		for _, sample := range samples {
			text = append(appendPadded(append(text, "n="...), int64(sample.Value)), " t="...)
			text = append(appendPadded(text, sample.At*1000), ' ')
		}
	}
	return text, http.StatusNoContent, ""
}

// metrics are the series of remote write.
func (s *store) metrics() *prometheustest.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.series == nil {
		s.series = prometheustest.New(prometheustest.Options{})
	}
	return s.series
}

// remoteWrite is the service of metrics.
func remoteWrite() *service {
	return &service{name: "prometheus_remote_write", address: hostPort, take: takeMetrics, once: true, metrics: true,
		options: map[string]string{"Name": "prometheus_remote_write", "uri": "/api/v1/write"}}
}
