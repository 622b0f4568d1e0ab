package statsd

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

type source struct{ nc net.Conn }

func (s *source) Send(t *testing.T, text string) {
	if _, err := fmt.Fprintf(s.nc, "x:%s|s", text); err != nil {
		t.Fatal(err)
	}
}
func (s *source) Acked(*testing.T) int { return 0 }
func (s *source) Close()               { s.nc.Close() }

// asLog gives the field value of a set the name that the promises look for.
type asLog struct{ input.Receiver }

func (r asLog) Add(tag []byte, at record.Time, body []byte) {
	if v, ok := record.Find(body, "value"); ok {
		body = append(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), v...)
	}
	r.Receiver.Add(tag, at, body)
}

type renamed struct{ input.Input }

func (in renamed) Run(ctx context.Context, receiver func() input.Receiver) error {
	return in.Input.Run(ctx, func() input.Receiver { return asLog{receiver()} })
}

func TestPromises(t *testing.T) {
	inputtest.Run(t, inputtest.Subject{Open: func(t *testing.T) (input.Input, inputtest.Source) {
		in, err := New(&Options{Listen: "127.0.0.1"}, config.FluentBit, input.Env{ID: "statsd.0"})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := net.Dial("udp", in.(interface{ Addr() net.Addr }).Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return renamed{in}, &source{nc}
	}})
}

type collector struct {
	t      testing.TB
	events []string
}

func (c *collector) Add(_ []byte, _ record.Time, body []byte) {
	if n, err := record.Check(body); err != nil || n != len(body) {
		c.t.Errorf("a record of %d bytes isn't valid: %v", len(body), err)
	}
	c.events = append(c.events, string(record.AppendJSON(nil, body)))
}
func (c *collector) Reject(_ int, reason string) { c.events = append(c.events, reason) }
func (c *collector) Flush(context.Context) error { return nil }

// TestMetrics: as Fluent Bit 5.1.1, but for timers, which it writes as sets too, and values that are no numbers, which are 0 there.
func TestMetrics(t *testing.T) {
	for msg, want := range map[string][]string{
		"a.b:1|c":            {`{"type":"counter","bucket":"a.b","value":1.0,"sample_rate":1.0}`},
		"x:2.5|ms":           {`{"type":"timer","bucket":"x","value":2.5,"sample_rate":1.0}`},
		"g:-3|g":             {`{"type":"gauge","bucket":"g","value":-3.0,"incremental":1}`},
		"g:+4.5|g":           {`{"type":"gauge","bucket":"g","value":4.5,"incremental":1}`},
		"g:4|g":              {`{"type":"gauge","bucket":"g","value":4.0,"incremental":0}`},
		"s:abc|s":            {`{"type":"set","bucket":"s","value":"abc"}`},
		"c:1|c|@0.1":         {`{"type":"counter","bucket":"c","value":1.0,"sample_rate":0.1}`},
		"c:1|c|#t:v|@0.5":    {`{"type":"counter","bucket":"c","value":1.0,"sample_rate":0.5}`},
		"c:1|c|@x":           {`{"type":"counter","bucket":"c","value":1.0,"sample_rate":1.0}`},
		"a:1|c\nbad\n\nb:2|": {`{"type":"counter","bucket":"a","value":1.0,"sample_rate":1.0}`, "no bucket name", `{"type":"counter","bucket":"b","value":2.0,"sample_rate":1.0}`},
		"a:1":                {"no metric type"},
		"a:x|c":              {"value is not a number"},
		"a:NaN|g":            {"value is not a number"},
		"ü:1|h":              {`{"type":"counter","bucket":"ü","value":1.0,"sample_rate":1.0}`},
	} {
		c := &collector{t: t}
		(&taker{}).take(c, []byte(msg), nil)
		if !slices.Equal(c.events, want) {
			t.Errorf("%s: got %s, want %s", msg, strings.Join(c.events, " "), strings.Join(want, " "))
		}
	}
}

func FuzzMetrics(f *testing.F) {
	f.Add("a.b:1|c|@0.1")
	f.Add(":|\n:|g")
	f.Fuzz(func(t *testing.T, msg string) { (&taker{}).take(&collector{t: t}, []byte(msg), nil) })
}
