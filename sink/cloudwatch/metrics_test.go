package cloudwatch

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

// TestMetricsAreInTheEmbeddedMetricFormat: as Fluent Bit 5.1.1 writes them, but for the unit of counters (Counter is none), the
// namespace of names without _ (it must not be empty), Min and Max of histograms (there they are the counts of buckets), and NaN and
// infinity, which are no JSON.
func TestMetricsAreInTheEmbeddedMetricFormat(t *testing.T) {
	d := bound(t, config.FluentBit, options(nil))
	const aws = `{"_aws":{"Timestamp":1700000000123,"CloudWatchMetrics":[{"Namespace":`
	for _, c := range []struct {
		s    metric.Sample
		want string
	}{
		{metric.Sample{Name: "http_requests_total", Kind: metric.Counter, Help: "h", Labels: []metric.Label{{Name: "method", Value: "post"}, {Name: "code", Value: "\"4"}}, Value: 3},
			aws + `"http","Dimensions":[["method","code"]],"Metrics":[{"Name":"http_requests_total","Unit":"Count","StorageResolution":60}]}]},"method":"post","code":"\"4","prom_metric_type":"counter","http_requests_total":3.0}`},
		{metric.Sample{Name: "g", Kind: metric.Gauge, Value: -1.5},
			aws + `"fluent-bit-metrics","Dimensions":[[]],"Metrics":[{"Name":"g","StorageResolution":60}]}]},"prom_metric_type":"gauge","g":-1.5}`},
		{metric.Sample{Name: "a_b", Kind: metric.Untyped, Value: math.NaN()}, `{"prom_metric_type":"untyped","a_b":"NaN"}`},
		{metric.Sample{Name: "a_b", Kind: metric.Untyped, Value: math.Inf(-1)}, `{"prom_metric_type":"untyped","a_b":"-Inf"}`},
		{metric.Sample{Name: "h_s", Kind: metric.Histogram, Points: []metric.Point{{At: 0.1, Value: 0}, {At: 1, Value: 7}, {At: 5, Value: 7}}, Sum: 2.5, Count: 7},
			aws + `"h","Dimensions":[[]],"Metrics":[{"Name":"h_s","StorageResolution":60}]}]},"prom_metric_type":"histogram","h_s":{"Min":0.1,"Max":1.0,"Sum":2.5,"Count":7.0}}`},
		{metric.Sample{Name: "s_s", Kind: metric.Summary, Points: []metric.Point{{At: 0.5, Value: math.NaN()}, {At: 0.9, Value: 3}, {At: 0.99, Value: 4}}, Sum: 2.5, Count: 7},
			aws + `"s","Dimensions":[[]],"Metrics":[{"Name":"s_s","StorageResolution":60}]}]},"prom_metric_type":"summary","s_s":{"Min":3.0,"Max":4.0,"Sum":2.5,"Count":7.0}}`},
	} {
		r := sinktest.Record("m", 1)
		r.Body = c.s.Append(nil)
		got := decoded(t, d, r)
		if got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%s is not JSON", got)
		}
	}
}

func TestManyLabelsAreNotAllDimensions(t *testing.T) {
	s := metric.Sample{Name: "a_b", Kind: metric.Gauge}
	for range 40 {
		s.Labels = append(s.Labels, metric.Label{Name: "l", Value: "v"})
	}
	r := sinktest.Record("m", 1)
	r.Body = s.Append(nil)
	if got := decoded(t, bound(t, config.FluentBit, options(nil)), r); strings.Count(got, `"l"`) != 40+maxDimensions {
		t.Errorf("got %s, want %d dimensions", got, maxDimensions)
	}
}

// TestHostRecordsBecomeMetrics, with log_format json/emf, as in Fluent Bit's tutorial for its inputs cpu and mem.
func TestHostRecordsBecomeMetrics(t *testing.T) {
	body, err := record.AppendFromJSON(nil, []byte(`{"cpu_p":1.5,"user_p":1.0,"system_p":0.5,"cpu0.p_cpu":1.5,"host":"h1"}`))
	if err != nil {
		t.Fatal(err)
	}
	r := &sink.Record{Event: record.Event{Tag: "cpu", Time: record.Time{Sec: 1_700_000_000, Nsec: 123_456_789}, Body: body}}
	plain := `"cpu_p":1.5,"user_p":1.0,"system_p":0.5,"cpu0.p_cpu":1.5,"host":"h1"}`
	if got := decoded(t, bound(t, config.FluentBit, options(nil)), r); got != "{"+plain {
		t.Errorf("without log_format: got %s, want the record", got)
	}
	d := bound(t, config.FluentBit, options(func(o *Options) {
		o.LogFormat, o.Namespace, o.Dimensions = "json/emf", "ns", "host, os; host"
	}))
	want := `{"_aws":{"Timestamp":1700000000000,"CloudWatchMetrics":[{"Namespace":"ns","Dimensions":[["host","os"],["host"]],"Metrics":[{"Name":"cpu_p","Unit":"Percent"},{"Name":"user_p","Unit":"Percent"},{"Name":"system_p","Unit":"Percent"}]}]},` + plain
	if got := decoded(t, d, r); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := decoded(t, d, sinktest.Record("a", 1, "log", "x")); got != `{"log":"x"}` {
		t.Errorf("another record: got %s", got)
	}
}
