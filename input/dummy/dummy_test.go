package dummy

import (
	"context"
	"errors"
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

// A clock is what makes a tick due: Send.
type clock struct {
	in    *Input
	texts chan string
}

func (p *clock) Send(_ *testing.T, text string) { p.texts <- text }
func (p *clock) Acked(*testing.T) int           { return 0 }
func (p *clock) Close()                         {}

func (p *clock) due(ctx context.Context, _ time.Time, _ int) int {
	select {
	case text := <-p.texts:
		p.in.records = [][]byte{record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), text)}
		return 1
	case <-ctx.Done():
		return 0
	}
}

func TestPromises(t *testing.T) {
	for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
		t.Run(d.String(), func(t *testing.T) {
			inputtest.Run(t, inputtest.Subject{Open: func(t *testing.T) (input.Input, inputtest.Source) {
				in, err := New(&Options{Tag: "t", Sample: "{}", Dummy: "{}", Copies: 1, Size: 1, Rate: 1}, d, input.Env{})
				if err != nil {
					t.Fatal(err)
				}
				p := &clock{in: in.(*Input), texts: make(chan string, 10)}
				p.in.due = p.due
				return in, p
			}})
		})
	}
}

// made runs an input for a time, and returns its events, each with the milliseconds since the start (or its own time, if that
// is another one) and its record.
func made(t *testing.T, o *Options, d config.Dialect, runs time.Duration, flush func() error) (events []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		in, err := New(o, d, input.Env{ID: "dummy.0"})
		if err != nil {
			t.Fatal(err)
		}
		c := &collector{begun: time.Now(), flush: flush}
		ctx, cancel := context.WithTimeout(context.Background(), runs)
		defer cancel()
		if err := in.Run(ctx, func() input.Receiver { return c }); err != nil {
			t.Error(err)
		}
		events = c.events
	})
	return events
}

type collector struct {
	begun  time.Time
	events []string
	flush  func() error
}

func (c *collector) Add(tag []byte, at record.Time, body []byte) {
	of := time.Unix(int64(at.Sec), int64(at.Nsec)).Sub(c.begun)
	text := fmt.Sprint(of.Milliseconds())
	if of < 0 {
		text = fmt.Sprintf("%d.%09d", at.Sec, at.Nsec)
	}
	c.events = append(c.events, fmt.Sprintf("%s %s %s", text, tag, record.AppendJSON(nil, body)))
}
func (c *collector) Reject(int, string) {}
func (c *collector) Flush(context.Context) error {
	if c.flush != nil {
		return c.flush()
	}
	return nil
}

func defaults() Options {
	return Options{Dummy: `{"message":"dummy"}`, Sample: `[{"message":"sample"}]`, Rate: 1, Copies: 1, Size: 1, StartSec: -1, StartNsec: -1}
}

func TestEventsAreMadeInTime(t *testing.T) {
	bit, d := config.FluentBit, config.Fluentd
	for name, c := range map[string]struct {
		d    config.Dialect
		set  func(*Options)
		runs time.Duration
		want string
	}{
		"each second":       {bit, func(*Options) {}, 2500 * time.Millisecond, `1000 dummy.0 {"message":"dummy"}, 2000 dummy.0 {"message":"dummy"}`},
		"rate":              {bit, func(o *Options) { o.Rate, o.Dummy = 4, "{}" }, 600 * time.Millisecond, `250 dummy.0 {}, 500 dummy.0 {}`},
		"interval":          {bit, func(o *Options) { o.Rate, o.Sec, o.Nsec, o.Dummy = 9, 1, 5e8, "{}" }, 3100 * time.Millisecond, `1500 dummy.0 {}, 3000 dummy.0 {}`},
		"samples":           {bit, func(o *Options) { o.Samples, o.Copies, o.Dummy = 1, 2, "{}" }, time.Minute, `1000 dummy.0 {}, 1000 dummy.0 {}`},
		"at once":           {bit, func(o *Options) { o.AtOnce, o.Tag, o.Dummy = true, "t", "{}" }, 1100 * time.Millisecond, `0 t {}, 1000 t {}`},
		"several":           {bit, func(o *Options) { o.Dummy = `{"a":1} {"b":2}` }, 1100 * time.Millisecond, `1000 dummy.0 {"a":1}, 1000 dummy.0 {"b":2}`},
		"no JSON":           {bit, func(o *Options) { o.Dummy = `{"a"` }, 1100 * time.Millisecond, `1000 dummy.0 {"message":"dummy"}`},
		"a start":           {bit, func(o *Options) { o.StartSec, o.StartNsec, o.Dummy = 100, 5, "{}" }, 1100 * time.Millisecond, `101.000000005 dummy.0 {}`},
		"a fixed start":     {bit, func(o *Options) { o.StartSec, o.Fixed, o.Dummy = 100, true, "{}" }, 1100 * time.Millisecond, `100.000000000 dummy.0 {}`},
		"fixed":             {bit, func(o *Options) { o.Fixed, o.Dummy = true, "{}" }, 2100 * time.Millisecond, `0 dummy.0 {}, 0 dummy.0 {}`},
		"Fluentd":           {d, func(o *Options) { o.Tag = "t" }, 1100 * time.Millisecond, `1000 t {"message":"sample"}`},
		"in turn, counted":  {d, func(o *Options) { o.Tag, o.Size, o.Sample, o.Counter = "t", 3, `[{"a":1},{"b":1}]`, "n" }, 1100 * time.Millisecond, `1000 t {"a":1,"n":0}, 1000 t {"b":1,"n":1}, 1000 t {"a":1,"n":2}`},
		"Fluentd, rate 0":   {d, func(o *Options) { o.Tag, o.Rate = "t", 0 }, time.Minute, ``},
		"one object, 0.5 s": {d, func(o *Options) { o.Tag, o.Rate, o.Sample = "t", 2, `{"a":1}` }, 600 * time.Millisecond, `500 t {"a":1}`},
	} {
		o := defaults()
		c.set(&o)
		if got := strings.Join(made(t, &o, c.d, c.runs, nil), ", "); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// TestHighRateIsKept: all events of a second, although none is made alone.
func TestHighRateIsKept(t *testing.T) {
	o := defaults()
	o.Rate = 100_000
	if n := len(made(t, &o, config.FluentBit, time.Second+time.Millisecond, nil)); n < 99_000 || n > 100_100 {
		t.Errorf("got %d events in a second, want 100,000", n)
	}
}

// TestFullQueueDelaysAtMostASecond: what was due before is left out, not made up for.
func TestFullQueueDelaysAtMostASecond(t *testing.T) {
	o, first := defaults(), true
	o.Rate, o.Dummy = 10, "{}"
	events := made(t, &o, config.FluentBit, 61*time.Second, func() error {
		if first {
			first = false
			time.Sleep(time.Minute)
		}
		return nil
	})
	if n := len(events); n < 15 || n > 25 {
		t.Errorf("got %d events, want those of two seconds", n)
	}
}

// TestCopiesAreFlushedInPieces: a tick of many large events needs little memory.
func TestCopiesAreFlushedInPieces(t *testing.T) {
	o, flushes := defaults(), 0
	o.Copies, o.Samples = 10_000, 1
	made(t, &o, config.FluentBit, 2*time.Second, func() error { flushes++; return nil })
	if flushes < 2 {
		t.Errorf("got %d flushes of 10,000 events, want several", flushes)
	}
}

func TestWrongOptions(t *testing.T) {
	for want, set := range map[string]func(*Options){
		"tag: is missing; want the tag of the events":                          func(o *Options) { o.Tag = "" },
		`sample: is not a JSON object; want, for example, {"message":"dummy"}`: func(o *Options) { o.Sample = "[1]" },
		"size: must be from 1 to 1000000":                                      func(o *Options) { o.Size = 0 },
		"rate: must be from 0 to 1000000":                                      func(o *Options) { o.Rate = -1 },
	} {
		o := defaults()
		o.Tag = "t"
		set(&o)
		err := o.Check(config.Fluentd)
		var wrong *config.OptionError
		if !errors.As(err, &wrong) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	o := defaults()
	o.Dummy, o.Rate = "[]", 2_000_000
	if got := o.Warnings(); !slices.Equal(got, []string{`dummy is not a JSON object; want, for example, {"message":"dummy"}: the default is used`, "rate is 1000000 here at most, and copies 1000000"}) {
		t.Errorf("got the warnings %q, want that the default is used, and the limit", got)
	}
}
