package bulk

import (
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// What a warning says of the name that is used must be what the encoder does.
func TestNamesThatNoServerTakesAreWarnedOf(t *testing.T) {
	now := time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		logstash             bool
		index, prefix, dates string
		want                 string // of the warning; "": none
		used                 string // a record's index
	}{
		{index: "web", want: "", used: "web"},
		{index: "web-%Y.%m.%d", want: "", used: "web-2026.11.26"},
		{index: "web-%Y.%m.%d-$Kind", want: "", used: "web-2026.11.26-"},
		{index: "Web", want: `index "Web" has capitals, which no index name may have: firelane makes it lower-case, and records go to web; `, used: "web"},
		{index: "Web-%Y.%-d-$Kind", want: "; want web-%Y.%-d-$Kind", used: "web-2026.26-"},
		{index: "<web-{now/d{yyyy.MM.dd}}>", want: "", used: "<web-{now/d{yyyy.MM.dd}}>"},
		{index: "web logs", want: "has a space, which no index name may have: firelane leaves it out, and records go to weblogs", used: "weblogs"},
		{index: "Web/app logs", want: "firelane makes it lower-case, without a / and a space, and records go to webapplogs", used: "webapplogs"},
		{index: `"web"`, want: `index is "web" with its quotes`, used: "web"},
		{index: "_web", want: "begins with _", used: "web"},
		{index: strings.Repeat("x", 256), want: "makes names of 256 bytes with their date, and an index name has at most 255: firelane uses its default name instead, and records go to fluent-bit", used: "fluent-bit"},
		{index: "web-%Y.%m.%d.%H.%M", want: "makes a new index each minute, such as web-2026.11.26.22.00", used: "web-2026.11.26.22.00"},
		{index: "Web", logstash: true, prefix: "web", dates: "%Y-%m-%d", want: "", used: "web-2026-11-26"},
		{logstash: true, prefix: "Web", dates: "%Y-%m-%d", want: `logstash_prefix "Web" has capitals, which no index name may have: firelane makes it lower-case, and records go to web-2026-11-26`, used: "web-2026-11-26"},
		{logstash: true, prefix: "web", dates: "YYYY-MM-DD", want: "all days have one index, from which no day can be deleted: firelane makes it lower-case, and records go to web-yyyy-mm-dd; Fluent Bit sends web-YYYY-MM-DD, and the cluster refuses each record; want %Y-%m-%d", used: "web-yyyy-mm-dd"},
		{logstash: true, prefix: "web", dates: "daily", want: "so that all days have one index", used: "web-daily"},
		{logstash: true, prefix: "web", dates: "%Y-%M-%d", want: "there are 60 indices a day, one for each minute of the hour, such as web-2026-00-26, and each is used again every hour; want %Y-%m-%d", used: "web-2026-00-26"},
		{index: "web-%Y-%M-%d", want: "makes an index for each minute of the hour, and uses it again every hour, such as web-2026-00-26", used: "web-2026-00-26"},
		{logstash: true, prefix: "web", dates: "%D", want: `"%D" makes 11/26/26, which has a /, which no index name may have: firelane leaves it out, and records go to web-112626`, used: "web-112626"},
		{logstash: true, prefix: "web", dates: "%Y-%m-%d %H:00", want: "; want %Y-%m-%d-%H-00", used: "web-2026-11-262200"},
		{index: "..", want: `".." is not a name that an index may have: firelane uses its default name instead, and records go to fluent-bit`, used: "fluent-bit"},
		{logstash: true, prefix: "web", dates: "%d-%b-%Y", want: "records go to web-26-nov-2026", used: "web-26-nov-2026"},
		{logstash: true, prefix: "web", dates: "%Y-W%V", want: "records go to web-2026-w48", used: "web-2026-w48"},
		{logstash: true, prefix: "web", dates: "%G-w%V", want: "", used: "web-2026-w48"},
		{logstash: true, prefix: "web", dates: "%Y.%m.%d.%H%M", want: "makes a new index each minute", used: "web-2026.11.26.2200"},
	} {
		o := Options{Index: c.index, LogstashPrefix: c.prefix, LogstashSeparator: "-", LogstashDateFormat: c.dates}
		o.Logstash = c.logstash
		got := strings.Join(sink.NameWarnings(o.NameProblems(config.FluentBit, now)), "; ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("index %q, prefix %q, dates %q: got %q, want %q", c.index, c.prefix, c.dates, got, c.want)
		}
		n, err := newIndexNames(&o, config.FluentBit, "create")
		if err != nil {
			t.Fatal(err)
		}
		if used := string(n.makeName(n.name, new(sink.Record), now)); used != c.used {
			t.Errorf("index %q, prefix %q, dates %q: the index is %q, want %q", c.index, c.prefix, c.dates, used, c.used)
		}
	}
}
