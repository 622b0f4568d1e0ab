package admin

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/firelane/firelane/record"
)

func filterOf(t testing.TB, query string) *tailFilter {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parseTailFilter(q)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A record that a filter takes is found by its search of bytes, however its values are encoded, in a body, a tail or a batch.
func TestWhatAFilterTakesItsSearchFinds(t *testing.T) {
	key := func(name string) []byte { return record.AppendStr(nil, name) }
	value := map[string][]byte{
		"text": record.AppendStr(nil, "500"), "str8": {0xd9, 3, '5', '0', '0'}, "str16": {0xda, 0, 3, '5', '0', '0'}, "bin": {0xc4, 3, '5', '0', '0'},
		"uint16": {0xcd, 1, 0xf4}, "int16": {0xd1, 1, 0xf4}, "uint32": {0xce, 0, 0, 1, 0xf4}, "int64": {0xd3, 0, 0, 0, 0, 0, 0, 1, 0xf4},
	}
	for name, v := range value {
		long := append(append([]byte{0x81, 0xd9, 6}, "status"...), v...) // the key is longer than it needs to be
		for n, body := range [][]byte{
			append(append([]byte{0x81}, key("status")...), v...),
			append(append([]byte{0x82}, append(key("status"), 0xc0)...), append(key("status"), v...)...),
			long,
		} {
			f := filterOf(t, "where=status=500")
			testFound(t, fmt.Sprint(name, " ", n), f, body)
		}
		nested := append(append([]byte{0x81}, key("http")...), append(append([]byte{0x82}, key("statuses")...), append([]byte{0x91}, append(append([]byte{}, v...), append(key("status"), v...)...)...)...)...)
		testFound(t, name+" nested", filterOf(t, "where=$http['status']=500"), nested)
		testFound(t, name+" element", filterOf(t, "where=$http['statuses'][0]=500"), nested)
		testFound(t, name+" both", filterOf(t, "where=$http['status']=500&text=statuses&match=a*"), nested)
	}
	body, err := record.AppendFromJSON(nil, []byte(`{"ok":true,"share":1.5,"zero":0,"none":"","log":"aaab error"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"where=ok=true", "where=share=1.5", "where=zero=0", "where=none=", "text=aab", "text=error", "text=b", "text=a&where=ok=true"} {
		testFound(t, query, filterOf(t, query), body)
	}
}

func testFound(t *testing.T, name string, f *tailFilter, body []byte) {
	t.Helper()
	for _, ev := range []record.Event{{Tag: "app", Body: body}, {Tag: "app", Body: []byte{0x80}, Tail: body}} {
		var b record.Batch
		for range 20 {
			b.Add("other", record.Time{}, []byte{0x81, 0xa1, 'x', 0xa3, 'a', 'a', 'a'})
		}
		b.AddEvent(&ev)
		if !f.Takes(&ev) || !f.MayTake(ev.Body, ev.Tail) || !f.MayTake(b.Bytes(), nil) {
			t.Errorf("%s: got %v, and found %v, in a batch %v; want all", name, f.Takes(&ev), f.MayTake(ev.Body, ev.Tail), f.MayTake(b.Bytes(), nil))
		}
	}
}

// What has neither a condition's field nor its text isn't decoded.
func TestASearchPassesOverWhatAFilterCannotTake(t *testing.T) {
	body, err := record.AppendFromJSON(nil, []byte(`{"status":501,"log":"status=500 \u00a3500 status500","level":"info"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"where=status=500", "where=level=error", "where=missing=info", "text=501", "where=level=info&where=status=500"} {
		if filterOf(t, query).MayTake(body, nil) {
			t.Errorf("%s: got a record that may be taken, want none", query)
		}
	}
}

// Bytes that look like many long values cost no more than others: a record can't hold up those after it because somebody looks.
func TestASearchMakesNoTextOfWhatOnlyLooksLikeAValue(t *testing.T) {
	const n = 10_000
	var junk []byte
	for i := range n {
		rest := (n - i - 1) * 7
		junk = append(junk, 'k', 0xc9, byte(rest>>24), byte(rest>>16), byte(rest>>8), byte(rest), 1)
	}
	body := append(record.AppendStr([]byte{0x81}, "log"), record.AppendStrBytes(nil, junk)...)
	f := filterOf(t, "where=k=v")
	if !f.MayTake(body, nil) || cap(f.where[0].text) > 1<<10 {
		t.Errorf("got %d bytes of text made, want the record to be decoded, and none", cap(f.where[0].text))
	}
	if f.Takes(&record.Event{Body: body}) {
		t.Error("got the record taken, want it not to be: it has no k")
	}
}

func FuzzSearch(f *testing.F) {
	f.Add("status", "500", []byte{0x81, 0xa6, 's', 't', 'a', 't', 'u', 's', 0xcd, 1, 0xf4})
	f.Add("", "x", []byte{0x80})
	f.Fuzz(func(t *testing.T, name, value string, body []byte) {
		q := url.Values{"where": {name + "=" + value}, "text": {value}}
		filter, err := parseTailFilter(q)
		if err != nil {
			return
		}
		if n, err := record.Check(body); err != nil || n != len(body) || len(body) == 0 || record.KindOf(body[0]) != record.KindMap {
			filter.MayTake(body, nil) // must not panic
			return
		}
		if ev := (record.Event{Body: body}); filter.Takes(&ev) && !filter.MayTake(body, nil) {
			t.Errorf("got %x, in which %q has the value %q, passed over", body, name, value)
		}
	})
}

// dockerBatch is what a read of a container's lines makes.
func dockerBatch(b *testing.B) *record.Batch {
	var batch record.Batch
	tail, err := record.AppendFromJSON(nil, []byte(`{"ecs_cluster":"production","ecs_task_arn":"arn:aws:ecs:eu-central-1:123456789012:task/production/0f3d5c1b","ecs_task_definition":"web:42"}`))
	if err != nil {
		b.Fatal(err)
	}
	for n := range 20 {
		body, err := record.AppendFromJSON(nil, []byte(`{"container_id":"`+strings.Repeat("3f4e8a2b", 8)+`","container_name":"/ecs-web-12-app-d6a1c3f7b2e9c8a4e501","source":"stdout",`+
			fmt.Sprintf(`"log":"10.0.1.%d - - [23/Nov/2026:10:31:22 +0000] \"GET /api/v1/orders/8812734?expand=items HTTP/1.1\" 200 5316 \"https://shop.example.com/account/orders\" \"Mozilla/5.0 (X11; Linux x86_64)\""}`, n)))
		if err != nil {
			b.Fatal(err)
		}
		batch.AddEvent(&record.Event{Tag: "app-firelens-0f3d5c1b9a8e4c7d", Body: body, Tail: tail})
	}
	return &batch
}

// BenchmarkSearch is what a filter costs that takes none of 20 records of a batch.
func BenchmarkSearch(b *testing.B) {
	batch := dockerBatch(b)
	for _, query := range []string{"where=source=stderr", "where=level=error", "where=status=500", "where=container_name=/ecs-db", "text=OutOfMemoryError", "text=timeout", "text=98765", "where=source=stderr&text=timeout"} {
		b.Run(query, func(b *testing.B) {
			f := filterOf(b, query)
			for b.Loop() {
				if f.MayTake(batch.Bytes(), nil) {
					b.Fatal("found")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch.Records()), "ns/record")
		})
	}
}

// BenchmarkUsage is what the page costs for each record of its sample.
func BenchmarkUsage(b *testing.B) {
	batch := dockerBatch(b)
	s := newSample()
	reader := record.ReadBatch(batch.Bytes())
	var ev record.Event
	reader.Next(&ev)
	one := shown(0, "app", "{}")
	one.Event = &ev
	b.ReportAllocs()
	for b.Loop() {
		s.see(one)
	}
}
