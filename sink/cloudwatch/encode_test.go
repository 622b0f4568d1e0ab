package cloudwatch

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/cloudwatch/cloudwatchtest"
	"github.com/firelane/firelane/sink/format"
	"github.com/firelane/firelane/sink/sinktest"
)

// decoded is the message of a record's event.
func decoded(t testing.TB, d sink.Destination, r *sink.Record) string {
	t.Helper()
	item, err := d.Append(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	var event cloudwatchtest.Event
	if err := json.Unmarshal(item[1:], &event); err != nil || event.Timestamp != 1_700_000_000_123 || item[0] != ',' {
		t.Fatalf("%s: time %d, error %v", item, event.Timestamp, err)
	}
	return event.Message
}

// bound makes a destination of options as they are in a configuration.
func bound(t testing.TB, d config.Dialect, o *Options) *Destination {
	t.Helper()
	if err := o.Check(d); err != nil {
		t.Fatal(err)
	}
	dest, err := New(o, d, sink.Env{Hostname: "h1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dest.Close() })
	return dest.(*Destination)
}

func TestMessagesAreAsThePluginsWriteThem(t *testing.T) {
	r := sinktest.Record("app.web", 7, "log", "say \"hé\"\n", "group", "g", "empty", "", "back\\slash", "\x01\xff")
	number := &sink.Record{Event: record.Event{Time: r.Time, Body: record.AppendMapHeader(nil, 2)}}
	number.Body = append(record.AppendInt(record.AppendStr(number.Body, "log"), 42), sinktest.Map()...)
	number.Body = append(number.Body[:len(number.Body)-1], append(record.AppendStr(nil, "m"), sinktest.Map("a", "b")...)...)
	for _, c := range []struct {
		name string
		d    config.Dialect
		o    *Options
		r    *sink.Record
		want string
	}{
		{"the whole record", config.FluentBit, options(nil), r, `{"log":"say \"hé\"\n","group":"g","empty":"","back\\slash":"\u0001�"}`},
		{"an empty record", config.FluentBit, options(nil), &sink.Record{Event: record.Event{Time: r.Time, Body: sinktest.Map()}}, `{}`},
		{"log_key", config.FluentBit, options(func(o *Options) { o.LogKey = "log" }), r, "say \"hé\"\n"},
		{"log_key with bytes that aren't UTF-8", config.FluentBit, options(func(o *Options) { o.LogKey = `$['back\slash']` }), r, "\x01�"},
		{"log_key of an empty value", config.FluentBit, options(func(o *Options) { o.LogKey = "empty" }), r, " "},
		{"log_key of a number", config.FluentBit, options(func(o *Options) { o.LogKey = "log" }), number, "42"},
		{"log_key of a map", config.FluentBit, options(func(o *Options) { o.LogKey = "m" }), number, `{"a":"b"}`},
		{"log_key of a nested value", config.FluentBit, options(func(o *Options) { o.LogKey = "$m['a']" }), number, "b"},
		{"Fluentd's default", config.Fluentd, fluentd(func(o *Options) { o.Group, o.Stream = "g", "s" }), number, `{"log":42,"m":{"a":"b"}}`},
		{"message_keys", config.Fluentd, fluentd(func(o *Options) {
			o.Group, o.Stream, o.MessageKeys = "g", "s", []string{"none", "empty", "group", "log"}
		}), r, "g say \"hé\"\n"},
		{"message_keys without a value", config.Fluentd, fluentd(func(o *Options) { o.Group, o.Stream, o.MessageKeys = "g", "s", []string{"empty"} }), r, " "},
		{"remove_*_key", config.Fluentd, fluentd(func(o *Options) {
			o.GroupKey, o.StreamKey, o.RemoveGroupKey, o.RemoveStreamKey = "group", "back\\slash", true, true
			o.RetentionKey, o.RemoveRetention = "empty", true
		}), r, `{"log":"say \"hé\"\n"}`},
		{"max_message_length in characters", config.Fluentd, fluentd(func(o *Options) { o.Group, o.Stream, o.MessageKeys, o.MaxMessageLength = "g", "s", []string{"log"}, 7 }), r, "say \"hé"},
		{"<format> ltsv", config.Fluentd, fluentd(func(o *Options) { o.Group, o.Stream, o.Format = "g", "s", &format.Options{Type: "ltsv"} }), number, "log:42\tm:{\"a\":\"b\"}"},
		{"<format> single_value", config.Fluentd, fluentd(func(o *Options) {
			o.Group, o.Stream, o.Format = "g", "s", &format.Options{Type: "single_value", MessageKey: "group", Newline: "crlf"}
		}), r, "g"},
		{"<inject>", config.Fluentd, fluentd(func(o *Options) {
			o.Group, o.Stream, o.Inject = "g", "s", &format.InjectOptions{HostnameKey: "host", TagKey: "tag"}
		}), number, `{"log":42,"m":{"a":"b"},"host":"h1","tag":""}`},
		{"include_time_key", config.Fluentd, fluentd(func(o *Options) {
			o.Group, o.Stream, o.OldTime, o.OldTimeKey, o.OldTag, o.OldTagKey = "g", "s", true, "time", true, "tag"
		}), number, `{"log":42,"m":{"a":"b"},"tag":"","time":"2023-11-14T22:13:20+0000"}`},
	} {
		if got := decoded(t, bound(t, c.d, c.o), c.r); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestARecordWithoutTheMessageGoesToTheDeadLetterWithTheReason(t *testing.T) {
	for _, c := range []struct {
		d    config.Dialect
		o    *Options
		want string
	}{
		{config.FluentBit, options(func(o *Options) { o.LogKey = "none" }), "the record has no field none, which log_key names"},
		{config.Fluentd, fluentd(func(o *Options) { o.Group, o.Stream, o.MessageKeys = "g", "s", []string{"none"} }), "the record has none of the fields that message_keys names"},
	} {
		body, err := bound(t, c.d, c.o).Append([]byte("before"), line(1))
		if err == nil || err.Error() != c.want || string(body) != "before" {
			t.Errorf("got %q and error %v, want %s", body, err, c.want)
		}
	}
}

func TestAnEventIsMeasuredAsTheServiceMeasuresIt(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{}, func(o *Options) { o.LogKey = "log" })
	refuse := bound(t, config.FluentBit, options(func(o *Options) { o.LogKey, o.LargeEvents = "log", "dead_letter" }))
	s.CreateGroup("/ecs/web", "web")
	for _, c := range []struct {
		name, text string
		size       int // as the service counts the message
	}{
		{"the longest", strings.Repeat("x", 1<<20-26), 1<<20 - 26},
		{"one byte more", strings.Repeat("x", 1<<20-25), 1<<20 - 25},
		{"much more", strings.Repeat("x", 2<<20), 2 << 20},
		{"of characters that JSON escapes", strings.Repeat("\"\n", 1<<19-13), 1<<20 - 26},
		{"one more of these", strings.Repeat("\n", 1<<20-25), 1<<20 - 25},
		{"of bytes that aren't UTF-8", strings.Repeat("\xff", (1<<20-26)/3), 1<<20 - 28},
		{"one more of these", strings.Repeat("\xff", (1<<20-26)/3+1), 1<<20 - 25},
		{"of long characters", strings.Repeat("€", 1<<20/3+1), 1<<20 + 2},
	} {
		r := sinktest.Record("app", 1, "log", c.text)
		fits := c.size <= 1<<20-26
		got := decoded(t, s, r)
		switch {
		case fits && got != strings.ToValidUTF8(strings.ReplaceAll(c.text, "\xff", "\ufffd"), ""):
			t.Errorf("%s: a message that fits was changed", c.name)
		case !fits && (!strings.HasSuffix(got, truncated) || len(got) > 1<<20-26 || len(got) < 1<<20-26-utf8.UTFMax || !utf8.ValidString(got)):
			t.Errorf("%s: got %d bytes that end in %q, want a message cut at a character", c.name, len(got), got[len(got)-20:])
		}
		s.deliver(t, r) // the service agrees
		if _, err := refuse.Append(nil, r); (err == nil) != fits {
			t.Errorf("%s: large_events dead_letter: got error %v", c.name, err)
		} else if err != nil && err.Error() != fmt.Sprintf("the event has %d bytes; CloudWatch Logs takes at most 1048576", c.size+26) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if log := s.log.String(); !strings.Contains(log, `"bytes":2097152,"max_bytes":1048550`) || !strings.Contains(log, "too large for CloudWatch Logs") {
		t.Error("the log doesn't say that an event was cut")
	}
}

func FuzzItems(f *testing.F) {
	f.Add("app", []byte("\x81\xa3log\xa5hello"), uint32(1_700_000_000))
	f.Add("app", []byte("\x81\xa3log\xc4\x02\xff\""), uint32(0))
	d := bound(f, config.FluentBit, options(nil))
	f.Fuzz(func(t *testing.T, tag string, body []byte, sec uint32) {
		r := &sink.Record{Event: record.Event{Tag: tag, Time: record.Time{Sec: sec, Nsec: 999_999_999}, Body: body}}
		item, err := d.Append(nil, r)
		if err != nil {
			return
		}
		var event cloudwatchtest.Event
		if err := json.Unmarshal(item[1:], &event); err != nil {
			t.Fatalf("%q: %v", item, err)
		}
		if want := string(record.AppendJSON(nil, body)); event.Message != want || event.Timestamp != timeOf(item) || event.Timestamp != int64(sec)*1000+999 {
			t.Fatalf("got %q at %d, want %q", event.Message, event.Timestamp, want)
		}
	})
}

// record500 is a record of about 500 bytes, as Docker and ECS make it.
func record500(long bool) *sink.Record {
	text := "2026-11-26T10:00:00.000Z INFO request handled method=GET path=/api/v1/items/12345 status=200 duration_ms=12 user=8f14e45f trace=4bf92f3577b34da6a3ce929d0e0e4736 " + strings.Repeat("x", 80)
	if long {
		text = `{"level":"info","msg":"request handled","method":"GET","path":"/api/v1/items/12345","status":200,"trace":"4bf92f3577b34da6a3ce929d0e0e4736","padding":"` + strings.Repeat("x", 60) + `"}`
	}
	return sinktest.Record("web-firelens-8f14e45fceea167a5a36dedd4bea2543", 7, "log", text,
		"container_id", "4bf92f3577b34da6a3ce929d0e0e47364bf92f3577b34da6a3ce929d0e0e4736", "container_name", "/ecs-web-7-web-8f14e45fceea167a5a36",
		"source", "stdout", "ecs_cluster", "demo", "ecs_task_arn", "arn:aws:ecs:eu-west-1:123456789012:task/demo/8f14e45fceea167a5a36dedd4bea2543", "ecs_task_definition", "web:7")
}

func BenchmarkAppend(b *testing.B) {
	for name, c := range map[string]struct {
		r   *sink.Record
		set func(o *Options)
	}{
		"record":      {record500(false), nil},
		"record/json": {record500(true), nil},
		"log_key":     {record500(false), func(o *Options) { o.LogKey = "log" }},
	} {
		b.Run(name, func(b *testing.B) {
			d := bound(b, config.FluentBit, options(c.set))
			body, err := d.Append(make([]byte, 0, 1<<20), c.r)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				body, _ = d.Append(body[:0], c.r)
			}
		})
	}
}

func BenchmarkKey(b *testing.B) {
	for name, set := range map[string]func(o *Options){
		"constant": nil,
		"task":     func(o *Options) { o.Group, o.Stream = "/ecs/$(ecs_cluster)", "web/$(ecs_task_id)" },
	} {
		b.Run(name, func(b *testing.B) {
			d, r := bound(b, config.FluentBit, options(set)), record500(false)
			var key []byte
			b.ReportAllocs()
			for b.Loop() {
				key, _ = d.Key(key[:0], r)
			}
		})
	}
}

func TestAppendAndKeyAllocateNothing(t *testing.T) {
	d := bound(t, config.FluentBit, options(func(o *Options) { o.Group, o.Stream = "/ecs/$(ecs_cluster)", "web/$(ecs_task_id)" }))
	r, body, key := record500(true), make([]byte, 0, 8<<10), make([]byte, 0, 1<<10)
	if n := testing.AllocsPerRun(100, func() {
		body, _ = d.Append(body[:0], r)
		key, _ = d.Key(key[:0], r)
	}); n != 0 {
		t.Errorf("got %v allocations a record, want none", n)
	}
}
