package logmetrics

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	one "github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

// The samples, as lines of the text format, are the lines of the page.
func TestSamplesAreWhatThePageHas(t *testing.T) {
	for _, o := range []Options{
		{Name: "a", Mode: "counter", LabelFields: ordered(0, "code", "missing")},
		{Name: "a", Mode: "counter"},
		{Name: "b", Mode: "gauge", ValueField: "took", LabelFields: ordered(0, "code"), Description: "d"},
		{Name: "c", Mode: "histogram", ValueField: "took", LabelFields: ordered(0, "code"), Buckets: []string{"0.1", "1", "-Inf"}},
	} {
		f, err := New(&o, config.FluentBit, enrich.Env{Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		m := f.(enrich.Measurer).Metric()
		if m.Changes() != 0 {
			t.Errorf("%s: got %d changes at the start, want none", o.Name, m.Changes())
		}
		for _, js := range []string{`{"code":200,"took":0.05}`, `{"code":200,"took":3}`, `{"code":"x\"y\n\\","took":1}`, `{"took":"no number"}`} {
			f.Apply(&record.Event{Body: body(t, js)}, &enrich.Scratch{})
		}
		if m.Changes() == 0 {
			t.Errorf("%s: got no change", o.Name)
		}
		var got strings.Builder
		m.Samples(func(s *one.Sample) {
			if s.Help != o.Description || string(s.Kind) != o.Mode {
				t.Errorf("%s: got a %s, %q", o.Name, s.Kind, s.Help)
			}
			s.Series(func(full string, extra one.Label, value float64) {
				labels := append([]one.Label{}, s.Labels...)
				if extra.Name != "" {
					labels = append([]one.Label{extra}, labels...)
				}
				var text []string
				for _, l := range labels {
					text = append(text, string(one.AppendLabel(nil, l)))
				}
				got.WriteString(full)
				if len(text) > 0 {
					got.WriteString("{" + strings.Join(text, ",") + "}")
				}
				got.WriteString(" " + one.Number(value) + "\n")
			})
		})
		page := string(m.AppendText(nil))
		_, page, _ = strings.Cut(page, "\n# TYPE ")
		_, page, _ = strings.Cut(page, "\n")
		if o.Mode == "histogram" { // a Sample has no bucket -Inf, which is always empty
			page = dropLines(page, `le="-Inf"`)
		}
		if got.String() != page {
			t.Errorf("%s: got\n%swant\n%s", o.Name, got.String(), page)
		}
	}
}

func dropLines(text, with string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, with) {
			b.WriteString(line)
		}
	}
	return b.String()
}
