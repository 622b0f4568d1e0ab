package logmetrics

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/steptest"
	"github.com/firelane/firelane/record"
)

func ordered(order int, values ...string) (list []config.Ordered) {
	for n, v := range values {
		list = append(list, config.Ordered{Order: order + n, Value: v})
	}
	return list
}

func body(t testing.TB, js string) []byte {
	t.Helper()
	b, err := record.AppendFromJSON(nil, []byte(js))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// counted sends records through a filter and returns the metrics.
func counted(t testing.TB, o Options, records ...string) string {
	t.Helper()
	var m enrich.Metrics
	f, err := New(&o, config.FluentBit, enrich.Env{Metrics: &m, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	for _, js := range records {
		if f.Apply(&record.Event{Body: body(t, js)}, &enrich.Scratch{}) == o.Discard {
			t.Errorf("%s: the record goes on: %t, want %t", js, o.Discard, !o.Discard)
		}
	}
	return string(m.AppendText(nil))
}

// The texts are Fluent Bit 5.1.1's, by its output prometheus_exporter, but for names, which it doesn't clean.
func TestRecordsAreCountedAsFluentBitDoes(t *testing.T) {
	in := `{"code":200,"path":"/a\"b\\c\n","took":0.3,"t":true,"f":1.5,"kubernetes":{"pod_name":"p"}}`
	for _, c := range []struct {
		name string
		o    Options
		in   []string
		want string
	}{
		{"counter", Options{Name: "http-hits", Namespace: "log_metric", Mode: "counter", Description: "the hits", Kubernetes: true,
			LabelFields: ordered(0, "code", "missing", "t"), Labels: ordered(3, "ff $f", "pa.th path")}, []string{in, in, in},
			"# HELP log_metric_counter_http_hits the hits\n# TYPE log_metric_counter_http_hits counter\n" +
				`log_metric_counter_http_hits{namespace_name="",pod_name="p",container_name="",docker_id="",pod_id="",code="200",missing="",t="",ff="1.500000",pa_th="/a\"b\\c\n"} 3` + "\n"},
		{"histogram", Options{Name: "took", Namespace: "ns", Subsystem: "sub", Mode: "histogram", Description: "d", ValueField: "took", Buckets: []string{"5", "0.1"}},
			[]string{in, `{"took":"7"}`, `{"took":0.1}`, `{"took":null}`, `{}`, `{"took":"x"}`},
			"# HELP ns_sub_took d\n# TYPE ns_sub_took histogram\nns_sub_took_bucket{le=\"0.1\"} 1\nns_sub_took_bucket{le=\"5\"} 2\n" +
				"ns_sub_took_bucket{le=\"+Inf\"} 3\nns_sub_took_sum 7.3999999999999995\nns_sub_took_count 3\n"},
		{"gauge", Options{Name: "g", Mode: "gauge", Description: "a\\b\nc", ValueField: "$n['v']", Labels: ordered(0, "l l"), Discard: true},
			[]string{`{"n":{"v":1},"l":"a"}`, `{"n":{"v":-2.5},"l":"a"}`, `{"n":{"v":"9"},"l":"b"}`, `{"l":"c"}`},
			"# HELP gauge_g a\\\\b\\nc\n# TYPE gauge_g gauge\ngauge_g{l=\"a\"} -2.5\ngauge_g{l=\"b\"} 9\n"},
		{"rules in order", Options{Name: "c", Mode: "counter", Regex: ordered(0, "log ^a", "log z$"), Exclude: ordered(1, "log no")},
			[]string{`{"log":"a"}`, `{"log":"a no"}`, `{"log":"z"}`, `{"log":1}`, `{}`}, "# HELP counter_c \n# TYPE counter_c counter\ncounter_c 2\n"},
		{"exclude, then regex", Options{Name: "c", Mode: "counter", Regex: ordered(1, "log ^a"), Exclude: ordered(0, "log no")},
			[]string{`{"log":"a"}`, `{"log":"a no"}`, `{"log":"z"}`}, "# HELP counter_c \n# TYPE counter_c counter\ncounter_c 1\n"},
	} {
		if got := counted(t, c.o, c.in...); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.name, got, c.want)
		}
	}
}

func TestLabelValuesCantFillTheMemory(t *testing.T) {
	var m enrich.Metrics
	o := Options{Name: "n", Mode: "histogram", ValueField: "v", LabelFields: ordered(0, "l")}
	f, err := New(&o, config.FluentBit, enrich.Env{Metrics: &m, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 50_000 {
		js := fmt.Sprintf(`{"v":1,"l":"%d%s"}`, n, strings.Repeat("é", n%300))
		f.Apply(&record.Event{Body: body(t, js)}, &enrich.Scratch{})
	}
	text := string(m.AppendText(nil))
	if len(text) > maxMetricBytes*5/4 || !strings.Contains(text, `n_count{overflow="true"}`) {
		t.Errorf("got %d bytes of text, want at most about %d, and the rest in one set", len(text), maxMetricBytes)
	}
	for line := range strings.Lines(text) {
		if len(line) > 400 {
			t.Fatalf("got a line of %d bytes: %q", len(line), line)
		}
	}
}

func TestFiltersOfOneMetricCountInOne(t *testing.T) {
	var m enrich.Metrics
	env := enrich.Env{Metrics: &m, Log: zerolog.Nop()}
	for range 2 {
		f, err := New(&Options{Name: "n", Mode: "counter"}, config.FluentBit, env)
		if err != nil {
			t.Fatal(err)
		}
		f.Apply(&record.Event{Body: []byte{0x80}}, &enrich.Scratch{})
	}
	if got := string(m.AppendText(nil)); !strings.HasSuffix(got, "\ncounter_n 2\n") {
		t.Errorf("got %q", got)
	}
	if _, err := New(&Options{Name: "n", Mode: "counter", LabelFields: ordered(0, "a")}, config.FluentBit, env); err == nil || !strings.HasPrefix(err.Error(), "metric_name: ") {
		t.Errorf("got %v for other labels, want an error", err)
	}
}

func TestWrongOptionsAreNamed(t *testing.T) {
	for want, o := range map[string]Options{
		"value_field: ":      {Mode: "gauge"},
		"bucket: ":           {Mode: "histogram", ValueField: "v", Buckets: []string{"1s"}},
		"add_label: ":        {Labels: ordered(0, "one")},
		"label_field: ":      {LabelFields: ordered(0, "$a[")},
		"regex: ":            {Regex: ordered(0, "log (")},
		"exclude: ":          {Exclude: ordered(0, "log")},
		"a histogram can't":  {Mode: "histogram", ValueField: "v", LabelFields: ordered(0, "le")},
		"there are two labe": {LabelFields: ordered(0, "a", "a")},
	} {
		if err := o.Check(config.FluentBit); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s…", err, want)
		}
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	o := Options{Name: "n", Mode: "histogram", ValueField: "v", LabelFields: ordered(0, "l", "i"), Regex: ordered(2, "l a")}
	f, err := New(&o, config.FluentBit, enrich.Env{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	in, s, ev := body(t, `{"v":1.5,"l":"abc","i":7}`), &enrich.Scratch{}, record.Event{}
	s.Keep(append(s.Take(), make([]byte, 100)...))
	if n := testing.AllocsPerRun(100, func() {
		s.Reset()
		ev = record.Event{Body: in}
		f.Apply(&ev, s)
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func TestTheStepKeepsTheContract(t *testing.T) {
	steptest.Run(t, func() enrich.Stage {
		f, err := New(&Options{Name: "n", Mode: "gauge", ValueField: "log", LabelFields: ordered(0, "log", "$log['log'][1]")}, config.FluentBit, enrich.Env{Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}
