package udp

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience is how long a test waits for something that must happen, on a busy machine.
const patience = time.Minute

func listen(t *testing.T) (net.PacketConn, string) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, "host 127.0.0.1\nport " + strconv.Itoa(c.LocalAddr().(*net.UDPAddr).Port) + "\n"
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
	sinktest.Run(t, sinktest.Case{New: func(t *testing.T) sink.Destination {
		_, where := listen(t)
		return open(t, where)
	}})
}

func TestEachRecordIsADatagram(t *testing.T) {
	a, b := sinktest.Record("app", 1, "log", "a"), sinktest.Record("app", 2, "log", "c")
	for options, want := range map[string]string{
		"":                               `{"date":1700000000.123456,"log":"a"}` + "\n",
		"format json_stream":             `{"date":1700000000.123456,"log":"a"}` + "\n",
		"format json":                    `[{"date":1700000000.123456,"log":"a"}]` + "\n",
		"format msgpack":                 "\x92\x92" + string(record.AppendTime(nil, a.Time)) + "\x80" + string(a.Body),
		"raw_message_key log":            "a\n",
		"json_date_key t\nretry_limit 3": `{"t":1700000000.123456,"log":"a"}` + "\n",
	} {
		c, where := listen(t)
		d := open(t, where+options)
		defer d.Close()
		req, err := sinktest.Encode(d, a, b)
		if err != nil {
			t.Fatal(err)
		}
		if r := d.Send(t.Context(), req); r.Verdict != sink.Done || r.Cause != sink.Answered {
			t.Fatalf("%s: got %+v, want done", options, r)
		}
		for i := range 2 {
			buf := make([]byte, 1000)
			c.SetReadDeadline(time.Now().Add(patience))
			n, _, err := c.ReadFrom(buf)
			if i == 0 && string(buf[:n]) != want || i == 1 && !bytes.Equal(buf[:n], req.Item(1)) || err != nil {
				t.Errorf("%s: datagram %d: got %q and error %v, want %q", options, i, buf[:n], err, want)
			}
		}
	}
}

func TestRecordsThatNobodyTakesAreSentAgain(t *testing.T) {
	c, where := listen(t)
	c.Close()
	d := open(t, where)
	defer d.Close()
	req, err := sinktest.Encode(d, sinktest.Record("app", 1, "log", "a"))
	if err != nil {
		t.Fatal(err)
	}
	if r := d.Send(t.Context(), req); r.Verdict != sink.Again || r.Cause != sink.Unreached || !strings.Contains(r.Err.Error(), "connection refused") {
		t.Errorf("got %+v, want again since nobody listens", r)
	}
}

func TestTheLargestDatagramArrives(t *testing.T) {
	c, where := listen(t)
	d := open(t, where+"raw_message_key log")
	defer d.Close()
	if l := d.Limits(); l.MaxItem != dial.MaxDatagram {
		t.Errorf("got %+v, want items of at most %d bytes", l, dial.MaxDatagram)
	}
	req, err := sinktest.Encode(d, sinktest.Record("app", 1, "log", strings.Repeat("x", dial.MaxDatagram-1)))
	if err != nil {
		t.Fatal(err)
	}
	if r := d.Send(t.Context(), req); r.Verdict != sink.Done {
		t.Fatalf("got %+v, want done", r)
	}
	buf := make([]byte, 70_000)
	c.SetReadDeadline(time.Now().Add(patience))
	if n, _, err := c.ReadFrom(buf); n != dial.MaxDatagram || err != nil {
		t.Errorf("got %d bytes and error %v, want %d", n, err, dial.MaxDatagram)
	}
}

func BenchmarkAppend(b *testing.B) {
	d := open(b, "format json")
	r := sinktest.Record("app", 1, "log", strings.Repeat("a line of a log ", 12), "source", "stdout")
	var body []byte
	b.ReportAllocs()
	for b.Loop() {
		body, _ = d.Append(body[:0], r)
	}
	if n := testing.AllocsPerRun(100, func() { body, _ = d.Append(body[:0], r) }); n != 0 || len(body) < 200 {
		b.Errorf("got %v allocations a record, want none", n)
	}
}
