package prometheus

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/prometheus/prometheustest"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func listen(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	host, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	return fmt.Sprintf("host %s\nport %s\nuri /api/v1/write\n", host, port)
}

func open(t testing.TB, text string) *Destination {
	t.Helper()
	d, err := New(sinktest.Options[Options](t, config.FluentBit, text), config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return d.(*Destination)
}

// asMetrics passes the records of the contract's tests to a destination of metrics: as gauges, with their fields as labels.
type asMetrics struct{ sink.Destination }

func (d asMetrics) Append(body []byte, r *sink.Record) ([]byte, error) {
	m := *r
	s := metric.Sample{Name: "test", Kind: metric.Gauge, Value: float64(r.ID.Pos)}
	for f := record.FieldsOf(r.Whole()); f.Next(); {
		text, _ := record.Text(f.Value())
		s.Labels = append(s.Labels, metric.Label{Name: string(f.Key()), Value: string(text)})
	}
	s.Labels = append(s.Labels, metric.Label{Name: "pos", Value: fmt.Sprint(r.ID.Pos)})
	m.Body = s.Append(nil)
	return d.Destination.Append(body, &m)
}

func TestContract(t *testing.T) {
	sinktest.Run(t, sinktest.Case{
		New: func(t *testing.T) sink.Destination {
			return asMetrics{open(t, listen(t, prometheustest.New(prometheustest.Options{}))+"add_label app web")}
		},
		Broken: func(t *testing.T) sink.Destination {
			stop := make(chan struct{})
			where := listen(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-stop:
				case <-r.Context().Done():
				}
			}))
			t.Cleanup(func() { close(stop) })
			return asMetrics{open(t, where)}
		},
	})
}

// event is a metric at a time in seconds.
func event(second uint32, s metric.Sample) *sink.Record {
	return &sink.Record{Event: record.Event{Tag: "m", Time: record.Time{Sec: second, Nsec: 5e6}, Body: s.Append(nil)}}
}

func gauge(second uint32, name string, value float64, labels ...metric.Label) *sink.Record {
	return event(second, metric.Sample{Name: name, Kind: metric.Gauge, Value: value, Labels: labels})
}

func encode(t testing.TB, d sink.Destination, records ...*sink.Record) *sink.Request {
	t.Helper()
	req, err := sinktest.Encode(d, records...)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestMetricsBecomeSeries(t *testing.T) {
	s := prometheustest.New(prometheustest.Options{User: "u", Pass: "p"})
	d := open(t, listen(t, s)+"add_label app my-app\nadd_label z \nhttp_user u\nhttp_passwd p\nheader X-Scope-OrgID 7")
	defer d.Close()
	req := encode(t, d,
		gauge(1, "node_load1", 0.5, metric.Label{Name: "zone", Value: "b"}, metric.Label{Name: "app", Value: "own"}, metric.Label{Name: "none"}),
		gauge(2, "node_load1", 0.75, metric.Label{Name: "zone", Value: "b"}),
		gauge(2, "Mem.total é", 1, metric.Label{Name: "0b:c", Value: "\xff"}, metric.Label{Name: "zone", Value: "a"}, metric.Label{Name: "zone", Value: "b"}),
		event(3, metric.Sample{Name: "h", Kind: metric.Histogram, Labels: []metric.Label{{Name: "le", Value: "own"}}, Points: []metric.Point{{At: 0.1, Value: 3}, {At: math.Inf(1), Value: 9}}, Sum: 2.5, Count: 9}),
		event(3, metric.Sample{Name: "s", Kind: metric.Summary, Points: []metric.Point{{At: 0.5, Value: 0.25}}, Sum: 2.5, Count: 9}),
	)
	if r := d.Send(t.Context(), req); r.Err != nil || r.Verdict != sink.Done {
		t.Fatalf("got %+v", r)
	}
	want := map[string][]prometheustest.Sample{
		`node_load1{app="my-app",zone="b"}`:           {{Value: 0.5, At: 1005}, {Value: 0.75, At: 2005}},
		`Mem_total__{_b_c="�",app="my-app",zone="a"}`: {{Value: 1, At: 2005}},
		`h_bucket{app="my-app",le="0.1"}`:             {{Value: 3, At: 3005}},
		`h_bucket{app="my-app",le="+Inf"}`:            {{Value: 9, At: 3005}},
		`h_sum{app="my-app",le="own"}`:                {{Value: 2.5, At: 3005}},
		`h_count{app="my-app",le="own"}`:              {{Value: 9, At: 3005}},
		`s{app="my-app",quantile="0.5"}`:              {{Value: 0.25, At: 3005}},
		`s_sum{app="my-app"}`:                         {{Value: 2.5, At: 3005}},
		`s_count{app="my-app"}`:                       {{Value: 9, At: 3005}},
	}
	if got := s.Series(); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		items  int
		header http.Header
		check  func(r sink.Reply) bool
	}{
		"429": {429, 1, http.Header{"Retry-After": {"7"}}, func(r sink.Reply) bool {
			return r.Verdict == sink.Again && r.Cause == sink.Throttled && r.RetryAfter == 7*time.Second
		}},
		"500": {500, 1, nil, func(r sink.Reply) bool {
			return r.Verdict == sink.Again && r.Cause == sink.Answered && len(r.Items) == 0 && r.Split == sink.No
		}},
		"503": {503, 1, nil, func(r sink.Reply) bool { return r.Verdict == sink.Again && r.Cause == sink.Throttled }},
		"401": {401, 1, nil, func(r sink.Reply) bool { return r.Verdict == sink.Again && r.Cause == sink.Unauthorised }},
		"404": {404, 2, nil, func(r sink.Reply) bool { return r.Verdict == sink.Again && r.Split == sink.No && len(r.Items) == 0 }},
		"405": {405, 2, nil, func(r sink.Reply) bool { return r.Verdict == sink.Again && r.Split == sink.No && len(r.Items) == 0 }},
		"407": {407, 2, nil, func(r sink.Reply) bool {
			return r.Verdict == sink.Again && r.Cause == sink.Unauthorised && len(r.Items) == 0
		}},
		"408": {408, 2, http.Header{"Retry-After": {"7"}}, func(r sink.Reply) bool {
			return r.Verdict == sink.Again && r.Cause == sink.Throttled && len(r.Items) == 0 && r.RetryAfter == 7*time.Second
		}},
		"415": {415, 2, nil, func(r sink.Reply) bool { return r.Verdict == sink.Again && r.Split == sink.No && len(r.Items) == 0 }},
		"413": {413, 2, nil, func(r sink.Reply) bool { return r.Split == sink.BySize }},
		"400 for one": {400, 1, nil, func(r sink.Reply) bool {
			return len(r.Items) == 1 && r.Items[0].Verdict == sink.Never && r.Items[0].Reason != ""
		}},
		"400 for two": {400, 2, nil, func(r sink.Reply) bool {
			return r.Split == sink.No && len(r.Items) == 2 && r.Items[1].Verdict == sink.Never
		}},
		"422 for one":    {422, 1, nil, func(r sink.Reply) bool { return len(r.Items) == 1 && r.Items[0].Verdict == sink.Never }},
		"a proxy's page": {400, 1, http.Header{"Content-Type": {"text/html"}}, func(r sink.Reply) bool { return r.Verdict == sink.Again && len(r.Items) == 0 && r.Split == sink.No }},
		"a redirect":     {302, 2, nil, func(r sink.Reply) bool { return r.Verdict == sink.Again && len(r.Items) == 0 && r.Split == sink.No }},
	} {
		s := prometheustest.New(prometheustest.Options{Fault: func(int, *http.Request) (int, http.Header) { return c.status, c.header }})
		d := open(t, listen(t, s))
		var records []*sink.Record
		for i := range c.items {
			records = append(records, gauge(1, fmt.Sprint("m", i), 1))
		}
		if r := d.Send(t.Context(), encode(t, d, records...)); !c.check(r) || r.Err == nil && r.Verdict != sink.Done {
			t.Errorf("%s: got %+v", name, r)
		}
		d.Close()
	}
}

// TestOutOfOrderSampleCostsNoOther: only the out-of-order sample is lost, although the server stores a whole request or nothing of it.
// A sample that is sent twice is stored once.
func TestOutOfOrderSampleCostsNoOther(t *testing.T) {
	s := prometheustest.New(prometheustest.Options{})
	d := open(t, listen(t, s))
	defer d.Close()
	a, b, old := gauge(5, "a", 1), gauge(5, "b", 1), gauge(4, "b", 2)
	if r := d.Send(t.Context(), encode(t, d, b)); r.Err != nil {
		t.Fatal(r.Err)
	}
	r := d.Send(t.Context(), encode(t, d, a, b, old, gauge(6, "a", 2), gauge(6, "b", 2), gauge(7, "b", 3)))
	if r.Verdict != sink.Done || len(r.Items) != 1 || r.Items[0].Index != 2 || r.Items[0].Verdict != sink.Never || !strings.Contains(r.Items[0].Reason, "out of order") {
		t.Errorf("got %+v, want never for the old one, with the server's reason", r)
	}
	want := map[string][]prometheustest.Sample{"a": {{Value: 1, At: 5005}, {Value: 2, At: 6005}}, "b": {{Value: 1, At: 5005}, {Value: 2, At: 6005}, {Value: 3, At: 7005}}}
	if got := s.Series(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestARepeatedRequest: after a lost reply, a request of one sample a series is stored already, and is done. Where a series has several,
// Prometheus refuses all but its last one as out of order: they go to the dead letter, though the server has them.
func TestARepeatedRequest(t *testing.T) {
	s := prometheustest.New(prometheustest.Options{})
	d := open(t, listen(t, s))
	defer d.Close()
	want := map[string][]prometheustest.Sample{"a": {{Value: 1, At: 5005}, {Value: 2, At: 6005}}, "b": {{Value: 1, At: 5005}}, "c": {{Value: 1, At: 5005}}}
	for _, c := range []struct {
		req *sink.Request
		old []int // items that are refused the second time
	}{
		{encode(t, d, gauge(5, "b", 1), gauge(5, "c", 1)), nil},
		{encode(t, d, gauge(5, "a", 1), gauge(6, "a", 2)), []int{0}},
	} {
		for n := range 2 {
			r := d.Send(t.Context(), c.req)
			var old []int
			for _, i := range r.Items {
				if old = append(old, i.Index); i.Verdict != sink.Never || !strings.Contains(i.Reason, "out of order") {
					t.Errorf("got %+v, want never, and why", i)
				}
			}
			if r.Verdict != sink.Done || n == 0 && old != nil || n == 1 && !reflect.DeepEqual(old, c.old) {
				t.Errorf("time %d: got %+v, want the items %v refused the second time", n+1, r, c.old)
			}
		}
	}
	if got := s.Series(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestFailureBetweenPieces: items that were stored or refused before the failure are not sent again.
func TestFailureBetweenPieces(t *testing.T) {
	s := prometheustest.New(prometheustest.Options{
		Refuse: func(series string) string {
			if series == "bad" {
				return "bad series"
			}
			return ""
		},
		Fault: func(n int, _ *http.Request) (int, http.Header) {
			if n > 4 { // all four, the first two, the first, the second
				return http.StatusInternalServerError, nil
			}
			return 0, nil
		},
	})
	d := open(t, listen(t, s))
	defer d.Close()
	r := d.Send(t.Context(), encode(t, d, gauge(5, "a", 1), gauge(5, "bad", 1), gauge(5, "c", 1), gauge(5, "d", 1)))
	if r.Verdict != sink.Again || r.Status != 500 || len(r.Items) != 2 || r.Items[0].Verdict != sink.Done || r.Items[1].Verdict != sink.Never || r.Err == nil {
		t.Errorf("got %+v, want again, but the first done and the second never", r)
	}
}

// TestManyRefusedMetricsAreSentInSeveralRequests: one attempt makes a limited number of calls, and each has an outcome.
func TestManyRefusedMetricsAreSentInSeveralRequests(t *testing.T) {
	s := prometheustest.New(prometheustest.Options{Refuse: func(string) string { return "bad" }})
	d := open(t, listen(t, s))
	defer d.Close()
	var records []*sink.Record
	for i := range 200 {
		records = append(records, gauge(1, fmt.Sprint("m", i), 1))
	}
	r := d.Send(t.Context(), encode(t, d, records...))
	if s.Requests() != maxCalls || r.Verdict != sink.Again || len(r.Items) == 0 || r.Items[0].Verdict != sink.Never || r.Err == nil {
		t.Errorf("got %d calls, %v and %d items, want %d calls and items that are never", s.Requests(), r.Verdict, len(r.Items), maxCalls)
	}
	if !r.Unjudged {
		t.Errorf("got %+v, in which metrics that nobody has judged count as refused", r)
	}
}

func TestOtherRecordsAreRefused(t *testing.T) {
	d := open(t, "host h")
	defer d.Close()
	if _, err := sinktest.Encode(d, sinktest.Record("a", 1, "log", "x")); err == nil {
		t.Error("a log line becomes a metric")
	}
	if metrics, others := d.TakesMetrics(); !metrics || others {
		t.Error("the destination doesn't take metrics only")
	}
}

func TestAmazonSettings(t *testing.T) {
	o := sinktest.Options[Options](t, config.FluentBit, "host aps-workspaces.us-west-2.amazonaws.com\nport 443\ntls on\naws_auth on\nuri /workspaces/ws-1/api/v1/remote_write")
	u, err := o.target()
	if err != nil || u.String() != "https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1/api/v1/remote_write" {
		t.Errorf("got %v, %v", u, err)
	}
	if s := o.source(); s.Region != "us-west-2" || o.AWSService != "aps" {
		t.Errorf("got region %s and service %s, want us-west-2 and aps", s.Region, o.AWSService)
	}
}

func TestWrongOptions(t *testing.T) {
	for text, want := range map[string]string{
		"host a/b":        "is not a host",
		"add_label a.b c": "is not a label's name",
		"add_label __x c": "is not a label's name",
		"uri %zz":         "is not a path",
		"proxy ftp://x":   "is not the URL of a proxy",
	} {
		if _, err := sinktest.TryOptions[Options](t, config.FluentBit, text); !strings.Contains(err, want) && !(want == "must be" && err != "") {
			t.Errorf("%s: got %q, want %s", text, err, want)
		}
	}
}
