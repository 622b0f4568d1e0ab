package syslog

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
	"github.com/firelane/firelane/sink/syslog/syslogtest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience is how long a test waits for something that must happen, on a busy machine.
const patience = time.Minute

func serve(t *testing.T, network string) (*syslogtest.Server, string) {
	t.Helper()
	s, err := syslogtest.Listen(network)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, fmt.Sprintf("mode %s\nport %d\n", network, s.Port)
}

func open(t testing.TB, text string) sink.Destination {
	t.Helper()
	d, err := New(sinktest.Options[Options](t, config.FluentBit, text), config.FluentBit, sink.Env{})
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
	return &sink.Record{Event: record.Event{Tag: "app", Time: record.Time{Sec: 1_700_000_000, Nsec: 123_456_789}, Body: body}}
}

func TestContract(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			sinktest.Run(t, sinktest.Case{New: func(t *testing.T) sink.Destination {
				_, where := serve(t, network)
				return open(t, where+"syslog_message_key log")
			}})
		})
	}
	t.Run("tls", func(t *testing.T) {
		sinktest.Run(t, sinktest.Case{
			New: func(t *testing.T) sink.Destination {
				_, where := serve(t, "tcp")
				return open(t, where)
			},
			Broken: func(t *testing.T) sink.Destination {
				_, where := serve(t, "tcp")
				return open(t, strings.Replace(where, "mode tcp", "mode tls", 1)) // nobody answers the handshake
			},
		})
	})
}

const all = "syslog_message_key log\nsyslog_severity_key sev\nsyslog_facility_key fac\nsyslog_hostname_key host\nsyslog_appname_key app\nsyslog_procid_key pid\nsyslog_msgid_key mid\nsyslog_sd_key sd\nsyslog_sd_key more@1\n"

func TestRecordsBecomeMessages(t *testing.T) {
	long := strings.Repeat("n", 300)
	for _, tt := range []struct{ options, record, want string }{
		{"", `{"log":"a"}`, "<14>1 2023-11-14T22:13:20.123456Z - - - - -"},
		{"syslog_message_key log", `{"log":"a é"}`, "<14>1 2023-11-14T22:13:20.123456Z - - - - - \ufeffa é"},
		{"syslog_message_key $log['x']", `{"log":{"x":7}}`, "<14>1 2023-11-14T22:13:20.123456Z - - - - - \ufeff7"},
		{all, `{"log":"a","sev":"Err","fac":"local3","host":"h1","app":"web","pid":12,"mid":"M1","sd":{"a b":"x\"y\\z]","n":1.5,"t":true,"z":null,"m":{}},"more@1":{"k":"v"}}`,
			`<155>1 2023-11-14T22:13:20.123456Z h1 web 12 M1 [sd a_b="x\"y\\z\]" n="1.5" t="true"][more@1 k="v"] ` + "\ufeffa"},
		{all, `{"sev":"0","fac":"23"}`, "<184>1 2023-11-14T22:13:20.123456Z - - - - -"},
		{all, `{"sev":8,"fac":24}`, "<14>1 2023-11-14T22:13:20.123456Z - - - - -"},
		{all, `{"sev":"x","fac":"9z"}`, "<14>1 2023-11-14T22:13:20.123456Z - - - - -"},
		{all, `{"host":"a b","app":"","pid":"\u0001é"}`, "<14>1 2023-11-14T22:13:20.123456Z a_b - ___ - -"},
		{all, `{"host":"` + long + `","app":"` + long + `","pid":"` + long + `","mid":"` + long + `","sd":{"` + long + `":"v"}}`,
			"<14>1 2023-11-14T22:13:20.123456Z " + long[:255] + " " + long[:48] + " " + long[:128] + " " + long[:32] + " [sd " + long[:32] + `="v"]`},
		{"syslog_hostname_preset h\nsyslog_appname_preset a\nsyslog_procid_preset p\nsyslog_msgid_preset m\nsyslog_severity_preset 3\nsyslog_facility_preset 16", `{}`, "<131>1 2023-11-14T22:13:20.123456Z h a p m -"},
		{"syslog_message_key log", `{"log":"<13>already a message"}`, "<13>already a message"},
		{"syslog_message_key log\nsyslog_maxsize 54", `{"log":"12345éé"}`, "<14>1 2023-11-14T22:13:20.123456Z - - - - - \ufeff12345é"},
		{"syslog_message_key log\nsyslog_maxsize 55", `{"log":"12345éé"}`, "<14>1 2023-11-14T22:13:20.123456Z - - - - - \ufeff12345é"},
		{"syslog_message_key log\nsyslog_maxsize 56", `{"log":"12345éé"}`, "<14>1 2023-11-14T22:13:20.123456Z - - - - - \ufeff12345éé"},
		{"syslog_format rfc3164\n" + all, `{"log":"a","host":"h1","app":"web","pid":12}`, "<14>Nov 14 22:13:20 h1 web[12]: a"},
		{"syslog_format rfc3164\n" + all, `{"log":"a","app":"web"}`, "<14>Nov 14 22:13:20 web: a"},
		{"syslog_format rfc3164\nsyslog_message_key log", `{"log":"a"}`, "<14>Nov 14 22:13:20 a"},
		{"syslog_format rfc3164\nsyslog_message_key log", `{"log":"` + strings.Repeat("x", 2000) + `"}`, "<14>Nov 14 22:13:20 " + strings.Repeat("x", 1024-20)},
	} {
		d := open(t, "mode udp\n"+tt.options)
		req, err := sinktest.Encode(d, event(t, tt.record))
		if err != nil {
			t.Fatal(err)
		}
		got := string(req.Item(0))
		if got != tt.want {
			t.Errorf("%s %s: got\n%q, want\n%q", tt.options, tt.record, got, tt.want)
		}
		parse := syslogtest.Parse5424
		if strings.Contains(tt.options, "rfc3164") {
			parse = syslogtest.Parse3164
		}
		if _, err := parse(got); err != nil && !strings.HasPrefix(got, "<13>already") {
			t.Error(err)
		}
		d.Close()
	}
}

func TestMessagesArriveByEveryNetwork(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		s, where := serve(t, network)
		d := open(t, where+"syslog_message_key log\nsyslog_maxsize 4k")
		req, err := sinktest.Encode(d, event(t, `{"log":"one"}`), event(t, `{"log":"two\nlines\n"}`), event(t, `{"log":"three"}`))
		if err != nil {
			t.Fatal(err)
		}
		if r := d.Send(t.Context(), req); r.Verdict != sink.Done || r.Cause != sink.Answered {
			t.Fatalf("%s: got %+v, want done", network, r)
		}
		for _, want := range []string{"one", map[string]string{"tcp": "two#012lines", "udp": "two\nlines\n"}[network], "three"} {
			line, err := s.Next(patience)
			if err != nil {
				t.Fatal(err)
			}
			if m, err := syslogtest.Parse5424(line); err != nil || m.Text != want {
				t.Errorf("%s: got %q (%v), want %q", network, m.Text, err, want)
			}
		}
		d.Close()
	}
}

func TestServersThatAreGoneAreTriedAgain(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		s, where := serve(t, network)
		s.Close()
		d := open(t, where)
		req, err := sinktest.Encode(d, event(t, `{"log":"one"}`))
		if err != nil {
			t.Fatal(err)
		}
		if r := d.Send(t.Context(), req); r.Verdict != sink.Again || r.Cause != sink.Unreached || !strings.Contains(r.Err.Error(), net.JoinHostPort("127.0.0.1", fmt.Sprint(s.Port))) {
			t.Errorf("%s: got %+v, want again with the server's address", network, r)
		}
		d.Close()
	}
}

func TestMistakesNameTheirOption(t *testing.T) {
	for options, says := range map[string]string{
		"mode dtls":                 "mode: dtls is not supported",
		"mode xyz":                  "mode",
		"mode udp\ntls on":          "tls: is on, which mode udp can't have",
		"syslog_severity_preset 8":  "syslog_severity_preset: 8 is not a severity",
		"syslog_facility_preset -1": "syslog_facility_preset: -1 is not a facility",
		"syslog_message_key $":      "syslog_message_key: ",
		"syslog_sd_key $a[":         "syslog_sd_key: ",
	} {
		if _, err := sinktest.TryOptions[Options](t, config.FluentBit, options); !strings.Contains(err, says) {
			t.Errorf("%s: got %q, want %q", options, err, says)
		}
	}
	if w := sinktest.Options[Options](t, config.FluentBit, "").Warnings(); len(w) != 1 || !strings.Contains(w[0], "syslog_message_key is not set") {
		t.Errorf("got warnings %q, want one of syslog_message_key", w)
	}
}

func FuzzMessagesAreValid(f *testing.F) {
	f.Add([]byte(`{"log":"a\nb","sev":"err","sd":{"a=b":"]\""}}`))
	f.Add([]byte(`{"log":"é","host":"x y","app":"\u0000"}`))
	d := open(f, "mode udp\n"+all)
	stream := open(f, "mode tcp\n"+all)
	f.Fuzz(func(t *testing.T, js []byte) {
		body, err := record.AppendFromJSON(nil, js)
		if err != nil || record.KindOf(body[0]) != record.KindMap {
			t.Skip()
		}
		r := &sink.Record{Event: record.Event{Time: record.Time{Sec: 1_700_000_000}, Body: body}}
		req, err := sinktest.Encode(d, r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := record.Find(body, "log")
		line := string(req.Item(0))
		_, err = syslogtest.Parse5424(line)
		if whole := len(line) < 2048 && !strings.HasPrefix(string(record.AppendText(nil, text)), "<"); err != nil && whole || len(line) > 2048 {
			t.Errorf("%s: got %q: %v", js, line, err)
		}
		if req, _ := sinktest.Encode(stream, r); strings.Count(string(req.Item(0)), "\n") != 1 {
			t.Errorf("%s: got %q, want one newline", js, req.Item(0))
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, options := range []string{"rfc5424", "rfc3164"} {
		b.Run(options, func(b *testing.B) {
			d := open(b, "mode tcp\nsyslog_format "+options+"\n"+all)
			r := event(b, `{"log":"`+strings.Repeat("a line of a log ", 12)+`","sev":"err","fac":"local3","host":"h1","app":"web","pid":12,"sd":{"a":"x\"y"}}`)
			var body []byte
			b.ReportAllocs()
			for b.Loop() {
				body, _ = d.Append(body[:0], r)
			}
			if n := testing.AllocsPerRun(100, func() { body, _ = d.Append(body[:0], r) }); n != 0 {
				b.Errorf("got %v allocations a record, want none", n)
			}
		})
	}
}
