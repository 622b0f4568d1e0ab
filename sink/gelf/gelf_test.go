package gelf

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/gelf/gelftest"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience is how long a test waits for something that must happen, on a busy machine.
const patience = time.Minute

func serve(t *testing.T, network string) (*gelftest.Server, string) {
	t.Helper()
	s, err := gelftest.Listen(network)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, fmt.Sprintf("mode %s\nport %d\n", network, s.Port)
}

func open(t testing.TB, text string) sink.Destination {
	t.Helper()
	d, err := New(sinktest.Options[Options](t, config.FluentBit, text), config.FluentBit, sink.Env{Hostname: "host-1"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// event is a record of JSON, at sinktest's time.
func event(t testing.TB, js string) *sink.Record {
	t.Helper()
	body, err := record.AppendFromJSON(nil, []byte(js))
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	return &sink.Record{Event: record.Event{Tag: "app.web", Time: record.Time{Sec: 1_700_000_000, Nsec: 123_456_789}, Body: body}}
}

func TestContract(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			sinktest.Run(t, sinktest.Case{New: func(t *testing.T) sink.Destination {
				_, where := serve(t, network)
				return open(t, where+"gelf_short_message_key log")
			}})
		})
	}
	t.Run("tls", func(t *testing.T) {
		sinktest.Run(t, sinktest.Case{
			New: func(t *testing.T) sink.Destination {
				_, where := serve(t, "tcp")
				return open(t, where+"gelf_short_message_key log")
			},
			Broken: func(t *testing.T) sink.Destination {
				_, where := serve(t, "tcp")
				return open(t, strings.Replace(where, "mode tcp", "mode tls", 1)+"gelf_short_message_key log") // nobody answers the handshake
			},
		})
	})
}

func TestRecordsBecomeMessages(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 12) + "1" + strings.Repeat("}", 12)
	for _, tt := range []struct{ options, record, want string }{
		{"", `{"short_message":"a"}`, `host="host-1" short_message="a" timestamp=1700000000.123`},
		{"gelf_short_message_key log", `{"log":"a \"é\"\n","n":1,"f":-1.5,"t":true,"z":null,"id":"x","a b.c-d":"y","_u":1}`,
			`__id="x" __u=1 _a_b.c-d="y" _f=-1.5 _n=1 _t="true" host="host-1" short_message="a \"é\"\n" timestamp=1700000000.123`},
		{"gelf_short_message_key s\ngelf_full_message_key f\ngelf_host_key h\ngelf_timestamp_key t\ngelf_level_key l", `{"s":1,"f":"full","h":"web","t":1600000000.5,"l":"Err"}`,
			`full_message="full" host="web" level=3 short_message="1" timestamp=1600000000.5`},
		{"gelf_short_message_key log", `{"log":"a","level":"3","timestamp":7}`, `host="host-1" level=3 short_message="a" timestamp=7`},
		{"gelf_short_message_key log", `{"log":"a","level":"loud","timestamp":"today"}`, `_level="loud" _timestamp="today" host="host-1" short_message="a" timestamp=1700000000.123`},
		{"gelf_short_message_key log", `{"log":"","host":""}`, `host="-" short_message="-" timestamp=1700000000.123`},
		{"gelf_short_message_key log", `{"log":"a","k":{"labels":{"app":"x","n":{}},"l":[1,"b\"",true,{"c":"d\\"},[2]]}}`,
			`_k_l="1, b\", true, {\"c\":\"d\\\\\"}, [2]" _k_labels_app="x" host="host-1" short_message="a" timestamp=1700000000.123`},
		{"gelf_short_message_key log\ngelf_tag_key tag", `{"log":"a"}`, `_tag="app.web" host="host-1" short_message="a" timestamp=1700000000.123`},
		{"gelf_short_message_key log\ngelf_tag_key host", `{"log":"a"}`, `host="app.web" short_message="a" timestamp=1700000000.123`},
		{"gelf_short_message_key log", `{"log":["a","b"]}`, `host="host-1" short_message="[\"a\",\"b\"]" timestamp=1700000000.123`},
		{"gelf_short_message_key log", `{"log":"a","d":` + deep + `}`, `_d_a_a_a_a_a_a_a_a="{\"a\":{\"a\":{\"a\":{\"a\":1}}}}" host="host-1" short_message="a" timestamp=1700000000.123`},
	} {
		d := open(t, tt.options)
		req, err := sinktest.Encode(d, event(t, tt.record))
		if err != nil {
			t.Fatalf("%s %s: %v", tt.options, tt.record, err)
		}
		if got, err := gelftest.Parse(req.Item(0)); err != nil || got != tt.want {
			t.Errorf("%s %s: got %s\n%s, want\n%s (%v)", tt.options, tt.record, req.Item(0), got, tt.want, err)
		}
		d.Close()
	}
	d := open(t, "gelf_short_message_key $log")
	defer d.Close()
	if _, err := sinktest.Encode(d, event(t, `{"message":"a"}`)); err == nil || !strings.Contains(err.Error(), "no field $log, which becomes short_message") {
		t.Errorf("a record without a message: got error %v", err)
	}
}

func TestMessagesArriveByEveryNetwork(t *testing.T) {
	noise := make([]byte, 20_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	long := hex.EncodeToString(noise) // compresses to half its size
	for _, tt := range []struct {
		network, options string
		datagrams        int // at least
	}{{"tcp", "", 0}, {"udp", "", 14}, {"udp", "compress off", 14}, {"udp", "packet_size 400\ncompress off", 50}, {"udp", "packet_size 60000", 3}} {
		s, where := serve(t, tt.network)
		d := open(t, where+tt.options)
		req, err := sinktest.Encode(d, event(t, `{"short_message":"one"}`), event(t, `{"short_message":"`+long+`"}`), event(t, `{"short_message":"three"}`))
		if err != nil {
			t.Fatal(err)
		}
		if r := d.Send(t.Context(), req); r.Verdict != sink.Done || len(r.Items) > 0 {
			t.Fatalf("%s %s: got %+v, want done", tt.network, tt.options, r)
		}
		for _, want := range []string{"one", long, "three"} {
			msg, err := s.Next(patience)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := gelftest.Parse(msg); err != nil || !strings.Contains(text, `short_message="`+want+`"`) {
				t.Errorf("%s %s: got %.100s (%v), want %.20s", tt.network, tt.options, text, err, want)
			}
		}
		if s.Datagrams() < tt.datagrams {
			t.Errorf("%s %s: got %d datagrams, want at least %d", tt.network, tt.options, s.Datagrams(), tt.datagrams)
		}
		d.Close()
	}
}

func TestAMessageThatIsTooLargeForChunksIsGivenUpAlone(t *testing.T) {
	s, where := serve(t, "udp")
	noise := make([]byte, 30_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	d := open(t, where+"packet_size 128")
	defer d.Close()
	req, err := sinktest.Encode(d, event(t, `{"short_message":"one"}`), event(t, `{"short_message":"`+hex.EncodeToString(noise)+`"}`), event(t, `{"short_message":"three"}`))
	if err != nil {
		t.Fatal(err)
	}
	r := d.Send(t.Context(), req)
	if r.Verdict != sink.Done || len(r.Items) != 1 || r.Items[0].Index != 1 || r.Items[0].Verdict != sink.Never || !strings.Contains(r.Items[0].Reason, "at most 16384") {
		t.Errorf("got %+v, want the second message given up", r)
	}
	for range 2 {
		if _, err := s.Next(patience); err != nil {
			t.Fatal(err)
		}
	}
}

func TestServersThatAreGoneAreTriedAgain(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		s, where := serve(t, network)
		s.Close()
		d := open(t, where)
		req, err := sinktest.Encode(d, event(t, `{"short_message":"one"}`))
		if err != nil {
			t.Fatal(err)
		}
		if r := d.Send(t.Context(), req); r.Verdict != sink.Again || r.Cause != sink.Unreached || r.Err == nil {
			t.Errorf("%s: got %+v, want again", network, r)
		}
		d.Close()
	}
}

func TestMistakesNameTheirOption(t *testing.T) {
	for options, says := range map[string]string{
		"mode xyz":                "mode",
		"tls on\ntls.crt_file /x": "tls.crt_file: ",
	} {
		if _, err := sinktest.TryOptions[Options](t, config.FluentBit, options); !strings.Contains(err, says) {
			t.Errorf("%s: got %q, want %q", options, err, says)
		}
	}
}

func FuzzMessagesAreValid(f *testing.F) {
	f.Add([]byte(`{"log":"a","a":{"b":[1,"x\"",{"c":"\\"}]},"level":"err","id":1}`))
	f.Add([]byte(`{"log":[],"host":{},"timestamp":1e5,"é":""}`))
	d := open(f, "gelf_short_message_key log\ngelf_tag_key tag")
	f.Fuzz(func(t *testing.T, js []byte) {
		body, err := record.AppendFromJSON(nil, js)
		if err != nil || record.KindOf(body[0]) != record.KindMap {
			t.Skip()
		}
		msg, err := d.Append(nil, &sink.Record{Event: record.Event{Tag: "t", Time: record.Time{Sec: 1}, Body: body}})
		if err != nil {
			t.Skip()
		}
		if _, err := gelftest.Parse(msg); err != nil {
			t.Errorf("%s: %s: %v", js, msg, err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	d := open(b, "mode tcp\ngelf_short_message_key log\ngelf_tag_key tag")
	r := event(b, `{"log":"`+strings.Repeat("a line of a log ", 12)+`","level":"err","source":"stdout","container_name":"/ecs-web-1-web-abc","ok":true,"m":{"a":{"b":"x"}},"l":[1,"y"]}`)
	var body []byte
	b.ReportAllocs()
	for b.Loop() {
		body, _ = d.Append(body[:0], r)
	}
	if n := testing.AllocsPerRun(100, func() { body, _ = d.Append(body[:0], r) }); n != 0 || len(body) < 200 {
		b.Errorf("got %v allocations a record, want none", n)
	}
}
