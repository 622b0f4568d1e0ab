package metric

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/firelane/firelane/record"
)

var samples = []Sample{
	{Name: "c_total", Kind: Counter, Help: "h", Labels: []Label{{"a", "b"}, {"c", `x"y\z` + "\n"}}, Value: 3},
	{Name: "g", Kind: Gauge, Labels: []Label{}, Value: -1.5},
	{Name: "u", Kind: Untyped, Labels: []Label{}, Value: math.Inf(1)},
	{Name: "h", Kind: Histogram, Labels: []Label{{"a", "b"}}, Points: []Point{{0.1, 3}, {1, 7}}, Sum: 2.5, Count: 9},
	{Name: "s", Kind: Summary, Labels: []Label{}, Points: []Point{{0.5, 0.25}}, Sum: 2.5, Count: 9},
}

// TestSampleIsARecord: it comes back as it was, and is a record that any part takes.
func TestSampleIsARecord(t *testing.T) {
	var got Sample
	for _, s := range samples {
		body := s.Append(nil)
		if n, err := record.Check(body); err != nil || n != len(body) || !Is(body) {
			t.Errorf("%s: the record isn't valid: %v", s.Name, err)
		}
		if !got.Read(body) {
			t.Errorf("%s can't be read back: %s", s.Name, record.AppendJSON(nil, body))
			continue
		}
		if len(got.Points) == 0 {
			got.Points = nil
		}
		if !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, want %+v", got, s)
		}
	}
}

func TestOtherRecordsAreNoSamples(t *testing.T) {
	many := `{"__name__":"a","type":"gauge","value":1,"labels":{` + strings.TrimSuffix(strings.Repeat(`"x":"y",`, MaxLabels+1), ",") + `}}`
	for _, json := range []string{
		`{}`, `{"log":"x"}`, `{"__name__":"a"}`, `{"__name__":1,"type":"gauge","value":1}`, `{"__name__":"a","type":"x","value":1}`,
		`{"__name__":"a","type":"gauge","value":"1"}`, `{"__name__":"a","type":"gauge","labels":[],"value":1}`,
		`{"__name__":"a","type":"histogram","buckets":[[1]],"count":1}`, `{"__name__":"a","type":"histogram","buckets":{},"count":1}`,
		`{"__name__":"a","type":"histogram","buckets":[[1,"x"]],"count":1}`, many,
	} {
		body, err := record.AppendFromJSON(nil, []byte(json))
		if err != nil {
			t.Fatal(err)
		}
		if new(Sample).Read(body) {
			t.Errorf("%s is read as a sample", json)
		}
	}
}

// TestLines: as Fluent Bit 5.1.1 writes them, but that values of labels are escaped, and NaN and +Inf are as in Prometheus.
func TestLines(t *testing.T) {
	var b []byte
	for _, s := range samples {
		b = s.AppendLine(b, record.Time{Sec: 1395066363, Nsec: 5})
	}
	const at = "2014-03-17T14:26:03.000000005Z "
	want := at + `c_total{a="b",c="x\"y\\z\n"} = 3` + "\n" + at + "g = -1.5\n" + at + "u = +Inf\n" +
		at + `h{a="b"} = { buckets = { 0.1=3, 1=7, +Inf=9 }, sum=2.5, count=9 }` + "\n" + at + `s = { quantiles = { 0.5=0.25 }, sum=2.5, count=9 }` + "\n"
	if string(b) != want {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
}

func TestSeries(t *testing.T) {
	var got []string
	for _, s := range samples[2:] {
		s.Series(func(name string, extra Label, value float64) {
			got = append(got, fmt.Sprintf("%s %s=%s %s", name, extra.Name, extra.Value, Number(value)))
		})
	}
	want := `u = +Inf,h_bucket le=0.1 3,h_bucket le=1 7,h_bucket le=+Inf 9,h_sum = 2.5,h_count = 9,s quantile=0.5 0.25,s_sum = 2.5,s_count = 9`
	if strings.Join(got, ",") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ","), want)
	}
}

const page = `# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400",}    3
# a comment
# TYPE g gauge
g -1.5e3
nan NaN
esc{path="C:\\DIR",error="say \"x\"\n"} 1.458255915e9
# TYPE d histogram
d_bucket{h="a",le="0.05"} 24054
d_bucket{h="a",le="+Inf"} 144320
d_sum{h="a"} 53423
d_count{h="a"} 144320
d_bucket{h="b",le="0.05"} 1
d_count{h="b"} 2
d_max 3
dx 4
# TYPE rpc summary
rpc{quantile="0.5"} 4773
rpc_sum 1.7560473e+07
rpc_count 2693
rpc_bucket 1
after 7
`

func parsed(page string) (lines []string, bad int, err error) {
	bad, err = Parse([]byte(page), func(s *Sample, at record.Time, timed bool) {
		line := s.AppendLine(nil, at)
		if !timed {
			line = line[len("1970-01-01T00:00:00.000000000Z "):]
		}
		lines = append(lines, string(s.Kind)+" "+strings.TrimSpace(string(line)))
	})
	return lines, bad, err
}

func TestPage(t *testing.T) {
	got, bad, err := parsed(page)
	want := []string{
		`counter 2014-03-17T14:26:03.000000000Z http_requests_total{method="post",code="200"} = 1027`,
		`counter http_requests_total{method="post",code="400"} = 3`, `gauge g = -1500`, `untyped nan = NaN`,
		`untyped esc{path="C:\\DIR",error="say \"x\"\n"} = 1458255915`,
		`histogram d{h="a"} = { buckets = { 0.05=24054, +Inf=144320 }, sum=53423, count=144320 }`,
		`histogram d{h="b"} = { buckets = { 0.05=1, +Inf=2 }, sum=0, count=2 }`,
		`untyped d_max = 3`, `untyped dx = 4`,
		`summary rpc = { quantiles = { 0.5=4773 }, sum=17560473, count=2693 }`, `untyped rpc_bucket = 1`, `untyped after = 7`,
	}
	if bad != 0 || err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %d bad lines, %v and\n%s\nwant\n%s", bad, err, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestBadLinesCostNoOthers(t *testing.T) {
	for _, line := range []string{
		"x", "{a=\"b\"} 1", "x y", "x 1 2 3", "x 1 -5", "x{a} 1", "x{a=b} 1", `x{a="b} 1`, `x{="b"} 1`, "x{", strings.Repeat("n", 2000) + " 1",
		"# TYPE h histogram\nh_bucket 1", "# TYPE h histogram\nh 1", "# TYPE h histogram\nh_bucket{le=\"x\"} 1", "x 1 99999999999999999",
		`x{a="` + strings.Repeat("v", 10_000) + `"} 1`, "x{" + strings.Repeat(`a="b",`, 200) + "} 1",
	} {
		got, bad, err := parsed(line + "\nok 1\n")
		if bad != 1 || err != nil || len(got) != 1 {
			t.Errorf("%.60s: got %q, %d bad lines and %v, want one of each", line, got, bad, err)
		}
	}
}

func TestPageHasALimit(t *testing.T) {
	if got, _, err := parsed(strings.Repeat("x 1\n", maxSamples+5)); err != ErrMany || len(got) != maxSamples {
		t.Errorf("got %d samples and %v, want %d and %v", len(got), err, maxSamples, ErrMany)
	}
}

func FuzzPage(f *testing.F) {
	f.Add(page)
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = Parse([]byte(text), func(s *Sample, _ record.Time, _ bool) {
			body := s.Append(nil)
			if n, err := record.Check(body); err != nil || n != len(body) {
				t.Fatalf("the record of %q isn't valid: %v", s.Name, err)
			}
			var back Sample
			if !back.Read(body) {
				t.Fatalf("%q can't be read back", s.Name)
			}
		})
	})
}
