package metric

import (
	"testing"
	"time"
)

func TestTimesAreInTheBucketsOfTheirBounds(t *testing.T) {
	var times Times
	for _, d := range []time.Duration{-time.Second, 5 * time.Millisecond, 6 * time.Millisecond, 2 * time.Second, time.Hour, 25 * time.Hour} {
		times.Add(d, 2)
	}
	s := Sample{Name: "x", Labels: []Label{{"a", "b"}}, Points: []Point{{1, 1}}}
	times.Fill(&s)
	at := map[float64]float64{}
	for i, p := range s.Points {
		at[p.At] = p.Value
		if i > 0 && (p.At <= s.Points[i-1].At || p.Value < s.Points[i-1].Value) {
			t.Errorf("bucket %v: got %v after %v, want buckets to ascend", p.At, p.Value, s.Points[i-1])
		}
	}
	if at[.005] != 4 || at[.01] != 6 || at[1.5] != 6 || at[2.5] != 8 || at[3600] != 10 || s.Count != 12 || s.Kind != Histogram || s.Labels[0].Value != "b" {
		t.Errorf("got %+v", s)
	}
	if want := 2 * (.005 + .006 + 2 + 3600 + 25*3600); s.Sum < want-.001 || s.Sum > want+.001 {
		t.Errorf("got a sum of %v, want %v", s.Sum, want)
	}
	for _, bound := range []float64{.5, 1, 1.5, 2.5, 5, 10, 20, 30} { // of fluentbit_output_latency_seconds
		if _, ok := at[bound]; !ok {
			t.Errorf("there is no bucket up to %v s, which Fluent Bit has", bound)
		}
	}
}

func TestAPageNamesEachMetricOnce(t *testing.T) {
	p := Page{Time: time.UnixMilli(1_700_000_000_123)}
	p.Add(&Sample{Name: "a_total", Kind: Counter, Help: "h\\ \n", Labels: []Label{{"x", "1\n"}}, Value: 1})
	p.Add(&Sample{Name: "a_total", Kind: Counter, Labels: []Label{{"x", "2\""}}, Value: 2})
	p.Add(&Sample{Name: "b", Kind: Histogram, Points: []Point{{.5, 1}}, Sum: 3, Count: 2})
	want := "# HELP a_total h\\\\ \\n\n# TYPE a_total counter\na_total{x=\"1\\n\"} 1 1700000000123\na_total{x=\"2\\\"\"} 2 1700000000123\n" +
		"# HELP b \n# TYPE b histogram\nb_bucket{le=\"0.5\"} 1 1700000000123\nb_bucket{le=\"+Inf\"} 2 1700000000123\nb_sum 3 1700000000123\nb_count 2 1700000000123\n"
	if got := string(p.Text()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAPageLeavesOutWhatIsBeyondItsLimit(t *testing.T) {
	p := Page{Max: 4}
	for range 3 {
		p.Add(&Sample{Name: "a", Kind: Gauge})
	}
	p.Add(&Sample{Name: "b", Kind: Histogram}) // has three series
	p.Add(&Sample{Name: "c", Kind: Gauge})
	if want := "# HELP a \n# TYPE a gauge\na 0\na 0\na 0\n# HELP c \n# TYPE c gauge\nc 0\n"; string(p.Text()) != want || p.Left != 1 {
		t.Errorf("got %d left out, and\n%s", p.Left, p.Text())
	}
}
