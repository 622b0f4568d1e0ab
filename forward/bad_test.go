package forward

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
)

// TestBadInputIsOneClearLine holds, for every kind of bad input, the line that is logged for it, whether the connection
// survives, and that the good events before and after it are undisturbed.
func TestBadInputIsOneClearLine(t *testing.T) {
	both := []config.Dialect{config.FluentBit, config.Fluentd}
	bit, d := both[:1], both[1:]
	good := func(n int) []byte { return pack(arr{"app", n, obj{}}) }
	nested := func(n int) raw { return append(bytes.Repeat([]byte{0x91}, n), 0xc0) }
	for _, c := range []struct {
		name   string
		in     []config.Dialect
		input  []byte
		line   string // part of the one line
		closed bool   // the good event after it is not read
		acked  bool
	}{
		{"time of a wrong type", both, pack(arr{"app", true, obj{"a": 1}, obj{"chunk": "id"}}), `"reason":"bad time","message":"the time of an event has a wrong type; want an EventTime or a number of seconds: skipped"`, false, true},
		{"record is a string", both, pack(arr{"app", 1, "text", obj{"chunk": "id"}}), `"reason":"record is not a map","got":"str","message":"a record is not a map: skipped"`, false, true},
		{"record is an array", both, pack(arr{"app", arr{arr{1, arr{}}}, obj{"chunk": "id"}}), `"reason":"record is not a map","got":"array","message":"a record is not a map: skipped"`, false, true},
		{"entry is no array", both, pack(arr{"app", arr{7}, obj{"chunk": "id"}}), `"reason":"bad entry","message":"an entry is too short or not an array; want [time, record]: skipped"`, false, true},
		{"entry is too short", both, pack(arr{"app", pack(arr{1}), obj{"chunk": "id"}}), `"reason":"bad entry","message":"an entry is too short or not an array; want [time, record]: skipped"`, false, true},
		{"message is too short", both, pack(arr{"app", 1}), `"reason":"bad entry","message":"an entry is too short or not an array; want [time, record]: skipped"`, false, false},
		{"nested 10,000 deep", both, pack(arr{"app", 1, obj{"deep": nested(10_000)}, obj{"chunk": "id"}}), `"reason":"record is nested too deep","message":"a record is nested too deep; want at most 100 levels: skipped"`, false, true},
		{"entry nested 10,000 deep", both, pack(arr{"app", arr{arr{1, obj{"deep": nested(10_000)}}}}), `"reason":"record is nested too deep"`, false, false},
		{"gzip, nested 10,000 deep", both, pack(arr{"app", gz(pack(arr{1, obj{"deep": nested(10_000)}}))}), `"reason":"record is nested too deep"`, false, false},
		{"option nested 10,000 deep", both, pack(arr{"app", 1, nil, obj{"x": nested(10_000)}}), "", false, false},
		{"option is no map", both, pack(arr{"app", 1, nil, "x"}), "the option of a message is not a map: ignored", false, false},
		{"time out of range", both, pack(arr{"app", 1.7e12, nil}), "not between 1970 and 2106: the time of its arrival is used", false, false},
		{"time before 1970", both, pack(arr{"app", arr{arr{-1, nil}}}), "not between 1970 and 2106", false, false},
		{"time is NaN", both, pack(arr{"app", math.NaN(), nil}), "not between 1970 and 2106", false, false},
		{"tag is too long", both, pack(arr{strings.Repeat("t", 256), 1, obj{}}), `"bytes":256,"limit_bytes":255,"message":"the tag of a message is too long: skipped"`, false, false},

		{"nothing that anybody knows", both, []byte{0xc1}, "not MessagePack, which clients of the forward protocol send", true, false},
		{"not MessagePack in a record", both, []byte("\x93\xa3app\x01\x81\xa1a\xc1"), "not MessagePack", true, false},
		{"not MessagePack in an entry", both, []byte("\x92\xa3app\x91\x92\x01\x81\xa1a\xc1"), "the payload of a message is not a sequence of entries; want [time, record], …: connection closed", true, false},
		{"not MessagePack in a payload", both, pack(arr{"app", []byte("\x92\x01\x81\xa1a\xc1"), obj{"chunk": "id"}}), "the payload of a message is not a sequence of entries; want [time, record], …: connection closed", true, false},
		{"payload ends in an entry", both, pack(arr{"app", []byte("\x92\x01\x81\xa1a"), obj{"chunk": "id"}}), `"error":"unexpected EOF","message":"the payload of a message is not a sequence of entries`, true, false},
		{"gzip is damaged", both, pack(arr{"app", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xff\xff"), obj{"compressed": "gzip"}}), "decompressing the payload of a message failed: connection closed", true, false},
		{"gzip is cut short", both, pack(arr{"app", gz(pack(arr{1, obj{}}))[:15], obj{"compressed": "gzip"}}), `"error":"unexpected EOF","message":"decompressing the payload of a message failed`, true, false},
		{"zstd is damaged", both, pack(arr{"app", []byte("\x28\xb5\x2f\xfd\xff\xff\xff"), obj{"compressed": "zstd"}}), "decompressing the payload of a message failed: connection closed", true, false},
		{"not gzip at all", both, pack(arr{"app", []byte("\xc1\xc1\xc1"), obj{"compressed": "gzip"}}), `"got":"gzip","message":"a payload is not compressed as its option compressed specifies`, true, false},
		{"unknown compression", both, pack(arr{"app", []byte("\xc1\xc1\xc1"), obj{"compressed": "lz4"}}), `"got":"lz4","message":"the option compressed of a message is unknown; want gzip, zstd or text`, true, false},
		{"metrics", both, pack(arr{"app", []byte("\x82\xa1a\x01\xa1b\xc1"), obj{"fluent_signal": 1}}), `"reason":"not logs","got":"metrics","message":"a message doesn't contain logs; want logs only`, true, false},
		{"traces", both, pack(arr{"app", 1, obj{}, obj{"fluent_signal": 2}}), `"got":"traces"`, true, false},
		{"traces with a chunk", both, pack(arr{"app", arr{arr{1, obj{}}}, obj{"chunk": "id", "fluent_signal": 2}}), `"got":"traces"`, true, false},
		{"chunk is too long", both, pack(arr{"app", 1, obj{}, obj{"chunk": strings.Repeat("c", maxChunk)}}), `"bytes":4099,"limit_bytes":4096,"message":"the chunk id of a message is too long`, true, false},
		{"event is too large", both, []byte("\x93\xa3app\x01\x81\xa1a\xdb\xff\xff\xff\xff" + strings.Repeat("x", 17<<20)), `"message":"an event is too large`, true, false},
		{"array of four billion", both, []byte("\x93\xa3app\x01\x81\xa1a\xdd\xff\xff\xff\xff"), "the connection ended in the middle of a message", true, false},

		{"a number", bit, pack(7), `"got":"int","message":"not a message; want [tag, time, record] or [tag, entries]: connection closed"`, true, false},
		{"a map", bit, pack(obj{"log": "x"}), `"got":"map","message":"not a message`, true, false},
		{"tag is a number", bit, pack(arr{1, 1, obj{}}), `"reason":"not a message","message":"the tag of a message is not a string`, true, false},
		{"an empty array", bit, pack(arr{}), `"got":"an array of fewer than two values","message":"not a message`, true, false},
		{"a number", d, pack(7), `"got":"int","message":"not a message; want [tag, time, record] or [tag, entries]: skipped"`, false, false},
		{"a map", d, pack(obj{"log": "x"}), `"got":"map","message":"not a message`, false, false},
		{"tag is a number", d, pack(arr{1, arr{arr{1, obj{}}}, obj{"chunk": "id"}}), `"message":"the tag of a message is not a string`, false, false},
	} {
		for _, dialect := range c.in {
			t.Run(c.name+", "+dialect.String(), func(t *testing.T) {
				f := feed(dialect, defaults(dialect), join(good(1), c.input), good(2))
				want := []string{"app 1.000000000 {}", "app 2.000000000 {}"}
				if c.closed {
					want = want[:1]
				}
				wantEvents(t, f.events, want...)
				lines := strings.Count(f.log, "\n")
				if !strings.Contains(f.log, `"peer":"127.0.0.1:2"`) && c.line != "" || !strings.Contains(f.log, c.line) || lines > 1 {
					t.Errorf("got the log %s, want one line with %q", f.log, c.line)
				}
				if strings.Contains(f.log, "connection closed") != c.closed {
					t.Errorf("got this log, want the connection closed: %t\n%s", c.closed, f.log)
				}
				if acked := string(f.answer) == "\x81\xa3ack\xa2id"; acked != c.acked {
					t.Errorf("got the answer %q, want an ack: %t", f.answer, c.acked)
				}
			})
		}
	}
}

func TestOddRecordsAreTaken(t *testing.T) {
	for name, c := range map[string]struct {
		body raw
		want string
	}{
		"keys that are no strings": {raw("\x82\x01\xa1a\xc3\xa1b"), ""},
		"NaN and infinities":       {pack(obj{"a": math.NaN(), "b": math.Inf(1)}), `{"a":null,"b":null}`},
		"duplicate keys":           {raw("\x82\xa1a\x01\xa1a\x02"), `{"a":2}`},
		"invalid UTF-8":            {raw("\x81\xa1a\xa2\xff\xfe"), `{"a":"��"}`},
		"no fields":                {raw("\x80"), `{}`},
	} {
		f := feed(config.FluentBit, defaults(config.FluentBit), pack(arr{"app", 1, c.body}))
		if len(f.events) != 1 || f.log != "" || c.want != "" && f.events[0] != "app 1.000000000 "+c.want {
			t.Errorf("%s: got %q and the log %s, want one event %s", name, f.events, f.log, c.want)
		}
	}
}

func TestNilRecordIsNoEvent(t *testing.T) {
	f := feed(config.Fluentd, defaults(config.Fluentd), pack(arr{"app", 1, nil}), pack(arr{"app", arr{arr{1, nil}}, obj{"chunk": "id"}}))
	if len(f.events)+len(f.rejects) > 0 || f.log != "" || string(f.answer) != "\x81\xa3ack\xa2id" {
		t.Errorf("got %+v, want nothing but the ack", f)
	}
}

func TestInvalidEventClosesWhereTheUserWantsIt(t *testing.T) {
	o := defaults(config.Fluentd)
	o.SkipInvalid = false
	f := feed(config.Fluentd, o, pack(arr{"app", 1, "text", obj{"chunk": "id"}}, arr{"app", 1, obj{}}))
	if len(f.events)+len(f.answer) > 0 || !strings.Contains(f.log, "a record is not a map: connection closed") {
		t.Errorf("got %+v, want the connection closed without an ack", f)
	}
}

func TestRejectsAreCounted(t *testing.T) {
	f := feed(config.Fluentd, defaults(config.Fluentd), pack(arr{"app", arr{arr{1, 2}, arr{1, obj{}}, 3}}), []byte{0xc1})
	if got := strings.Join(f.rejects, ", "); got != "1 record is not a map, 1 bad entry, 1 not MessagePack" {
		t.Errorf("got %s, want each kind of reject counted once", got)
	}
}

func TestMessageOverTheLimit(t *testing.T) {
	big := obj{"log": strings.Repeat("x", 5000)}
	entries := pack(arr{1, big})
	messages := map[string][]byte{
		"message": pack(arr{"app", 1, big, obj{"chunk": "id"}}),
		"forward": pack(arr{"app", arr{arr{1, big}}, obj{"chunk": "id"}}),
		"packed":  pack(arr{"app", entries, obj{"chunk": "id"}}),
	}
	ok, after := pack(arr{"app", 1, obj{}}), pack(arr{"app", 2, obj{}})
	for name, m := range messages {
		o := defaults(config.FluentBit)
		o.BufferMaxSize = 4096
		f := feed(config.FluentBit, o, join(ok, m, after))
		if len(f.events) != 1 || len(f.answer) > 0 || !strings.Contains(f.log, `"limit_bytes":4096,"message":"a message is too large`) {
			t.Errorf("fluentbit, %s: got %d events, answer %q and log %s, want 1 event, no ack and the limit", name, len(f.events), f.answer, f.log)
		}

		o = defaults(config.Fluentd)
		o.ChunkLimit = 4096
		f = feed(config.Fluentd, o, join(ok, m, after))
		want := 2
		if name == "forward" { // its length isn't known before its end
			want = 1
		}
		if len(f.events) != want || len(f.answer) > 0 || !strings.Contains(f.log, `"limit_bytes":4096,"message":"a message is too large`) {
			t.Errorf("fluentd, %s: got %d events, answer %q and log %s, want %d events, no ack and the limit", name, len(f.events), f.answer, f.log, want)
		}

		o = defaults(config.Fluentd)
		o.ChunkWarnLimit = 4096
		f = feed(config.Fluentd, o, join(ok, m, after))
		if name != "forward" && (len(f.events) != 3 || !strings.Contains(f.log, `"limit_bytes":4096,"message":"a message is larger than chunk_size_warn_limit"`)) {
			t.Errorf("warning, %s: got %d events and log %s, want 3 events and a warning", name, len(f.events), f.log)
		}
	}
}

func TestDecompressionBombIsDefused(t *testing.T) {
	entry := pack(arr{1, obj{"log": strings.Repeat("0", 1<<20)}})
	bomb := bytes.Repeat(entry, 8)
	for name, payload := range map[string][]byte{"gzip": gz(bomb), "zstd": zst(bomb)} {
		o := defaults(config.FluentBit)
		f := feed(config.FluentBit, o, pack(arr{"app", payload, obj{"compressed": name, "chunk": "id"}}))
		if len(f.events) > 0 || len(f.answer) > 0 || !strings.Contains(f.log, `"limit_bytes":6144000,"message":"a message is too large after decompression`) {
			t.Errorf("%s: got %d events, answer %q and log %s, want nothing but the reason in the log", name, len(f.events), f.answer, f.log)
		}
	}
	one := gz(append([]byte("\x92\x01\x81\xa1a\xdb\x00\x90\x00\x00"), make([]byte, 9<<20)...)) // one event of 9 MiB
	f := feed(config.Fluentd, defaults(config.Fluentd), pack(arr{"app", one, obj{"compressed": "gzip"}}))
	if len(f.events) > 0 || !strings.Contains(f.log, `"limit_bytes":8388608,"message":"an event is too large`) {
		t.Errorf("got %d events and log %s, want none, and the limit in the log", len(f.events), f.log)
	}
}
