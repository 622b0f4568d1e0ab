package enrich

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

func BenchmarkStackTrace(b *testing.B) {
	step, err := NewMultiline(&MultilineOptions{Mode: "parser", Parsers: []string{"java"}, FlushMS: 2000}, config.FluentBit, testEnv())
	if err != nil {
		b.Fatal(err)
	}
	var events []record.Event
	for n := range 10 {
		line := "java.lang.IllegalStateException: n=0000000000000001 t=0000000000000001 " + strings.Repeat("GET /api/v1/orders/7f3a 200 12ms ", 6)
		if n > 0 {
			line = fmt.Sprintf("\tat com.example.orders.OrderService.step%d(OrderService.java:%d)", n, 100+n)
		}
		js, _ := json.Marshal(line)
		events = append(events, record.Event{Tag: "app", Body: body(b, `{"container_id":"0123456789abcdef0123456789abcdef","container_name":"/web","source":"stdout","log":`+string(js)+`}`)})
	}
	out := NewOut(func(*record.Event, int) {}, func(*record.Event, string, int) {})
	out.Scratch = new(Scratch)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		out.Reset()
		ev := events[n%10]
		step.Apply(&ev, out)
		out.TakeHeld()
	}
}

func BenchmarkParseApache(b *testing.B) {
	step := parseOf(b, ParseOptions{ReserveData: true}, parse.Options{
		Format: "regex", TimeKey: "time", TimeFormat: "%d/%b/%Y:%H:%M:%S %z",
		Regex: `^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>.*)")?$`,
	})
	in := body(b, `{"container_name":"/web","source":"stdout","log":"10.0.0.7 - frank [26/Nov/2026:13:55:36 +0000] \"GET /api/v1/orders HTTP/1.1\" 200 2326 \"https://example.com/\" \"Mozilla/5.0 (X11; Linux x86_64)\""}`)
	s, ev := &Scratch{}, record.Event{}
	b.ReportAllocs()
	for b.Loop() {
		s.Reset()
		ev = record.Event{Tag: "app", Body: in}
		step.Apply(&ev, s)
	}
}
