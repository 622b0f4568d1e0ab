package forward

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

func gz(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func zst(b []byte) []byte {
	e, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	return e.EncodeAll(b, nil)
}

// two are two entries, and what they are as events.
func two() (entries []byte, events []string) {
	entries = pack(arr{at(1700000000, 5), obj{"log": "a"}}, arr{at(1700000001, 6), obj{"log": "b", "n": 1}})
	return entries, []string{`app 1700000000.000000005 {"log":"a"}`, `app 1700000001.000000006 {"log":"b","n":1}`}
}

func strHeader(width int, b []byte) raw {
	n := len(b)
	switch width {
	case 8:
		return append([]byte{0xd9, byte(n)}, b...)
	case 16:
		return append([]byte{0xda, byte(n >> 8), byte(n)}, b...)
	}
	return append([]byte{0xdb, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, b...)
}

func TestEveryModeGivesTheSameEvents(t *testing.T) {
	entries, want := two()
	first, second := arr{at(1700000000, 5), obj{"log": "a"}}, arr{at(1700000001, 6), obj{"log": "b", "n": 1}}
	half := len(pack(first))
	streams := map[string][]byte{
		"message":                join(pack(arr{"app", first[0], first[1]}), pack(arr{"app", second[0], second[1], nil})),
		"message, empty option":  join(pack(arr{"app", first[0], first[1], obj{}}), pack(arr{"app", second[0], second[1], obj{}})),
		"forward":                pack(arr{"app", arr{first, second}}),
		"forward, nil option":    pack(arr{"app", arr{first, second}, nil}),
		"forward, option":        pack(arr{"app", arr{first, second}, obj{"size": 2, "compressed": "text"}}),
		"forward, metadata":      pack(arr{"app", arr{arr{arr{first[0], obj{"m": 1}}, first[1]}, arr{arr{second[0], obj{}}, second[1]}}}),
		"packed bin":             pack(arr{"app", entries}),
		"packed str8":            pack(arr{"app", strHeader(8, entries), obj{"size": 2}}),
		"packed str16":           pack(arr{"app", strHeader(16, entries), obj{"compressed": "text"}}),
		"packed str32":           pack(arr{"app", strHeader(32, entries), nil}),
		"gzip":                   pack(arr{"app", gz(entries), obj{"compressed": "gzip"}}),
		"gzip as str":            pack(arr{"app", strHeader(32, gz(entries)), obj{"compressed": "gzip"}}),
		"gzip of several":        pack(arr{"app", join(gz(entries[:half]), gz(entries[half:])), obj{"compressed": "gzip"}}),
		"gzip within an event":   pack(arr{"app", join(gz(entries[:half+3]), gz(entries[half+3:])), obj{"compressed": "gzip"}}),
		"zstd":                   pack(arr{"app", zst(entries), obj{"compressed": "zstd"}}),
		"zstd of several":        pack(arr{"app", join(zst(entries[:half]), zst(entries[half:])), obj{"compressed": "zstd"}}),
		"heartbeats in between":  join([]byte{0xc0}, pack(arr{"app", arr{first}}), []byte{0xc0, 0xc0}, pack(arr{"app", arr{second}}), []byte{0xc0}),
		"no entries, then some":  join(pack(arr{"app", arr{}}), pack(arr{"app", []byte{}}), pack(arr{"app", ""}), pack(arr{"app", entries})),
		"tag as bin":             pack(arr{[]byte("app"), arr{first, second}}),
		"more values than known": join(pack(arr{"app", first[0], first[1], nil, "x", obj{"y": 1}}), pack(arr{"app", arr{append(second[:2:2], 1, arr{2})}, nil, 4, 5})),
	}
	for name, stream := range streams {
		for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
			t.Run(name+", "+d.String(), func(t *testing.T) {
				f := feed(d, defaults(d), stream)
				wantEvents(t, f.events, want...)
				if f.log != "" || len(f.rejects) > 0 || len(f.answer) > 0 {
					t.Errorf("got log %q, rejects %q and answer %q, want none", f.log, f.rejects, f.answer)
				}
				bytewise := make([][]byte, len(stream))
				for i := range stream {
					bytewise[i] = stream[i : i+1]
				}
				wantEvents(t, feed(d, defaults(d), bytewise...).events, want...)
			})
		}
	}
}

func TestTimeInEveryEncoding(t *testing.T) {
	for name, c := range map[string]struct {
		time any
		want string
	}{
		"fixext8": {raw("\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x07"), "1700000000.000000007"},
		"ext8":    {raw("\xc7\x08\x00\x65\x53\xf1\x00\x00\x00\x00\x07"), "1700000000.000000007"},
		"uint32":  {raw("\xce\x65\x53\xf1\x00"), "1700000000.000000000"},
		"int64":   {raw("\xd3\x00\x00\x00\x00\x65\x53\xf1\x00"), "1700000000.000000000"},
		"float64": {1700000000.25, "1700000000.250000000"},
		"fixint":  {7, "7.000000000"},
	} {
		f := feed(config.FluentBit, defaults(config.FluentBit), pack(arr{"app", c.time, obj{"a": 1}}), pack(arr{"app", arr{arr{c.time, obj{"a": 1}}}}))
		want := "app " + c.want + ` {"a":1}`
		t.Run(name, func(t *testing.T) { wantEvents(t, f.events, want, want) })
	}
}

func TestNoTimeIsNow(t *testing.T) {
	for name, none := range map[string]any{"nil": nil, "zero": 0, "EventTime zero": at(0, 0), "float zero": 0.0} {
		before := now().Sec
		f := feed(config.Fluentd, defaults(config.Fluentd), pack(arr{"app", none, obj{}}), pack(arr{"app", arr{arr{none, obj{}}}}))
		if len(f.events) != 2 {
			t.Fatalf("%s: got the events %q, want 2", name, f.events)
		}
		for _, ev := range f.events {
			at, err := time.Parse(time.RFC3339, string(record.AppendTimeISO(nil, record.Time{Sec: before}, 0)))
			if err != nil || !strings.HasPrefix(ev, "app 1") && !strings.HasPrefix(ev, "app 2") || time.Since(at) > time.Minute {
				t.Errorf("%s: got %q, want a time of about %d", name, ev, before)
			}
		}
	}
}

func TestJSONMessages(t *testing.T) {
	stream := `["app",1700000000,{"log":"a"}]` + "\n" + `["app",[[1700000001,{"log":"b"}],[1700000002,{"log":"c"}]],{"chunk":"x\n"}] null ["app",1700000003,{"n":1.5},{}]`
	f := feed(config.Fluentd, defaults(config.Fluentd), []byte(stream))
	wantEvents(t, f.events, `app 1700000000.000000000 {"log":"a"}`, `app 1700000001.000000000 {"log":"b"}`,
		`app 1700000002.000000000 {"log":"c"}`, `app 1700000003.000000000 {"n":1.5}`)
	if string(f.answer) != `{"ack":"x\n"}` || f.log != "" {
		t.Errorf("got answer %q and log %q, want the ack as JSON", f.answer, f.log)
	}
}

func TestChunkIsEchoedByteForByte(t *testing.T) {
	for _, chunk := range []any{"p8n9gmxTQVC8/nh2wlKKeQ==\n", []byte{0, 255, 10}, 17, strings.Repeat("c", 300), raw("\xdb\x00\x00\x00\x01x")} {
		for name, stream := range map[string][]byte{
			"message": pack(arr{"app", 1, obj{}, obj{"chunk": chunk}}),
			"forward": pack(arr{"app", arr{arr{1, obj{}}}, obj{"size": 1, "chunk": chunk}}),
			"packed":  pack(arr{"app", pack(arr{1, obj{}}), obj{"chunk": chunk, "compressed": "text"}}),
			"empty":   pack(arr{"app", arr{}, obj{"chunk": chunk}}),
			"gzip":    pack(arr{"app", gz(pack(arr{1, obj{}})), obj{"chunk": chunk, "compressed": "gzip"}}),
		} {
			f := feed(config.FluentBit, defaults(config.FluentBit), stream)
			if want := join([]byte("\x81\xa3ack"), pack(chunk)); !bytes.Equal(f.answer, want) {
				t.Errorf("%s: got answer %x, want %x", name, f.answer, want)
			}
		}
	}
	f := feed(config.FluentBit, defaults(config.FluentBit), pack(arr{"app", 1, obj{}, obj{"chunk": nil}}))
	if len(f.answer) > 0 {
		t.Errorf("got answer %x to a nil chunk, want none", f.answer)
	}
}

func TestChunkIsAckedOnlyAfterFlush(t *testing.T) {
	log := new(lines)
	s, err := listen(defaults(config.FluentBit), config.FluentBit, testEnv(log))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, s, log, &sink{entered: make(chan struct{}), release: make(chan struct{})})
	c := r.dial(t)
	c.Write(pack(arr{"app", arr{arr{1, obj{}}}, obj{"chunk": "id"}}))
	<-r.sink.entered
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Fatal("got the ack before Flush returned, want it after")
	}
	r.sink.release <- struct{}{}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	answer := make([]byte, 8)
	if n, err := c.Read(answer); string(answer[:n]) != "\x81\xa3ack\xa2id" {
		t.Fatalf("got answer %q and error %v, want the ack", answer[:n], err)
	}
}

func TestFailedFlushIsNotAcked(t *testing.T) {
	log := new(lines)
	s, err := listen(defaults(config.FluentBit), config.FluentBit, testEnv(log))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, s, log, &sink{flushErr: errTest})
	for _, m := range [][]byte{pack(arr{"app", 1, obj{}, obj{"chunk": "id"}}), pack(arr{"app", arr{arr{1, obj{}}}, obj{"chunk": "id"}})} {
		if answer := r.send(t, m); len(answer) > 0 {
			t.Errorf("got answer %q, want none", answer)
		}
	}
}

func TestOneReadIsOneFlushAndOneWrite(t *testing.T) {
	var b []byte
	for range 50 {
		b = append(b, pack(arr{"app", 1, obj{"log": "x"}, obj{"chunk": "id"}})...)
	}
	cut := len(b) - 7 // in the middle of the last message
	f := feed(config.FluentBit, defaults(config.FluentBit), b[:cut], b[cut:])
	if len(f.events) != 50 || f.flushes != 2 || f.conn.writes != 2 {
		t.Errorf("got %d events, %d flushes and %d writes, want 50, 2 and 2", len(f.events), f.flushes, f.conn.writes)
	}
	if f.conn.reads != 3 { // two, and the end
		t.Errorf("got %d reads, want 3", f.conn.reads)
	}
}

func TestMessageThatIsBrokenOffIsNotTaken(t *testing.T) {
	entries, _ := two()
	for name, m := range map[string][]byte{
		"message": pack(arr{"app", 1, obj{"log": "a"}, obj{"chunk": "id"}}),
		"forward": pack(arr{"app", arr{arr{1, obj{"log": "a"}}, arr{1, obj{"log": "b"}}}, obj{"chunk": "id"}}),
		"packed":  pack(arr{"app", entries, obj{"chunk": "id"}}),
		"gzip":    pack(arr{"app", gz(entries), obj{"chunk": "id"}}),
		"zstd":    pack(arr{"app", zst(entries), obj{"chunk": "id"}}),
	} {
		whole := pack(arr{"app", 1, obj{"first": true}})
		for cut := 1; cut < len(m); cut++ {
			f := feed(config.FluentBit, defaults(config.FluentBit), join(whole, m[:cut]))
			if len(f.events) != 1 || len(f.answer) > 0 {
				t.Fatalf("%s, cut at %d of %d: got events %q and answer %q, want the first event and no ack", name, cut, len(m), f.events, f.answer)
			}
			if !strings.Contains(f.log, "the connection ended in the middle of a message") {
				t.Fatalf("%s, cut at %d: got log %q, want where the connection ended", name, cut, f.log)
			}
		}
	}
}

// A step may hold what was added of it.
func TestReceiverIsToldThatAMessageOfEntriesWasBrokenOff(t *testing.T) {
	m := pack(arr{"app", arr{arr{1, obj{"log": "a"}}, arr{1, obj{"log": "b"}}}, obj{"chunk": "id"}})
	for cut, want := range map[int]int{len(m): 0, len(m) - 15: 1} {
		f := feed(config.FluentBit, defaults(config.FluentBit), m[:cut])
		if f.discard != want || len(f.events) > 0 != (want == 0) {
			t.Errorf("cut at %d of %d: got %d discards and events %q, want %d", cut, len(m), f.discard, f.events, want)
		}
	}
}

func TestLongMessageOfEntriesIsTaken(t *testing.T) {
	body := obj{"log": strings.Repeat("x", 60_000)}
	var entries arr
	for range 300 {
		entries = append(entries, arr{1, body})
	}
	o := defaults(config.Fluentd)
	f := feed(config.Fluentd, o, pack(arr{"app", entries, obj{"chunk": "id"}}))
	if len(f.events) != 300 || string(f.answer) != "\x81\xa3ack\xa2id" {
		t.Errorf("got %d events, answer %q and log %s, want 300 and the ack", len(f.events), f.answer, f.log)
	}
	if f.flushes < 2 {
		t.Errorf("got %d flushes, want 2 or more: the budget is less than the message", f.flushes)
	}
}

func TestTags(t *testing.T) {
	for name, c := range map[string]struct {
		d    config.Dialect
		set  func(*Options)
		want string
	}{
		"own":                    {config.FluentBit, func(*Options) {}, "app"},
		"tag_prefix":             {config.FluentBit, func(o *Options) { o.TagPrefix = "p_" }, "p_app"},
		"tag":                    {config.FluentBit, func(o *Options) { o.Tag = "t" }, "t"},
		"tag_prefix beats tag":   {config.FluentBit, func(o *Options) { o.Tag, o.TagPrefix = "t", "p." }, "p.app"},
		"add_tag_prefix":         {config.Fluentd, func(o *Options) { o.AddPrefix = "p" }, "p.app"},
		"fluentd tag":            {config.Fluentd, func(o *Options) { o.Tag = "t" }, "t"},
		"add_tag_prefix and tag": {config.Fluentd, func(o *Options) { o.Tag, o.AddPrefix = "t", "p" }, "p.t"},
	} {
		t.Run(name, func(t *testing.T) {
			o := defaults(c.d)
			c.set(o)
			f := feed(c.d, o, pack(arr{"app", 1, obj{}}), pack(arr{"app", arr{arr{2, obj{}}}}))
			wantEvents(t, f.events, c.want+" 1.000000000 {}", c.want+" 2.000000000 {}")
		})
	}
}

func TestSourceFieldsAreAdded(t *testing.T) {
	o := defaults(config.Fluentd)
	o.SourceAddress = "client"
	f := feed(config.Fluentd, o, pack(arr{"app", 1, obj{"a": 1}}, arr{"app", arr{arr{2, obj{"client": "forged"}}}}))
	wantEvents(t, f.events, `app 1.000000000 {"a":1,"client":"127.0.0.1"}`, `app 2.000000000 {"client":"127.0.0.1"}`)
}

func TestDenyKeepaliveClosesAfterOneMessage(t *testing.T) {
	o := defaults(config.Fluentd)
	o.DenyKeepalive = true
	for _, m := range [][]byte{pack(arr{"app", 1, obj{}, obj{"chunk": "id"}}), pack(arr{"app", arr{arr{1, obj{}}}, obj{"chunk": "id"}})} {
		f := feed(config.Fluentd, o, join([]byte{0xc0}, m, m))
		if len(f.events) != 1 || string(f.answer) != "\x81\xa3ack\xa2id" {
			t.Errorf("got events %q and answer %q, want 1 and the ack", f.events, f.answer)
		}
	}
}

// TestMessageIsTakenAlikeWhateverItFollows: what is remembered of the last message changes nothing about the next.
func TestMessageIsTakenAlikeWhateverItFollows(t *testing.T) {
	deep := raw("\x80")
	for range record.MaxDepth {
		deep = append(raw("\x91"), deep...)
	}
	rec := obj{"log": "x"}
	messages := map[string][]byte{
		"plain":         pack(arr{"app", at(1700000000, 1), rec}),
		"another event": pack(arr{"app", at(1700000001, 2), obj{"log": "y", "a": 1}}),
		"empty option":  pack(arr{"app", at(1700000000, 3), rec, obj{}}),
		"chunk":         pack(arr{"app", at(1700000000, 4), rec, obj{"chunk": "c1"}}),
		"nil option":    pack(arr{"app", at(1700000000, 5), rec, nil}),
		"five values":   pack(arr{"app", at(1700000000, 6), rec, obj{}, 1}),
		"two values":    pack(arr{"app", at(1700000000, 7)}),
		"zero":          pack(arr{"app", at(0, 15), rec}),
		"seconds":       pack(arr{"app", 1700000000, rec}),
		"range":         pack(arr{"app", at(1700000000, 2_000_000_000), rec}),
		"no map":        pack(arr{"app", at(1700000000, 8), "text"}),
		"nil record":    pack(arr{"app", at(1700000000, 9), nil}),
		"too deep":      pack(arr{"app", at(1700000000, 10), obj{"deep": deep}}),
		"another tag":   pack(arr{"apq", at(1700000000, 11), rec}),
		"longer tag":    pack(arr{"app2", at(1700000000, 12), rec}),
		"str8 tag":      join([]byte{0x93, 0xd9, 3}, []byte("app"), at(1700000000, 13), pack(rec)),
		"heartbeat":     {0xc0},
		"entries":       pack(arr{"app", arr{arr{at(1700000000, 14), rec}}}),
	}
	for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
		for first, a := range messages {
			for second, b := range messages {
				want := feed(d, defaults(d), a)
				if !strings.Contains(want.log, "closed") {
					next := feed(d, defaults(d), b)
					want.events, want.rejects = append(want.events, next.events...), append(want.rejects, next.rejects...)
					want.answer = append(want.answer, next.answer...)
				}
				got := feed(d, defaults(d), join(a, b))
				alike := slices.EqualFunc(got.events, want.events, func(g, w string) bool { return g == w || isNow(g) && isNow(w) })
				if !alike || !slices.Equal(got.rejects, want.rejects) || string(got.answer) != string(want.answer) {
					t.Errorf("%s, then %s: got\n%q %q %x, want\n%q %q %x", first, second, got.events, got.rejects, got.answer, want.events, want.rejects, want.answer)
				}
			}
		}
	}
}
