package prometheus

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/freeport"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

func exporter(t testing.TB, text string) *Exporter {
	t.Helper()
	d, err := NewExporter(sinktest.Options[ExporterOptions](t, config.FluentBit, text), config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	e := d.(*Exporter)
	e.address = "127.0.0.1:0"
	return e
}

func TestExporterKeepsTheContract(t *testing.T) {
	sinktest.Run(t, sinktest.Case{New: func(t *testing.T) sink.Destination { return asMetrics{exporter(t, "add_label a b")} }})
}

// read reads the page of an exporter that has sent something.
func read(t *testing.T, e *Exporter) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + e.bound.String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("got %s, %v and %v", resp.Status, resp.Header, err)
	}
	return string(text)
}

func send(t testing.TB, e *Exporter, records ...*sink.Record) sink.Reply {
	t.Helper()
	return e.Send(t.Context(), encode(t, e, records...))
}

// TestPage: the page has the last sample of each metric, and metric.Parse finds no bad line in it.
func TestPage(t *testing.T) {
	e := exporter(t, "add_label app my-app\nadd_timestamp on")
	defer e.Close()
	if r := send(t, e,
		event(1, metric.Sample{Name: "c_total", Kind: metric.Counter, Help: "a \\ \n help", Value: 1, Labels: []metric.Label{{Name: "x", Value: "say \"x\"\n"}}}),
		gauge(1, "g", -1.5), event(1, metric.Sample{Name: "h", Kind: metric.Histogram, Points: []metric.Point{{At: 0.1, Value: 3}}, Sum: 2, Count: 9}),
		event(2, metric.Sample{Name: "c_total", Kind: metric.Counter, Value: 2, Labels: []metric.Label{{Name: "x", Value: "say \"x\"\n"}}}),
	); r.Verdict != sink.Done || r.Err != nil || len(r.Items) != 0 {
		t.Fatalf("got %+v", r)
	}
	got := read(t, e)
	const want = `# HELP c_total a \\ \n help
# TYPE c_total counter
c_total{app="my-app",x="say \"x\"\n"} 2 2005
# TYPE g gauge
g{app="my-app"} -1.5 1005
# TYPE h histogram
h_bucket{le="0.1",app="my-app"} 3 1005
h_bucket{le="+Inf",app="my-app"} 9 1005
h_sum{app="my-app"} 2 1005
h_count{app="my-app"} 9 1005
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if bad, err := metric.Parse([]byte(got), func(*metric.Sample, record.Time, bool) {}); bad != 0 || err != nil {
		t.Errorf("the page has %d bad lines, %v", bad, err)
	}
}

func TestMetricsWithoutLabels(t *testing.T) {
	e := exporter(t, "")
	defer e.Close()
	send(t, e, gauge(1, "a", 1))
	if got, want := read(t, e), "# TYPE a gauge\na 1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPageIsBounded: a series for which there is no room is refused with a reason; an hour without samples makes room.
func TestPageIsBounded(t *testing.T) {
	e := exporter(t, "")
	defer e.Close()
	now := time.Now()
	e.now = func() time.Time { return now }
	var records []*sink.Record
	for i := range 5 {
		records = append(records, gauge(1, "g", 1, metric.Label{Name: "n", Value: strings.Repeat("v", 1<<19) + fmt.Sprint(i)}))
	}
	r := send(t, e, records...)
	if len(r.Items) == 0 || r.Items[0].Verdict != sink.Never || e.size > maxState {
		t.Errorf("got %d refused and %d bytes, want at most %d bytes", len(r.Items), e.size, maxState)
	}
	now = now.Add(keepTime + time.Second)
	if r := send(t, e, gauge(1, "new", 1)); len(r.Items) != 0 || e.series != 1 || len(e.families) != 1 {
		t.Errorf("got %+v, %d series, want that only the new one is left", r, e.series)
	}
	if got := read(t, e); got != "# TYPE new gauge\nnew 1\n" {
		t.Errorf("got %q", got)
	}
}

// TestAddressThatIsTakenIsTriedAgain: until then metrics wait.
func TestAddressThatIsTakenIsTriedAgain(t *testing.T) {
	ln, err := freeport.Listener()
	if err != nil {
		t.Fatal(err)
	}
	e := exporter(t, "")
	defer e.Close()
	now := time.Now()
	e.address, e.now = ln.Addr().String(), func() time.Time { return now }
	for range 2 {
		if r := send(t, e, gauge(1, "a", 1)); r.Verdict != sink.Again || r.Err == nil {
			t.Errorf("got %+v, want again", r)
		}
	}
	ln.Close()
	now = now.Add(listenAgain)
	if r := send(t, e, gauge(1, "a", 1)); r.Verdict != sink.Done {
		t.Errorf("got %+v, want done", r)
	}
}

func TestPagesThatNobodyReadsAreBounded(t *testing.T) {
	e := exporter(t, "")
	defer e.Close()
	const value = 1 << 19
	var records []*sink.Record
	for i := range 2 {
		records = append(records, gauge(1, "g", 1, metric.Label{Name: "n", Value: strings.Repeat("v", value) + fmt.Sprint(i)}))
	}
	send(t, e, records...)
	answered := 0
	for range maxPages - 1 {
		c, err := net.Dial("tcp", e.bound.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		status := make([]byte, len("HTTP/1.1 200"))
		if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, status); err != nil {
			t.Fatal(err)
		}
		if string(status) == "HTTP/1.1 200" {
			answered++
		}
	}
	if got := answered * 2 * value; got > maxUnread || answered == 0 {
		t.Errorf("got %d pages of %d bytes, want at most %d bytes", answered, 2*value, maxUnread)
	}
}

// TestConnectionsAreBounded: a connection beyond the limit is closed; when another one ends there is room again.
func TestConnectionsAreBounded(t *testing.T) {
	e := exporter(t, "")
	defer e.Close()
	send(t, e, gauge(1, "a", 1))
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range maxConns + 1 {
		c, err := net.Dial("tcp", e.bound.String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	last := conns[maxConns]
	if err := last.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := last.Read(make([]byte, 1)); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want that the connection is closed", err)
	}
	for _, c := range conns {
		c.Close()
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // the server needs a while to notice
		resp, err := http.Get("http://" + e.bound.String() + "/metrics")
		if err == nil {
			resp.Body.Close()
			http.DefaultClient.CloseIdleConnections()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("there is no room after all connections ended:", err)
		}
	}
}
