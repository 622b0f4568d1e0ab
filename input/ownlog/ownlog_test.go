package ownlog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// source is what logs.
type source struct{ log *input.OwnLog }

func (s source) Send(_ *testing.T, text string) {
	line, _ := json.Marshal(map[string]string{"level": "info", "log": text, "message": "m"})
	s.log.Write(append(line, '\n'))
}
func (s source) Acked(*testing.T) int { return 0 }
func (s source) Close()               {}

func TestPromises(t *testing.T) {
	inputtest.Run(t, inputtest.Subject{Open: func(t *testing.T) (input.Input, inputtest.Source) {
		log := new(input.OwnLog)
		in, err := New(&Options{}, config.Fluentd, input.Env{ID: "log", OwnLog: log})
		if err != nil {
			t.Fatal(err)
		}
		return in, source{log}
	}})
}

type collector struct {
	events   []string
	rejected int
}

func (c *collector) Add(tag []byte, at record.Time, body []byte) {
	if n, err := record.Check(body); err != nil || n != len(body) {
		c.events = append(c.events, fmt.Sprintf("%s: an invalid record %x", tag, body))
		return
	}
	c.events = append(c.events, fmt.Sprintf("%s %d %s", tag, at.Sec, record.AppendJSON(nil, body)))
}
func (c *collector) Reject(n int, _ string)      { c.rejected += n }
func (c *collector) Flush(context.Context) error { return nil }

// made returns the events of lines. The output fed gets them.
func made(t *testing.T, d config.Dialect, lines ...string) (events []string, rejected int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := new(input.OwnLog)
		in, err := New(&Options{}, d, input.Env{ID: "log.0", OwnLog: log, Feeds: func(output string) bool { return output == "fed" }})
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			log.Write([]byte(line + "\n"))
		}
		c := &collector{}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := in.Run(ctx, func() input.Receiver { return c }); err != nil {
			t.Error(err)
		}
		in.Close()
		log.Write([]byte("after the end\n"))
		events, rejected = c.events, c.rejected
	})
	return events, rejected
}

func TestALineIsAnEvent(t *testing.T) {
	for _, c := range []struct {
		name, line string
		dialect    config.Dialect
		want       string // "": none
	}{
		{"the level is in the tag, and the fields are members", `{"level":"warn","output":"es.0","retry_in_s":2.5,"time":"2023-11-14T22:13:20.5Z","message":"refused"}`, config.Fluentd,
			`fluent.warn 1700000000 {"output":"es.0","retry_in_s":2.5,"message":"refused output=\"es.0\" retry_in_s=2.5"}`},
		{"the level and the message", `{"level":"error","output":"es.0","time":"2023-11-14T22:13:20Z","message":"refused"}`, config.FluentBit,
			`log.0 1700000000 {"level":"error","message":"refused output=\"es.0\""}`},
		{"no level", `{"time":"2023-11-14T22:13:20Z","message":"m"}`, config.Fluentd, `fluent.info 1700000000 {"message":"m"}`},
		{"about an output that gets it", `{"level":"error","output":"fed","message":"refused"}`, config.Fluentd, ""},
		{"about the input itself", `{"level":"error","input":"log.0","message":"m"}`, config.Fluentd, ""},
		{"details of a filter", `{"level":"debug","filter":"lua.0","message":"m"}`, config.Fluentd, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, rejected := made(t, c.dialect, c.line)
			if want := c.want; rejected != 0 || want == "" && len(got) > 0 || want != "" && !slices.Equal(got, []string{want}) {
				t.Errorf("got %q, %d rejected, want %q", got, rejected, want)
			}
		})
	}
}

func TestWhatIsNoLineIsRejected(t *testing.T) {
	for _, line := range []string{"text", "{", "[1]", "{}}", `{"a":` + strings.Repeat("[", 1000)} {
		if got, rejected := made(t, config.Fluentd, line); len(got) > 0 || rejected != 1 {
			t.Errorf("%.20s: got %q, %d rejected, want 1 rejected", line, got, rejected)
		}
	}
}

func TestLinesThatWaitAreBounded(t *testing.T) {
	line := fmt.Sprintf(`{"level":"info","message":%q}`, strings.Repeat("x", 1000))
	const lines = 1000
	got, rejected := made(t, config.Fluentd, slices.Repeat([]string{line}, lines)...)
	if len(got)+rejected != lines || len(got) < 100 || len(got) > 150 {
		t.Errorf("got %d events and %d rejected, want about 128 KiB of events, and %d in all", len(got), rejected, lines)
	}
	long := fmt.Sprintf(`{"level":"info","message":%q}`, strings.Repeat("x", 17<<10))
	if got, rejected := made(t, config.Fluentd, long); len(got) > 0 || rejected != 1 {
		t.Errorf("got %d events and %d rejected of a line of 17 KiB, want it rejected", len(got), rejected)
	}
}

func TestALogThatNobodyReadsCostsNothing(t *testing.T) {
	log, line := new(input.OwnLog), []byte("{}\n")
	log.Follow().Close()
	if n := testing.AllocsPerRun(100, func() { log.Write(line) }); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
