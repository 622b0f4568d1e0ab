package bulk

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

const time9 = `"@timestamp":"2026-11-23T10:22:55.123456789Z"`

var id0 = record.ID{}.String()

func TestItemIsWhatTheOptionsAskFor(t *testing.T) {
	line := object("log", "hello")
	tests := []struct {
		name    string
		dialect config.Dialect
		set     func(*Options)
		body    []byte
		want    string // without the last newline
	}{
		{"nothing set, Fluent Bit", config.FluentBit, nil, line,
			`{"create":{"_index":"fluent-bit","_id":"` + id0 + `"}}` + "\n" + `{` + time9 + `,"log":"hello"}`},
		{"nothing set, Fluentd", config.Fluentd, nil, line,
			`{"create":{"_index":"fluentd","_id":"` + id0 + `"}}` + "\n" + `{` + time9 + `,"log":"hello"}`},
		{"empty record", config.FluentBit, nil, object(),
			`{"create":{"_index":"fluent-bit","_id":"` + id0 + `"}}` + "\n" + `{` + time9 + `}`},
		{"the field's tutorial", config.FluentBit, func(o *Options) {
			o.Logstash, o.LogstashPrefix, o.LogstashDateFormat, o.Type = true, "web", "%Y-%m-%d", ptr("_doc")
		}, line, `{"create":{"_index":"web-2026-11-23","_type":"_doc","_id":"` + id0 + `"}}` + "\n" + `{` + time9 + `,"log":"hello"}`},
		{"suppress_type_name", config.FluentBit, func(o *Options) { o.Type, o.SuppressType = ptr("_doc"), true }, line,
			`{"create":{"_index":"fluent-bit","_id":"` + id0 + `"}}` + "\n" + `{` + time9 + `,"log":"hello"}`},
		{"include_tag_key", config.FluentBit, func(o *Options) { o.IncludeTag = true }, object("flb-key", "own", "log", "x"),
			`{"create":{"_index":"fluent-bit","_id":"` + id0 + `"}}` + "\n" + `{` + time9 + `,"flb-key":"` + tag + `","log":"x"}`},
		{"time_key", config.FluentBit, func(o *Options) { o.TimeKey = ptr("ts") }, line,
			`{"create":{"_index":"fluent-bit","_id":"` + id0 + `"}}` + "\n" + `{"ts":"2026-11-23T10:22:55.123456789Z","log":"hello"}`},
		{"time_key_nanos off", config.FluentBit, func(o *Options) { o.TimeKeyNanos = ptr(false) }, object(),
			`{"create":{"_index":"fluent-bit","_id":"` + id0 + `"}}` + "\n" + `{"@timestamp":"2026-11-23T10:22:55.123Z"}`},
		{"time_key_format", config.FluentBit, func(o *Options) { o.TimeKeyFormat = ptr("%d/%b/%Y %H:%M") }, object(),
			`{"create":{"_index":"fluent-bit","_id":"` + id0 + `"}}` + "\n" + `{"@timestamp":"23/Nov/2026 10:22.123Z"}`},
		{"time_key_format and nanos", config.FluentBit, func(o *Options) { o.TimeKeyFormat, o.TimeKeyNanos = ptr(`%H"%M`), ptr(true) }, object(),
			`{"create":{"_index":"fluent-bit","_id":"` + id0 + `"}}` + "\n" + `{"@timestamp":"10\"22.123456789Z"}`},
		{"time_precision", config.Fluentd, func(o *Options) { o.TimePrecision = 3 }, object(),
			`{"create":{"_index":"fluentd","_id":"` + id0 + `"}}` + "\n" + `{"@timestamp":"2026-11-23T10:22:55.123Z"}`},
		{"include_timestamp false", config.Fluentd, func(o *Options) { o.IncludeTimestamp = ptr(false) }, line,
			`{"create":{"_index":"fluentd","_id":"` + id0 + `"}}` + "\n" + `{"log":"hello"}`},
		{"Fluentd's time_key", config.Fluentd, func(o *Options) { o.Logstash, o.TimeKey = true, ptr("when") }, object("when", "2025-01-02T03:04:05+01:00"),
			`{"create":{"_index":"logstash-2025.01.02","_id":"` + id0 + `"}}` + "\n" + `{"@timestamp":"2025-01-02T02:04:05.000000000Z","when":"2025-01-02T03:04:05+01:00"}`},
		{"Fluentd's time_key, in a format", config.Fluentd, func(o *Options) {
			o.Logstash, o.TimeKey, o.TimeKeyFormat = true, ptr("when"), ptr("%d/%b/%Y:%H:%M:%S.%L %z")
		}, object("when", "02/Jan/2025:03:04:05.678 +0100"),
			`{"create":{"_index":"logstash-2025.01.02","_id":"` + id0 + `"}}` + "\n" + `{"@timestamp":"2025-01-02T02:04:05.678000000Z","when":"02/Jan/2025:03:04:05.678 +0100"}`},
		{"id_key", config.FluentBit, func(o *Options) { o.IDKey = "$a['b']" }, object("a", object("b", `x"y`)),
			`{"create":{"_index":"fluent-bit","_id":"x\"y"}}` + "\n" + `{` + time9 + `,"a":{"b":"x\"y"}}`},
		{"id_key, a number, Fluentd indexes", config.Fluentd, func(o *Options) { o.IDKey = "k" }, object("k", 7),
			`{"index":{"_index":"fluentd","_id":"7"}}` + "\n" + `{` + time9 + `,"k":7}`},
		{"id_key is missing", config.FluentBit, func(o *Options) { o.IDKey = "k" }, object("k", ""),
			`{"create":{"_index":"fluent-bit","_id":"` + id0 + `"}}` + "\n" + `{` + time9 + `,"k":""}`},
		{"index", config.FluentBit, func(o *Options) { o.WriteOp = ptr("index") }, object(),
			`{"index":{"_index":"fluent-bit","_id":"` + id0 + `"}}` + "\n" + `{` + time9 + `}`},
		{"update", config.FluentBit, func(o *Options) { o.WriteOp, o.IDKey = ptr("update"), "k" }, object("k", "1"),
			`{"update":{"_index":"fluent-bit","_id":"1"}}` + "\n" + `{"doc":{` + time9 + `,"k":"1"}}`},
		{"upsert", config.FluentBit, func(o *Options) { o.WriteOp, o.IDKey = ptr("upsert"), "k" }, object("k", "1"),
			`{"update":{"_index":"fluent-bit","_id":"1"}}` + "\n" + `{"doc":{` + time9 + `,"k":"1"},"doc_as_upsert":true}`},
		{"replace_dots", config.FluentBit, func(o *Options) { o.ReplaceDots = true }, object("a.b", object("c.d", 1)),
			`{"create":{"_index":"fluent-bit","_id":"` + id0 + `"}}` + "\n" + `{` + time9 + `,"a_b":{"c_d":1}}`},
		{"routing_key", config.Fluentd, func(o *Options) { o.RoutingKey = "user" }, object("user", "u1"),
			`{"create":{"_index":"fluentd","_id":"` + id0 + `","routing":"u1"}}` + "\n" + `{` + time9 + `,"user":"u1"}`},
		{"remove_keys", config.Fluentd, func(o *Options) { o.RemoveKeys = "a, b" }, object("a", 1, "b", 2, "c", 3),
			`{"create":{"_index":"fluentd","_id":"` + id0 + `"}}` + "\n" + `{` + time9 + `,"c":3}`},
		{"target_index_key", config.Fluentd, func(o *Options) { o.TargetIndex = "to" }, object("to", "Here", "c", 3),
			`{"create":{"_index":"here","_id":"` + id0 + `"}}` + "\n" + `{` + time9 + `,"c":3}`},
		{"flatten_hashes", config.Fluentd, func(o *Options) { o.Flatten = true }, object("a", object("b", 1, "c", object("d", "x")), "a_b", 2),
			`{"create":{"_index":"fluentd","_id":"` + id0 + `"}}` + "\n" + `{` + time9 + `,"a_c_d":"x","a_b":2}`},
		{"not a number", config.FluentBit, nil, object("v", math.NaN()),
			`{"create":{"_index":"fluent-bit","_id":"` + id0 + `"}}` + "\n" + `{` + time9 + `,"v":null}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := fluentBit(tt.set)
			if tt.dialect == config.Fluentd {
				o = fluentd(tt.set)
			}
			got := item(t, newDestination(t, o, tt.dialect), event(0, tt.body))
			if got != tt.want+"\n" {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestIndexNameFollowsTheRecord(t *testing.T) {
	long := strings.Repeat("x", 250)
	tests := []struct {
		name    string
		dialect config.Dialect
		set     func(*Options)
		body    []byte
		want    string
	}{
		{"strftime", config.FluentBit, func(o *Options) { o.Index = "app-%Y.%m.%d-%H" }, object(), "app-2026.11.23-10"},
		{"no padding", config.FluentBit, func(o *Options) { o.Index = "app-%Y-%-m-%-d-%j" }, object(), "app-2026-11-23-327"},
		{"weeks", config.FluentBit, func(o *Options) { o.Index = "app-%G.w%V" }, object(), "app-2026.w48"},
		{"record accessor", config.FluentBit, func(o *Options) { o.Index = "$k8s['ns']-logs" }, object("k8s", object("ns", "Shop")), "shop-logs"},
		{"tag parts", config.FluentBit, func(o *Options) { o.Index = "i-$TAG[0]" }, object(), "i-" + tag},
		{"Fluentd's tag", config.Fluentd, func(o *Options) { o.Index = "${tag}-%Y%m%d" }, object(), tag + "-20261123"},
		{"timekey_zone", config.Fluentd, func(o *Options) {
			o.Index, o.Buffer = "x-%Y%m%d-%H", &sink.BufferOptions{TimekeyZone: "+14:00"}
		}, object(), "x-20261124-00"},
		{"timekey_zone of a city", config.Fluentd, func(o *Options) {
			o.Index, o.Buffer = "x-%Y%m%d-%H", &sink.BufferOptions{Timekey: "1d", TimekeyZone: "Asia/Tokyo"}
		}, object(), "x-20261123-19"},
		{"timekey_use_utc", config.Fluentd, func(o *Options) {
			o.Index, o.Buffer = "x-%Y%m%d-%H", &sink.BufferOptions{TimekeyUseUTC: ptr(true), TimekeyZone: "+14:00"}
		}, object(), "x-20261123-10"},
		{"timekey_zone isn't that of daily indices", config.Fluentd, func(o *Options) {
			o.Logstash, o.LogstashPrefix, o.Buffer = true, "x-%d", &sink.BufferOptions{TimekeyZone: "+14:00"}
		}, object(), "x-24-2026.11.23"},
		{"Fluentd's key", config.Fluentd, func(o *Options) { o.Index = "x-${$.a.b}" }, object("a", object("b", "c")), "x-c"},
		{"prefix of the record", config.FluentBit, func(o *Options) { o.Logstash, o.LogstashPrefixKey = true, "svc" }, object("svc", "Pay"), "pay-2026.11.23"},
		{"prefix of the record, nested", config.FluentBit, func(o *Options) { o.Logstash, o.LogstashPrefixKey = true, "$a['b']" }, object("a", object("b", "c")), "c-2026.11.23"},
		{"prefix of the record is missing", config.FluentBit, func(o *Options) { o.Logstash, o.LogstashPrefixKey = true, "svc" }, object(), "logstash-2026.11.23"},
		{"prefix of the record is illegal", config.FluentBit, func(o *Options) { o.Logstash, o.LogstashPrefixKey = true, "svc" }, object("svc", "__..//"), "logstash-2026.11.23"},
		{"prefix of the record is too long", config.FluentBit, func(o *Options) { o.Logstash, o.LogstashPrefixKey = true, "svc" }, object("svc", long), "logstash-2026.11.23"},
		{"illegal characters and leads", config.FluentBit, func(o *Options) { o.Index = "_-+We*b/L ogs:#1" }, object(), "weblogs1"},
		{"upper-case beyond ASCII", config.FluentBit, func(o *Options) { o.Index = "ÄPP" }, object(), "äpp"},
		{"date math stays", config.FluentBit, func(o *Options) { o.Index = "<logs-{now/d}>" }, object(), "<logs-{now/d}>"},
		{"separator", config.FluentBit, func(o *Options) { o.Logstash, o.LogstashSeparator = true, "." }, object(), "logstash.2026.11.23"},
		{"Fluentd follows @timestamp", config.Fluentd, func(o *Options) { o.Logstash = true }, object("@timestamp", "2020-02-29T00:00:00Z"), "logstash-2020.02.29"},
		{"Fluent Bit follows the record's time", config.FluentBit, func(o *Options) { o.Logstash = true }, object("@timestamp", "2020-02-29T00:00:00Z"), "logstash-2026.11.23"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := fluentBit(tt.set)
			if tt.dialect == config.Fluentd {
				o = fluentd(tt.set)
			}
			d := newDestination(t, o, tt.dialect)
			for range 2 { // made, then looked up
				if got := d.Target([]byte(item(t, d, event(0, tt.body)))); got != tt.want {
					t.Errorf("got the index %q, want %q", got, tt.want)
				}
			}
		})
	}
}

func TestARecordsValueChoosesNoSystemIndex(t *testing.T) {
	app := func(index string) func(*Options) { return func(o *Options) { o.Index = index } }
	daily := func(o *Options) { o.Logstash, o.LogstashPrefix = true, "$app" }
	keyed := func(o *Options) { o.Logstash, o.LogstashPrefix, o.LogstashPrefixKey = true, ".own", "app" }
	target := func(o *Options) { o.TargetIndex = "app" }
	for _, c := range []struct {
		dialect     config.Dialect
		set         func(*Options)
		value, want string
	}{
		{config.FluentBit, app("$app"), ".kibana", "kibana"},
		{config.FluentBit, app("$app"), "_-.+.opendistro_security", "opendistro_security"},
		{config.FluentBit, app("$app"), "\x00.*.kib,ana", "kibana"},
		{config.FluentBit, app("$app"), "...", "fluent-bit"},
		{config.FluentBit, app("$app"), "Security-AuditLog-2026.11.23", "2026.11.23"},
		{config.FluentBit, app("$app"), ".security-auditlog.kibana", "kibana"},
		{config.FluentBit, app("-$app"), ".kibana", "kibana"},
		{config.FluentBit, app("x$app"), ".kibana", "x.kibana"},
		{config.FluentBit, app(".x-$app"), ".kibana", ".x-.kibana"},
		{config.FluentBit, app(".logs"), "", ".logs"},
		{config.FluentBit, daily, ".kibana", "kibana-2026.11.23"},
		{config.FluentBit, keyed, ".kibana", "kibana-2026.11.23"},
		{config.FluentBit, app("<$app-{now/d}>"), ".kibana", "<kibana-{now/d}>"},
		{config.FluentBit, app("<$app-{now/d}>"), "{now/d}>,<.kib", "<nowd.kib-{now/d}>"},
		{config.FluentBit, app("<.x-$app>"), "y", "<.x-y>"},
		{config.Fluentd, app("${app}"), ".kibana", "kibana"},
		{config.Fluentd, target, ".opendistro_security", "opendistro_security"},
		{config.Fluentd, target, "..", "fluentd"},
	} {
		o := fluentBit(c.set)
		if c.dialect == config.Fluentd {
			o = fluentd(c.set)
		}
		d := newDestination(t, o, c.dialect)
		if got := d.Target([]byte(item(t, d, event(0, object("app", c.value))))); got != c.want {
			t.Errorf("%s %s %q: got %q, want %q", o.Index, o.LogstashPrefix, c.value, got, c.want)
		}
	}
}

func TestIndexChangesAtMidnightUTC(t *testing.T) {
	d := newDestination(t, fluentBit(func(o *Options) { o.Logstash = true }), config.FluentBit)
	r := event(0, object())
	for _, step := range []struct {
		sec  uint32
		want string
	}{{1795478399, "logstash-2026.11.23"}, {1795478400, "logstash-2026.11.24"}, {1795478399, "logstash-2026.11.23"}, {0, "logstash-1970.01.01"}, {1<<32 - 1, "logstash-2106.02.07"}} {
		r.Time.Sec = step.sec
		if got := d.Target([]byte(item(t, d, r))); got != step.want {
			t.Errorf("second %d: got the index %q, want %q", step.sec, got, step.want)
		}
	}
}

func TestManyPrefixesTakeBoundedMemory(t *testing.T) {
	d := newDestination(t, fluentBit(func(o *Options) { o.Logstash, o.LogstashPrefixKey = true, "p" }), config.FluentBit)
	for i := range 5 * maxHeadBytes / headCost {
		item(t, d, event(0, object("p", "a"+strings.Repeat("b", i%7)+string(record.AppendText(nil, record.AppendInt(nil, int64(i)))))))
	}
	size := 0
	for key, head := range d.encoder.names.heads {
		size += headCost + len(key.values) + len(head)
	}
	if size == 0 || size > maxHeadBytes {
		t.Errorf("got heads of %d bytes kept, want at most %d", size, maxHeadBytes)
	}
	before := len(d.encoder.names.heads)
	long := item(t, d, event(0, object("p", strings.Repeat("b", 1<<20))))
	if !strings.HasPrefix(long, `{"create":{"_index":"logstash-2026.11.23"`) {
		t.Errorf("got %.80s, want an item without the prefix", long)
	}
	if n := len(d.encoder.names.heads); n != before {
		t.Errorf("got a prefix of a megabyte kept, want it forgotten")
	}
}

func TestOwnTimestampIsNeverDuplicated(t *testing.T) {
	d := newDestination(t, fluentBit(nil), config.FluentBit)
	kept := []any{"2020-02-29T01:02:03Z", "2020-02-29", "2020-02-29T01:02", "2020-02-29T01:02:03.123456789+01:00", "2020-02-29T01:02:03,5-0330", "2020-02-29T01:02:03", 1582938123000,
		record.AppendTime(nil, record.Time{Sec: 1582938123}), []byte("\xd6\xff\x5e\x59\xb8\x8b")}
	replaced := []any{"yesterday", "", "2020-02-30T01:02:03Z", "2019-02-29", "2020-02-29 01:02:03", "2020-02-29T25:00:00Z", "2020-02-29T01:02:03.1234567890Z", "2020-02-29T01:02:03Zulu", 1.5, true, nil, object("a", 1), -5, 0, 5, math.NaN(), []byte("\xd4\x05\x01")}
	check := func(v any, keep bool) {
		body := object("@timestamp", v, "log", "x", "@timestamp", v)
		_, doc, _ := strings.Cut(item(t, d, event(0, body)), "\n")
		if n := strings.Count(doc, `"@timestamp"`); n != 1 {
			t.Errorf("%v: got @timestamp %d times, want once: %s", v, n, doc)
		}
		if own := !strings.Contains(doc, time9); own != keep {
			t.Errorf("%v: got its own value kept: %t, want %t: %s", v, own, keep, doc)
		}
		if !json.Valid([]byte(doc)) {
			t.Errorf("%v: got %s, want JSON", v, doc)
		}
	}
	for _, v := range kept {
		check(v, true)
	}
	for _, v := range replaced {
		check(v, false)
	}
}

func TestANumberOfAnyUnitIsStoredAsTheTimeThatItIs(t *testing.T) {
	for _, c := range []struct {
		own  any
		want string
	}{
		{1795430441, `"2026-11-23T10:40:41.000000000Z"`},
		{1795430441000, `1795430441000`},
		{1795430441123456, `"2026-11-23T10:40:41.123456000Z"`},
		{1795430441123456789, `"2026-11-23T10:40:41.123456789Z"`},
		{1795430441.25, `"2026-11-23T10:40:41.250000000Z"`},
		{1795430441250.0, `"2026-11-23T10:40:41.250000000Z"`},
		{[]byte("\xd6\xff\x6b\x04\x18\x29"), `"2026-11-23T10:40:41.000000000Z"`},
		{12, `"2026-11-23T10:22:55.123456789Z"`}, // the record's time
	} {
		for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
			o := fluentBit(nil)
			if d == config.Fluentd {
				o = fluentd(func(o *Options) { o.Logstash = true })
			}
			got := item(t, newDestination(t, o, d), event(0, object("@timestamp", c.own)))
			action, doc, _ := strings.Cut(got, "\n")
			if want := `{"@timestamp":` + c.want + `}`; strings.TrimSpace(doc) != want {
				t.Errorf("%v: got %s, want %s", c.own, doc, want)
			}
			if d == config.Fluentd && !strings.Contains(action, "logstash-2026.11.23") {
				t.Errorf("%v: got %s, want the index of its day", c.own, action)
			}
		}
	}
}

func TestGenerateIDIsTheContents(t *testing.T) {
	d := newDestination(t, fluentBit(func(o *Options) { o.GenerateID = true }), config.FluentBit)
	a, b := item(t, d, event(1, object("log", "x"))), item(t, d, event(2, object("log", "x")))
	if a != b {
		t.Errorf("got different ids of equal documents, want the same:\n%s%s", a, b)
	}
	later := event(3, object("log", "x"))
	later.Time.Nsec++
	for _, other := range []string{item(t, d, event(1, object("log", "y"))), item(t, d, later)} {
		if idOf(t, a) == idOf(t, other) {
			t.Errorf("got one id of different documents, want two:\n%s%s", a, other)
		}
	}
	if len(idOf(t, a)) != idLen {
		t.Errorf("got the id %q, want %d characters", idOf(t, a), idLen)
	}
}

func idOf(t *testing.T, item string) string {
	t.Helper()
	line, _, _ := strings.Cut(item, "\n")
	var a map[string]struct {
		ID string `json:"_id"`
	}
	if err := json.Unmarshal([]byte(line), &a); err != nil {
		t.Fatalf("action line %s: %v", line, err)
	}
	return a["create"].ID
}

func TestRecordThatCannotBeSentLeavesTheBodyAsItWas(t *testing.T) {
	d := newDestination(t, fluentBit(func(o *Options) { o.WriteOp, o.IDKey = ptr("upsert"), "k" }), config.FluentBit)
	for reason, body := range map[string][]byte{
		"no value at id_key": object("x", 1),
		"longer than 512":    object("k", strings.Repeat("x", 513)),
		"than 512 bytes":     object("k", strings.Repeat("\xff", 171)), // U+FFFD has 3 bytes
	} {
		got, err := d.Append([]byte("before"), event(0, body))
		if err == nil || !strings.Contains(err.Error(), reason) || string(got) != "before" {
			t.Errorf("got body %q and error %v, want the body as it was and %q", got, err, reason)
		}
	}
}

// A server counts the bytes of an id, not those of the JSON that it comes in.
func TestAnIDMayHave512BytesWhateverItsJSONHas(t *testing.T) {
	d := newDestination(t, fluentBit(func(o *Options) { o.IDKey = "k" }), config.FluentBit)
	for _, id := range []string{strings.Repeat("x", 512), strings.Repeat(`"`, 512), strings.Repeat("\x01", 512), strings.Repeat("é", 256)} {
		got, err := d.Append(nil, event(0, object("k", id)))
		if err != nil {
			t.Errorf("%.3q…: %v", id, err)
			continue
		}
		if sent := idOf(t, string(got)); sent != id {
			t.Errorf("got the id %.20q…, want %.3q…", sent, id)
		}
	}
}

// line is a record as Docker and ECS send it.
func line() []byte {
	return (&record.Event{Body: dockerLine(), Tail: ecsTail()}).Fold(nil)
}

// lifted is such a record with all but the line in its tail.
func lifted(body []byte) record.Event {
	log, _ := record.Find(body, "log")
	return record.Event{Tag: tag, Time: at, Body: append(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), log...),
		Tail: object("container_id", strings.Repeat("0123456789abcdef", 4), "container_name", "/ecs-web-7-app-c0ffee", "source", "stdout",
			"ecs_cluster", "demo", "ecs_task_arn", "arn:aws:ecs:eu-west-1:123456789012:task/demo/0123456789abcdef", "ecs_task_definition", "web:7")}
}

// dockerLine is what Docker sends of it, ecsTail what ECS's configuration adds.
func dockerLine() []byte {
	return object("container_id", strings.Repeat("0123456789abcdef", 4), "container_name", "/ecs-web-7-app-c0ffee", "source", "stdout",
		"log", `10.0.3.17 - - [23/Nov/2026:10:22:55 +0000] "GET /cart/items?id=42 HTTP/1.1" 200 1234 "-" "Mozilla/5.0 (X11; Linux x86_64)"`)
}

func ecsTail() []byte {
	return object("ecs_cluster", "demo", "ecs_task_arn", "arn:aws:ecs:eu-west-1:123456789012:task/demo/0123456789abcdef", "ecs_task_definition", "web:7")
}

func TestAppendAllocatesNothing(t *testing.T) {
	for name, set := range map[string]func(*Options){
		"daily":       func(o *Options) { o.Logstash = true },
		"tag":         func(o *Options) { o.IncludeTag = true },
		"prefix key":  func(o *Options) { o.Logstash, o.LogstashPrefixKey = true, "source" },
		"generate id": func(o *Options) { o.GenerateID = true },
		"id key":      func(o *Options) { o.IDKey = "container_id" },
		"type":        func(o *Options) { o.Type = ptr("_doc") },
		"format":      func(o *Options) { o.TimeKeyFormat = ptr("%Y/%m/%d %H:%M:%S") },
	} {
		d := newDestination(t, fluentBit(set), config.FluentBit)
		whole, tailed := event(1, line()), event(1, dockerLine())
		tailed.Tail = ecsTail()
		if d.encoder.encodeTail(tailed); tailed.Shared.Apart == (name == "generate id") {
			t.Errorf("%s: got the tail encoded apart: %t, want the opposite", name, tailed.Shared.Apart)
		}
		if n := testing.AllocsPerRun(200, func() { tailed.Shared.Tail = nil; d.encoder.encodeTail(tailed) }); n != 0 {
			t.Errorf("%s: got %v allocations a tail, want none", name, n)
		}
		for _, r := range []*sink.Record{whole, tailed} {
			body := make([]byte, 0, 4096)
			n := testing.AllocsPerRun(200, func() {
				r.ID.Pos++
				body, _ = d.Append(body[:0], r)
			})
			if n != 0 {
				t.Errorf("%s, tail of %d bytes: got %v allocations a record, want none", name, len(r.Tail), n)
			}
		}
	}
}

// shuffled are records as line's, their members in any order, as Docker's log driver sends them, and their logs of any length.
func shuffled(n int) []record.Event {
	random := rand.New(rand.NewPCG(1, 2))
	events := make([]record.Event, n)
	for i := range events {
		var members [][]byte
		for f := record.FieldsOf(line()); f.Next(); {
			value := f.Value()
			if string(f.Key()) == "log" {
				text, _ := record.Text(value)
				value = record.AppendStrBytes(nil, bytes.Repeat(text, 3)[:random.IntN(3*len(text))])
			}
			members = append(members, append(bytes.Clone(f.RawKey()), value...))
		}
		random.Shuffle(4, func(i, j int) { members[i], members[j] = members[j], members[i] })
		body := bytes.Join(append([][]byte{record.AppendMapHeader(nil, len(members))}, members...), nil)
		events[i] = record.Event{Tag: tag, Time: record.Time{Sec: at.Sec + uint32(i/100), Nsec: uint32(i) * 1e5}, Body: body}
	}
	return events
}

// BenchmarkBatchToNDJSON takes a batch of records as ECS's configuration makes them: whole, with what it adds as their tail,
// with what the container adds in it too, or each one another.
func BenchmarkBatchToNDJSON(b *testing.B) {
	for name, events := range map[string][]record.Event{
		"whole":    slices.Repeat([]record.Event{{Tag: tag, Time: at, Body: line()}}, 1000),
		"tail":     slices.Repeat([]record.Event{{Tag: tag, Time: at, Body: dockerLine(), Tail: ecsTail()}}, 1000),
		"lifted":   slices.Repeat([]record.Event{lifted(dockerLine())}, 1000),
		"shuffled": shuffled(1000),
	} {
		b.Run(name, func(b *testing.B) { benchBatch(b, events) })
	}
}

func benchBatch(b *testing.B, events []record.Event) {
	d := newDestination(b, fluentBit(func(o *Options) { o.Logstash, o.LogstashPrefix, o.LogstashDateFormat = true, "web", "%Y-%m-%d" }), config.FluentBit)
	var batch record.Batch
	for i := range events {
		batch.AddEvent(&events[i])
	}
	body := make([]byte, 0, 2<<20)
	b.SetBytes(int64(batch.Len()))
	b.ReportAllocs()
	records := 0
	reader := record.ReadBatch(batch.Bytes())
	r := &sink.Record{}
	for b.Loop() {
		body = body[:0]
		r.NextBatch()
		for reader.Reset(batch.Bytes()); reader.Next(&r.Event); records++ {
			r.ID.Pos++
			body, _ = d.Append(body, r)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/record")
}
