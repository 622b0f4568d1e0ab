package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

const (
	scrapeEvery   = 200 * time.Millisecond
	scrapeTimeout = 5 * time.Second
	// settleTimeout is how long the last records may take from their arrival at the destination until the accounts have them: the
	// replies to the last requests may be lost, and the requests made again.
	settleTimeout = 45 * time.Second
	maxPage       = 4 << 20
	maxWrong      = 5 // problems that are reported
)

// A scrape is what /metrics said at one moment.
type scrape struct {
	received, unrouted int // of all inputs
	reloads            int
	outputs            []string // in the order of the page
	accounts           map[string]*account
}

// A watcher reads /metrics of firelane throughout a row, and checks each time that the accounts add up and agree with what has
// arrived at the destination.
type watcher struct {
	url  string
	dest *destination

	mu       sync.Mutex
	scrapes  int
	problems []string
}

// newWatcher makes a watcher of a router whose HTTP server has this port.
func newWatcher(port int, d *destination) *watcher {
	return &watcher{url: fmt.Sprintf("http://127.0.0.1:%d/metrics", port), dest: d}
}

// read reads the page. The error is one of the connection, such as when the router is not running.
func (w *watcher) read(ctx context.Context) (*scrape, error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return nil, err
	}
	s := &scrape{accounts: map[string]*account{}}
	bad, err := metric.Parse(page, func(m *metric.Sample, _ record.Time, _ bool) { s.add(m) })
	if bad > 0 || err != nil || resp.StatusCode != http.StatusOK {
		w.wrong("status %d, %d bad lines, %v", resp.StatusCode, bad, err)
	}
	return s, nil
}

func (s *scrape) add(m *metric.Sample) {
	n, label := int(m.Value), map[string]string{}
	for _, l := range m.Labels {
		label[l.Name] = l.Value
	}
	switch m.Name {
	case "firelane_input_records_total":
		s.received += n
	case "firelane_input_unrouted_total":
		s.unrouted += n
	case "firelane_reloads_total":
		s.reloads = n
	}
	name, ok := strings.CutPrefix(m.Name, "firelane_output_")
	if !ok {
		return
	}
	a := s.accounts[label["output"]]
	if a == nil {
		a = &account{Dropped: map[string]int{}}
		s.accounts[label["output"]] = a
		s.outputs = append(s.outputs, label["output"])
	}
	switch name {
	case "records_total":
		*map[string]*int{"received": &a.Received, "added": &a.Added, "delivered": &a.Delivered, "filtered": &a.Filtered, "merged": &a.Merged, "dead_lettered": &a.Dead}[label["fate"]] = n
	case "dropped_total":
		if n > 0 {
			a.Dropped[label["reason"]] = n
		}
	case "buffered_records":
		a.Buffered = n
	case "held_records":
		a.Held = n
	case "unaccounted_records":
		a.Unaccounted = n
	}
}

func (w *watcher) wrong(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.problems) < maxWrong {
		w.problems = append(w.problems, "/metrics: "+fmt.Sprintf(format, args...))
	}
}

// run reads the page until ctx ends.
func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		if s, err := w.read(ctx); err == nil {
			w.check(s)
		}
		sleep(ctx, scrapeEvery)
	}
}

// check checks one scrape. Nothing is delivered before it is at the destination, so that has at least as many records, and no process
// delivers one twice, unless a reload makes it count some again.
func (w *watcher) check(s *scrape) {
	w.mu.Lock()
	w.scrapes++
	w.mu.Unlock()
	if len(s.outputs) == 0 {
		w.wrong("it has no outputs")
		return
	}
	for id, a := range s.accounts {
		if a.Unaccounted != 0 || a.sum() != a.Received {
			w.wrong("the account of %s doesn't add up: %+v", id, *a)
		}
	}
	first := s.accounts[s.outputs[0]]
	if svc := w.dest.service; svc != nil && (svc.silent || svc.cluster != nil) {
		return // the service's host has records before they are counted
	}
	if there := w.dest.distinct(); s.reloads == 0 && first.Delivered > there {
		w.wrong("%d records delivered, while %d are at the destination", first.Delivered, there)
	}
}

// last returns the last scrape before the router is stopped, when the first output has delivered everything, and nothing has changed since
// the one before: a process that has just started counts what it recovers a little later.
func (w *watcher) last(ctx context.Context) *scrape {
	before := ""
	for begin := time.Now(); ctx.Err() == nil; sleep(ctx, scrapeEvery) {
		s, err := w.read(ctx)
		if err != nil {
			w.wrong("the last one: %v", err)
			return nil
		}
		w.check(s)
		now := s.String()
		if len(s.outputs) == 0 || s.accounts[s.outputs[0]].Buffered == 0 && now == before || time.Since(begin) > settleTimeout {
			return s
		}
		before = now
	}
	return nil
}

func (s *scrape) String() string {
	text := fmt.Sprint(s.received, s.unrouted)
	for _, id := range s.outputs {
		text += fmt.Sprint(" ", id, *s.accounts[id])
	}
	return text
}

// compare compares the last scrape with the accounts that the router logged at its end, of the outputs that had nothing left.
func (s *scrape) compare(l *processLog) (problems []string) {
	wrong := func(format string, args ...any) {
		problems = append(problems, "/metrics before the stop: "+fmt.Sprintf(format, args...))
	}
	if s.received != l.taken || s.unrouted != l.unrouted {
		wrong("%d received and %d unrouted; the log has %d and %d", s.received, s.unrouted, l.taken, l.unrouted)
	}
	compared := 0
	for n, id := range s.outputs {
		a := s.accounts[id]
		if n >= len(l.outputs) || a.Buffered > 0 {
			continue
		}
		logged := l.outputs[n]
		same := maps.Equal(a.Dropped, logged.Dropped)
		was, is := *a, logged
		was.Dropped, is.Dropped = nil, nil
		if !same || fmt.Sprint(was) != fmt.Sprint(is) {
			wrong("%s: %+v; the log has %+v", id, *a, logged)
		}
		compared++
	}
	if compared == 0 {
		wrong("each of %d outputs still had buffered records", len(s.outputs))
	}
	return problems
}
