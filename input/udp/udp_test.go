package udp

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
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// source is a client.
type source struct {
	nc     net.Conn
	format string
}

func (s *source) Send(t *testing.T, text string) {
	if _, err := fmt.Fprintf(s.nc, s.format, text); err != nil {
		t.Fatal(err)
	}
}
func (s *source) Acked(*testing.T) int { return 0 }
func (s *source) Close()               { s.nc.Close() }

func TestPromises(t *testing.T) {
	for name, c := range map[string]struct {
		o      Options
		d      config.Dialect
		format string
	}{
		"json":    {Options{}, config.FluentBit, `{"log":%q}`},
		"none":    {Options{Format: "none"}, config.FluentBit, "%s\n"},
		"Fluentd": {Options{Tag: "t", Parse: &parse.Spec{Type: "none", MessageKey: "log"}, Chomp: true}, config.Fluentd, "%s\n"},
	} {
		t.Run(name, func(t *testing.T) {
			inputtest.Run(t, inputtest.Subject{Open: func(t *testing.T) (input.Input, inputtest.Source) {
				o := c.o
				o.Listen = "127.0.0.1"
				in, err := New(&o, c.d, input.Env{ID: "udp.0"})
				if err != nil {
					t.Fatal(err)
				}
				nc, err := net.Dial("udp", in.(interface{ Addr() net.Addr }).Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				return in, &source{nc, c.format}
			}})
		})
	}
}

// collector is what a datagram becomes.
type collector struct {
	t      testing.TB
	events []string
}

func (c *collector) Add(tag []byte, _ record.Time, body []byte) {
	if n, err := record.Check(body); err != nil || n != len(body) {
		c.t.Errorf("a record of %d bytes isn't valid: %v", len(body), err)
	}
	c.events = append(c.events, string(tag)+" "+string(record.AppendJSON(nil, body)))
}
func (c *collector) Reject(_ int, reason string) { c.events = append(c.events, "refused: "+reason) }
func (c *collector) Flush(context.Context) error { return nil }

func taken(t testing.TB, o Options, d config.Dialect, env input.Env, msgs ...string) []string {
	t.Helper()
	env.ID = "udp.0"
	k, err := newTaker(&o, d, env)
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{t: t}
	for _, m := range msgs {
		k.take(c, []byte(m), func() string { return "10.0.0.1" })
	}
	return c.events
}

func TestDatagrams(t *testing.T) {
	line := []config.Instance{{ID: "p", Options: &parse.Options{Name: "p", Format: "regex", Regex: "^(?<a>\\d+)$"}}}
	for name, c := range map[string]struct {
		o    Options
		d    config.Dialect
		msgs []string
		want []string
	}{
		"json": {Options{}, config.FluentBit, []string{`{"a":1}`, "{\"a\":1}{\"b\":2}\n", `[{"a":1},2]`, `[]`}, []string{
			`udp.0 {"a":1}`, `udp.0 {"a":1}`, `udp.0 {"b":2}`, `udp.0 {"msg":[{"a":1},2]}`, `udp.0 {"msg":[]}`,
		}},
		"what isn't JSON is refused, the next datagram is taken": {Options{Tag: "t"}, config.FluentBit, []string{"plain", `{"a":`, `"str"`, "12", `{"a":1} x`, `{"b":1}`, " "}, []string{
			"refused: not JSON", "refused: not JSON", "refused: not a JSON object or array", "refused: not a JSON object or array", `t {"a":1}`, "refused: not JSON", `t {"b":1}`,
		}},
		"none": {Options{Format: "none"}, config.FluentBit, []string{"one\ntwo\n", "no end", "\nx\n", "a\nrest"}, []string{
			`udp.0 {"log":"one"}`, `udp.0 {"log":"two"}`, `udp.0 {"log":"no end"}`, `udp.0 {"log":"x"}`, `udp.0 {"log":"a"}`, `udp.0 {"log":"rest"}`,
		}},
		"separator":                    {Options{Format: "none", Separator: `\t|`}, config.FluentBit, []string{"a\t|b"}, []string{`udp.0 {"log":"a"}`, `udp.0 {"log":"b"}`}},
		"parser":                       {Options{Parser: "p", AddressKey: "from"}, config.FluentBit, []string{"12\nx"}, []string{`udp.0 {"a":"12","from":"10.0.0.1"}`, `udp.0 {"log":"x","from":"10.0.0.1"}`}},
		"address":                      {Options{AddressKey: "from"}, config.FluentBit, []string{`{"a":1}[2]`}, []string{`udp.0 {"a":1,"from":"10.0.0.1"}`, `udp.0 {"msg":[2],"from":"10.0.0.1"}`}},
		"Fluentd":                      {Options{Tag: "t", Chomp: true, AddressKey: "from", HostnameKey: "host", Parse: &parse.Spec{Type: "none", MessageKey: "m"}}, config.Fluentd, []string{"a\nb\r\n"}, []string{`t {"m":"a\nb","from":"10.0.0.1","host":"10.0.0.1"}`}},
		"newline":                      {Options{Tag: "t", Parse: &parse.Spec{Type: "none", MessageKey: "m"}}, config.Fluentd, []string{"a\n"}, []string{`t {"m":"a\n"}`}},
		"no match":                     {Options{Tag: "t", Parse: &parse.Spec{Type: "json"}}, config.Fluentd, []string{"x", `{"a":1}`}, []string{"refused: message can't be parsed", `t {"a":1}`}},
		"deep":                         {Options{}, config.FluentBit, []string{strings.Repeat("[", 60_000)}, []string{"refused: not JSON"}},
		"an array as deep as a record": {Options{}, config.FluentBit, []string{strings.Repeat("[", record.MaxDepth) + strings.Repeat("]", record.MaxDepth), "[]"}, []string{"refused: not JSON", `udp.0 {"msg":[]}`}},
		"many values":                  {Options{}, config.FluentBit, []string{strings.Repeat("{}", 3)}, []string{"udp.0 {}", "udp.0 {}", "udp.0 {}"}},
	} {
		if got := taken(t, c.o, c.d, input.Env{Parsers: line}, c.msgs...); !slices.Equal(got, c.want) {
			t.Errorf("%s: got  %q\nwant %q", name, got, c.want)
		}
	}
}

func TestWrongOptions(t *testing.T) {
	for want, c := range map[string]struct {
		o Options
		d config.Dialect
	}{
		"tag: is missing; want the tag of the events":                      {Options{}, config.Fluentd},
		parse.ErrNoSpec.Error():                                            {Options{Tag: "t"}, config.Fluentd},
		`separator: must be text with the escapes \n, \t, \r, \0 and \xNN`: {Options{Separator: `\q`}, config.FluentBit},
	} {
		if err := c.o.Check(c.d); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func FuzzDatagram(f *testing.F) {
	f.Add(`{"a":1}[1]`)
	f.Add("a\nb\n\n")
	f.Fuzz(func(t *testing.T, msg string) {
		taken(t, Options{AddressKey: "from"}, config.FluentBit, input.Env{}, msg)
		taken(t, Options{Format: "none"}, config.FluentBit, input.Env{}, msg)
	})
}
