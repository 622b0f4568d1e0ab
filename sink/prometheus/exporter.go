package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// Limits of the exporter.
const (
	maxSeries = 20_000    // series: metrics with their labels
	maxState  = 4 << 20   // approximate memory of the series, in bytes
	keepTime  = time.Hour // after which a series without a new sample is dropped

	pageTime    = 10 * time.Second // for reading a request, and for writing its answer
	pageIdle    = 30 * time.Second // for which an idle connection is kept
	pageHeader  = 16 << 10         // bytes of a request's headers
	maxPages    = 16               // requests that are answered at once
	maxUnread   = 8 << 20          // bytes of pages that clients have not read; a larger page is served only if it is the only one
	sendBuffer  = 32 << 10         // bytes that the kernel holds for a client that doesn't read: Linux's default is up to 4 MiB
	maxConns    = 64               // connections at once; one more is closed
	listenAgain = 5 * time.Second  // until the next attempt to listen
)

// ExporterOptions are those of prometheus_exporter.
type ExporterOptions struct {
	Host         string        `fluentbit:"host" default:"0.0.0.0" help:"address to listen on"`
	Port         int           `fluentbit:"port" default:"2021" help:"port to listen on"`
	AddLabel     []config.Pair `fluentbit:"add_label" help:"name and value of a label that every metric gets; may be repeated"`
	AddTimestamp bool          `fluentbit:"add_timestamp" default:"false" help:"add each metric's time to its line"`
	sink.OutputOptions
}

// Check reports the mistakes that binding can't find.
func (o *ExporterOptions) Check(d config.Dialect) error {
	if err := o.CheckOutput(d); err != nil {
		return err
	}
	if o.Port < 1 || o.Port > 65535 {
		return &config.OptionError{Option: "port", Reason: fmt.Sprintf("%d is not a port; want 1 to 65535", o.Port), Instead: config.NotWritten}
	}
	return checkLabels(o.AddLabel)
}

// An Exporter serves a page with the last sample of each series. A metric counts as delivered when it is on the page. The page keeps
// at most 20,000 series, about 4 MiB, and drops a series that has had no sample for an hour.
type Exporter struct {
	address string
	labels  []metric.Label
	times   bool
	log     zerolog.Logger
	now     func() time.Time

	mu       sync.Mutex
	families []*family // in the order of their first samples
	byName   map[string]*family
	size     int // approximate bytes of all series
	series   int

	server  *http.Server // nil before the first Send
	bound   net.Addr
	tried   time.Time // when the last attempt to listen failed
	closed  bool
	serving sync.WaitGroup

	answering, unread atomic.Int64 // requests, and bytes of pages that clients have not read
}

// A family is all series of one metric name.
type family struct {
	name, help string
	kind       metric.Kind
	series     map[string]*series // by the labels, as text
	order      []string
}

// A series has the lines of the last sample of a metric with its labels.
type series struct {
	lines []byte
	at    time.Time // when the sample came
}

// NewExporter makes the destination. It begins to listen with the first Send. An invalid option is an error.
func NewExporter(o *ExporterOptions, _ config.Dialect, env sink.Env) (sink.Destination, error) {
	return &Exporter{
		address: net.JoinHostPort(o.Host, strconv.Itoa(o.Port)), labels: added(o.AddLabel), times: o.AddTimestamp, log: env.Log, now: time.Now,
		byName: map[string]*family{},
	}, nil
}

// Append implements sink.Destination. An item is the metric's record, unchanged.
func (e *Exporter) Append(body []byte, r *sink.Record) ([]byte, error) {
	var s metric.Sample
	if !s.Read(r.Body) {
		return body, errNoMetric
	}
	body = record.AppendUint(body, uint64(r.Time.Sec)*1000+uint64(r.Time.Nsec)/1e6)
	return append(body, r.Body...), nil
}

// Send puts the metrics on the page. It refuses those for which there is no room.
func (e *Exporter) Send(ctx context.Context, req *sink.Request) sink.Reply {
	if err := ctx.Err(); err != nil {
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	if err := e.listen(); err != nil {
		return sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("listening on %s: %w", e.address, err)}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.expire()
	r := sink.Reply{Cause: sink.Answered}
	for i := range req.Len() {
		if !e.put(req.Item(i)) {
			r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Never, Type: "too_many_series",
				Reason: fmt.Sprintf("there is no room on the page, which has %d metrics", e.series)})
		}
	}
	return r
}

// put puts the metric of an item on the page. It returns false if there is no room.
func (e *Exporter) put(item []byte) bool {
	ms, body, err := record.Int(item)
	var s metric.Sample
	if err != nil || !s.Read(body) {
		return false // impossible: Append made it
	}
	name := cleanName(s.Name, true)
	labels := sorted(labelsOf(&s, e.labels))
	var key, lines []byte
	for _, l := range labels {
		key = append(metric.AppendLabel(key, l), ',')
	}
	s.Series(func(full string, extra metric.Label, value float64) {
		lines = append(append(lines, cleanName(full, true)...), "{"...)
		if extra.Name != "" {
			lines = append(metric.AppendLabel(lines, extra), ',')
		}
		for _, l := range labels {
			if l.Name != extra.Name {
				lines = append(metric.AppendLabel(lines, l), ',')
			}
		}
		if lines[len(lines)-1] == ',' {
			lines[len(lines)-1] = '}'
		} else {
			lines = lines[:len(lines)-1] // no labels
		}
		lines = append(append(lines, ' '), metric.Number(value)...)
		if e.times {
			lines = strconv.AppendInt(append(lines, ' '), ms, 10)
		}
		lines = append(lines, '\n')
	})
	return e.keep(name, &s, string(key), lines)
}

func (e *Exporter) keep(name string, s *metric.Sample, key string, lines []byte) bool {
	f := e.byName[name]
	if f == nil {
		f = &family{name: name, kind: s.Kind, series: map[string]*series{}}
	}
	if f.kind != s.Kind { // a new type: drop the series of the old one
		e.drop(f, func(*series) bool { return true })
		f.kind = s.Kind
	}
	one := f.series[key]
	cost := len(lines)
	if one == nil {
		cost += seriesCost(key)
	} else {
		cost -= len(one.lines)
	}
	if e.size+cost > maxState || one == nil && e.series >= maxSeries {
		return false
	}
	if e.byName[name] == nil {
		e.byName[name] = f
		e.families = append(e.families, f)
	}
	if one == nil {
		one = &series{}
		f.series[key], f.order = one, append(f.order, key)
		e.series++
	}
	e.size += cost
	one.lines, one.at = lines, e.now()
	if s.Help != "" {
		f.help = s.Help
	}
	return true
}

// expire drops series that have had no sample for keepTime.
func (e *Exporter) expire() {
	before := e.now().Add(-keepTime)
	for _, f := range e.families {
		e.drop(f, func(one *series) bool { return !one.at.After(before) })
	}
	e.families = slices.DeleteFunc(e.families, func(f *family) bool {
		if len(f.order) == 0 {
			delete(e.byName, f.name)
		}
		return len(f.order) == 0
	})
}

// drop drops the series of a family for which old returns true.
func (e *Exporter) drop(f *family, old func(*series) bool) {
	f.order = slices.DeleteFunc(f.order, func(key string) bool {
		one := f.series[key]
		if !old(one) {
			return false
		}
		delete(f.series, key)
		e.size -= len(one.lines) + seriesCost(key)
		e.series--
		return true
	})
}

// seriesCost returns the approximate overhead of a series besides its lines, in bytes.
func seriesCost(key string) int { return 2*len(key) + 200 }

// page returns all series in Prometheus's text format.
func (e *Exporter) page() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b []byte
	for _, f := range e.families {
		if f.help != "" {
			b = append(append(append(b, "# HELP "...), f.name...), ' ')
			for _, c := range []byte(f.help) {
				switch c {
				case '\\':
					b = append(b, `\\`...)
				case '\n':
					b = append(b, `\n`...)
				default:
					b = append(b, c)
				}
			}
			b = append(b, '\n')
		}
		b = append(append(append(append(append(b, "# TYPE "...), f.name...), ' '), f.kind...), '\n')
		for _, key := range f.order {
			b = append(b, f.series[key].lines...)
		}
	}
	return b
}

var errClosed = errors.New("the output is closed")

// listen begins to serve the page, unless it is served already. It tries at most once in listenAgain.
func (e *Exporter) listen() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return errClosed
	case e.server != nil:
		return nil
	case e.now().Sub(e.tried) < listenAgain:
		return fmt.Errorf("the last attempt failed; the next one is %v after it", listenAgain)
	}
	ln, err := net.Listen("tcp", e.address)
	if err != nil {
		e.tried = e.now()
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", e.answer)
	e.bound = ln.Addr()
	e.server = &http.Server{Handler: mux, ReadTimeout: pageTime, WriteTimeout: pageTime, IdleTimeout: pageIdle, MaxHeaderBytes: pageHeader}
	server := e.server
	e.serving.Go(func() {
		if err := server.Serve(&fewConns{Listener: ln, used: make(chan struct{}, maxConns)}); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error().Err(err).Msg("the metrics page isn't served any more: restart the router to serve it again")
		}
	})
	return nil
}

// answer answers a request of the page.
func (e *Exporter) answer(w http.ResponseWriter, _ *http.Request) {
	defer e.answering.Add(-1)
	if e.answering.Add(1) > maxPages {
		http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
		return
	}
	page := e.page()
	size := int64(len(page))
	defer e.unread.Add(-size)
	if n := e.unread.Add(size); n > maxUnread && n > size {
		http.Error(w, "too many clients do not read the page", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = w.Write(page)
}

// Limits implements sink.Destination.
func (e *Exporter) Limits() sink.Limits { return sink.Limits{Workers: 1, MaxItems: maxItems} }

// TakesMetrics implements sink.MetricTaker.
func (e *Exporter) TakesMetrics() (metrics, others bool) { return true, false }

// Close stops serving the page.
func (e *Exporter) Close() error {
	e.mu.Lock()
	e.closed = true
	server := e.server
	e.server = nil
	e.mu.Unlock()
	if server == nil {
		return nil
	}
	err := server.Close()
	e.serving.Wait()
	return err
}
