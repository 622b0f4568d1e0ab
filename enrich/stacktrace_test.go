package enrich

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
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
