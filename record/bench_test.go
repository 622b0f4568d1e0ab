package record

import (
	"strings"
	"testing"
)

// typicalMembers are those of an event as Docker's log driver sends it and ECS's configuration adds to it.
var typicalMembers = [][2]string{
	{"container_id", "3f4e8a2b7c1d9e0f5a6b3c8d7e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f"},
	{"container_name", "/ecs-web-12-app-d6a1c3f7b2e9c8a4e501"},
	{"source", "stdout"},
	{"log", `10.0.1.23 - - [23/Nov/2026:10:31:22 +0000] "GET /api/v1/orders/8812734?expand=items HTTP/1.1" 200 5316 ` +
		`"https://shop.example.com/account/orders" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36" 0.034`},
	{"ecs_cluster", "production"},
	{"ecs_task_arn", "arn:aws:ecs:eu-central-1:123456789012:task/production/0f3d5c1b9a8e4c7d8b2a6f4e1c9d7b3a"},
	{"ecs_task_definition", "web:42"},
}

func typicalEvent() []byte {
	b := AppendMapHeader(nil, len(typicalMembers))
	for _, m := range typicalMembers {
		b = AppendStr(AppendStr(b, m[0]), m[1])
	}
	return b
}

// jsonLine is a line as an application that logs JSON writes it.
const jsonLine = `{"time":"2026-11-23T10:31:22.123456789Z","level":"info","msg":"order \"8812734\" shipped","order":8812734,` +
	`"user":{"id":"u-1029384756","plan":"pro","score":0.25},"tags":["eu","express"],"retry":false,"parent":null,` +
	`"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","duration_ms":12.75}`

// jsonLogEvent is an event whose log is a line of JSON, full of quotes.
func jsonLogEvent() []byte {
	b := AppendMapHeader(nil, len(typicalMembers))
	for _, m := range typicalMembers {
		if m[0] == "log" {
			m[1] = jsonLine
		}
		b = AppendStr(AppendStr(b, m[0]), m[1])
	}
	return b
}

// parsedEvent is the event of jsonLogEvent after its log was parsed: numbers, nested objects, 17 members.
func parsedEvent() []byte {
	line, _ := AppendFromJSON(nil, []byte(jsonLine))
	n, rest, _ := MapHeader(line)
	b := AppendMapHeader(nil, n+len(typicalMembers))
	b = append(b, rest...)
	for _, m := range typicalMembers {
		b = AppendStr(AppendStr(b, m[0]), m[1])
	}
	return b
}

func BenchmarkCheck(b *testing.B) {
	event := typicalEvent()
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		Check(event)
	}
}

func BenchmarkCheckAndAppendJSONMembers(b *testing.B) {
	utf8 := AppendStr(AppendStr(AppendMapHeader(nil, 1), "log"), strings.Repeat("Größe überschritten: 東京 ", 15))
	for name, event := range map[string][]byte{"typical": typicalEvent(), "json-log": jsonLogEvent(), "parsed": parsedEvent(), "utf8": utf8} {
		b.Run(name, func(b *testing.B) {
			opt := &JSONOptions{Omit: []string{"@timestamp"}}
			var dst []byte
			b.SetBytes(int64(len(event)))
			for b.Loop() {
				Check(event)
				dst = AppendJSONMembers(dst[:0], event, opt)
			}
		})
	}
}

func BenchmarkAppendJSONMembers(b *testing.B) {
	event := typicalEvent()
	opt := &JSONOptions{Omit: []string{"@timestamp"}}
	var dst []byte
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		dst = AppendJSONMembers(dst[:0], event, opt)
	}
}

func BenchmarkAppendFromJSON(b *testing.B) {
	typical := append(AppendJSONMembers([]byte{'{'}, typicalEvent(), nil), '}')
	for name, line := range map[string][]byte{"typical": typical, "numbers": []byte(jsonLine)} {
		b.Run(name, func(b *testing.B) {
			var dst []byte
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				dst, _ = AppendFromJSON(dst[:0], line)
			}
		})
	}
}

func BenchmarkAppendTimeISO(b *testing.B) {
	var dst []byte
	for b.Loop() {
		dst = AppendTimeISO(dst[:0], Time{1_764_000_000, 123_456_789}, 9)
	}
}

func BenchmarkID(b *testing.B) {
	id := ID{Queue: NewQueueIdentity()}
	var dst []byte
	for b.Loop() {
		id.Pos++
		dst = id.Append(dst[:0])
	}
}

func BenchmarkFind(b *testing.B) {
	event := typicalEvent()
	for b.Loop() {
		Find(event, "log")
	}
}

// benchEvents are the typical event whole, and with what ECS's configuration adds as its tail.
func benchEvents() map[string]*Event {
	const own = 4
	parts := [2][]byte{AppendMapHeader(nil, own), AppendMapHeader(nil, len(typicalMembers)-own)}
	for n, m := range typicalMembers {
		p := &parts[min(n/own, 1)]
		*p = AppendStr(AppendStr(*p, m[0]), m[1])
	}
	const tag = "app-firelens-0f3d5c1b9a8e4c7d"
	return map[string]*Event{
		"whole": {Tag: tag, Time: Time{1, 2}, Body: typicalEvent()},
		"tail":  {Tag: tag, Time: Time{1, 2}, Body: parts[0], Tail: parts[1]},
	}
}

func BenchmarkBatchAdd(b *testing.B) {
	for name, event := range benchEvents() {
		b.Run(name, func(b *testing.B) {
			var batch Batch
			for b.Loop() {
				if batch.Len() > 64<<10 {
					batch.Reset()
				}
				batch.AddEvent(event)
			}
		})
	}
}

func BenchmarkBatchRead(b *testing.B) {
	for name, event := range benchEvents() {
		b.Run(name, func(b *testing.B) {
			var batch Batch
			for batch.Len() < 64<<10 {
				batch.AddEvent(event)
			}
			var r BatchReader
			var ev Event
			for b.Loop() {
				if !r.Next(&ev) {
					r.Reset(batch.Bytes())
				}
			}
		})
	}
}

func BenchmarkFold(b *testing.B) {
	event := benchEvents()["tail"]
	var buf []byte
	for b.Loop() {
		ev := *event
		buf = ev.Fold(buf)
	}
}
