package tcp

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// serve accepts one connection after the other, each of which it gives to serve.
func serve(t *testing.T, serve func(net.Conn)) (where string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { ln.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return "host 127.0.0.1\nport " + strconv.Itoa(ln.Addr().(*net.TCPAddr).Port) + "\n"
}

// read is a server that passes on what it reads in one connection.
func read(t *testing.T) (where string, got chan string) {
	t.Helper()
	got = make(chan string, 100)
	return serve(t, func(c net.Conn) {
		b, _ := io.ReadAll(c)
		got <- string(b)
	}), got
}

func open(t testing.TB, text string) sink.Destination {
	t.Helper()
	d, err := New(sinktest.Options[Options](t, config.FluentBit, text), config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestContract(t *testing.T) {
	sinktest.Run(t, sinktest.Case{
		New: func(t *testing.T) sink.Destination {
			where, _ := read(t)
			return open(t, where+"format json")
		},
		Broken: func(t *testing.T) sink.Destination {
			stop := make(chan struct{})
			where := serve(t, func(net.Conn) { <-stop })
			t.Cleanup(func() { close(stop) })
			return open(t, where+"tls on") // nobody answers the handshake
		},
	})
}

func TestRecordsAreWrittenInTheFormat(t *testing.T) {
	msgpack := func(r *sink.Record) string {
		return "\x92\x92" + string(record.AppendTime(nil, r.Time)) + "\x80" + string(r.Body)
	}
	a, b := sinktest.Record("app", 1, "log", "a\nb"), sinktest.Record("app", 2, "log", "c", "x", "y")
	for options, want := range map[string]string{
		"":                   msgpack(a) + msgpack(b),
		"format json":        `[{"date":1700000000.123456,"log":"a\nb"},{"date":1700000000.123456,"log":"c","x":"y"}]`,
		"format json_lines":  `{"date":1700000000.123456,"log":"a\nb"}` + "\n" + `{"date":1700000000.123456,"log":"c","x":"y"}` + "\n",
		"format json_stream": `{"date":1700000000.123456,"log":"a\nb"}{"date":1700000000.123456,"log":"c","x":"y"}`,
		"format json_lines\njson_date_key t\njson_date_format iso8601": `{"t":"2023-11-14T22:13:20.123456Z","log":"a\nb"}` + "\n" + `{"t":"2023-11-14T22:13:20.123456Z","log":"c","x":"y"}` + "\n",
		"format json_lines\njson_date_key false":                       `{"log":"a\nb"}` + "\n" + `{"log":"c","x":"y"}` + "\n",
		"format json\nraw_message_key $log":                            "a\nb\nc\n",
	} {
		where, got := read(t)
		d := open(t, where+options)
		req, err := sinktest.Encode(d, a, b)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if r := d.Send(t.Context(), req); r.Verdict != sink.Done || r.Cause != sink.Answered {
				t.Fatalf("%s: got %+v, want done", options, r)
			}
		}
		d.Close()
		if g := <-got; g != want+want {
			t.Errorf("%s: got\n%q, want twice\n%q", options, g, want)
		}
	}
	if _, err := sinktest.Encode(open(t, "raw_message_key $none"), a); err == nil || !strings.Contains(err.Error(), "no field $none") {
		t.Errorf("a record without the field: got error %v", err)
	}
}

func TestARequestWhoseConnectionBreaksIsSentAgain(t *testing.T) {
	where := serve(t, func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 1))
		c.(*net.TCPConn).SetLinger(0)
	})
	d := open(t, where+"format json_lines")
	defer d.Close()
	req, err := sinktest.Encode(d, sinktest.Record("app", 1, "log", strings.Repeat("x", 8<<20)))
	if err != nil {
		t.Fatal(err)
	}
	for len(req.Body) < 64<<20 {
		req.Body = append(req.Body, req.Item(0)...)
		req.Ends = append(req.Ends, len(req.Body))
	}
	if r := d.Send(t.Context(), req); r.Verdict != sink.Again || r.Cause != sink.Unreached || r.Err == nil || len(r.Items) > 0 {
		t.Errorf("got %+v, want again", r)
	}
}

func TestMistakesNameTheirOption(t *testing.T) {
	for options, says := range map[string]string{
		"host a b":          "host: ",
		"raw_message_key $": "raw_message_key: ",
	} {
		if _, err := sinktest.TryOptions[Options](t, config.FluentBit, options); !strings.Contains(err, says) {
			t.Errorf("%s: got %q, want %q", options, err, says)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, options := range []string{"format msgpack", "format json_lines", "raw_message_key $log"} {
		b.Run(strings.ReplaceAll(options, " ", "_"), func(b *testing.B) {
			d := open(b, options)
			r := sinktest.Record("app", 1, "log", strings.Repeat("a line of a log ", 12), "source", "stdout", "container_name", "/ecs-web-1-web-abc", "container_id", "0123456789abcdef0123456789abcdef")
			var body []byte
			b.ReportAllocs()
			for b.Loop() {
				body, _ = d.Append(body[:0], r)
			}
			if n := testing.AllocsPerRun(100, func() { body, _ = d.Append(body[:0], r) }); n != 0 || !bytes.Contains(body, []byte("a line")) {
				b.Errorf("got %v allocations a record, want none", n)
			}
		})
	}
}
