package bulk

import (
	"strings"
	"testing"
)

func TestNamesThatNoServerTakesAreWarnedOf(t *testing.T) {
	for _, c := range []struct {
		logstash             bool
		index, prefix, dates string
		want                 string // of the warning; "": none
	}{
		{index: "web", want: ""},
		{index: "web-%Y.%m.%d-$Kind", want: ""},
		{index: "Web", want: `index "Web" has capitals, which no index name may have: each record will be a dead letter; want "web"`},
		{index: "<web-{now/d{yyyy.MM.dd}}>", want: ""},
		{index: "web logs", want: "has one of the characters"},
		{index: `"web"`, want: "has one of the characters"},
		{index: "_web", want: "begins with _"},
		{index: "Web", logstash: true, prefix: "web", dates: "%Y-%m-%d", want: ""},
		{logstash: true, prefix: "Web", dates: "%Y-%m-%d", want: `logstash_prefix "Web" has capitals`},
		{logstash: true, prefix: "web", dates: "YYYY-MM-DD", want: `logstash_dateformat "YYYY-MM-DD" has no conversion, and capitals, which no index name may have`},
		{logstash: true, prefix: "web", dates: "daily", want: "so that all days have one index"},
		{logstash: true, prefix: "web", dates: "%Y-%M-%d", want: "%M is the minute"},
		{logstash: true, prefix: "web", dates: "%D", want: "%D is month/day/year"},
		{logstash: true, prefix: "web", dates: "%d-%b-%Y", want: "%b has a capital"},
		{logstash: true, prefix: "web", dates: "%Y-W%V", want: "has capitals besides its conversions"},
		{logstash: true, prefix: "web", dates: "%G-w%V", want: ""},
	} {
		o := Options{Index: c.index, LogstashPrefix: c.prefix, LogstashDateFormat: c.dates}
		o.Logstash = c.logstash
		got := strings.Join(o.nameWarnings(), "; ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("index %q, prefix %q, dates %q: got %q, want %q", c.index, c.prefix, c.dates, got, c.want)
		}
	}
}
