package stdin

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// source is the other end of a pipe.
type source struct {
	w      *os.File
	format string
}

func (s *source) Send(t *testing.T, text string) {
	if _, err := fmt.Fprintf(s.w, s.format, text); err != nil {
		t.Fatal(err)
	}
}
func (s *source) Acked(*testing.T) int { return 0 }
func (s *source) Close()               { s.w.Close() }

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, w
}

func env() input.Env {
	return input.Env{ID: "stdin.0", FlushTime: 500 * time.Millisecond, Parsers: []config.Instance{{ID: "p", Options: &parse.Options{Name: "p", Format: "regex", Regex: "^(?<log>[a-z ]*)$"}}}}
}

func TestPromises(t *testing.T) {
	for parser, format := range map[string]string{"": `{"log":%q}`, "p": "%s\n"} {
		t.Run(format, func(t *testing.T) {
			inputtest.Run(t, inputtest.Subject{Open: func(t *testing.T) (input.Input, inputtest.Source) {
				r, w := pipe(t)
				in, err := newInput(&Options{Parser: parser}, env(), r)
				if err != nil {
					t.Fatal(err)
				}
				return in, &source{w, format}
			}})
		})
	}
}

type collector struct {
	t      testing.TB
	events []string
}

func (c *collector) Add(_ []byte, at record.Time, body []byte) {
	if n, err := record.Check(body); err != nil || n != len(body) {
		c.t.Errorf("a record of %d bytes isn't valid: %v", len(body), err)
	}
	text := string(record.AppendJSON(nil, body))
	if at.Sec < 1e6 {
		text = fmt.Sprintf("%d.%09d %s", at.Sec, at.Nsec, text)
	}
	c.events = append(c.events, text)
}
func (c *collector) Reject(_ int, reason string) { c.events = append(c.events, reason) }
func (c *collector) Flush(context.Context) error { return nil }

// taken is what an input makes of text that comes in pieces.
func taken(t testing.TB, o Options, pieces ...string) []string {
	t.Helper()
	in, err := newInput(&o, env(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{t: t}
	for _, p := range pieces {
		in.buf = append(in.buf, p...)
		in.take(c, false)
	}
	in.take(c, true)
	return c.events
}

func TestText(t *testing.T) {
	long := strings.Repeat("x", maxValue+1)
	for name, c := range map[string]struct {
		parser string
		pieces []string
		want   []string
	}{
		"values":          {"", []string{`{"a":1}{"b":2}` + "\n\n", "{\n \"c\":3\n}"}, []string{`{"a":1}`, `{"b":2}`, `{"c":3}`}},
		"pieces":          {"", []string{`{"a`, `":"`, `x"`, `}`}, []string{`{"a":"x"}`}},
		"a time":          {"", []string{`[1.5,{"a":1}] [2,{}]`}, []string{`1.500000000 {"a":1}`, `2.000000000 {}`}},
		"not JSON":        {"", []string{"plain {\"a\":1}\n{\"b\":2}"}, []string{notJSON, `{"b":2}`}},
		"not a map":       {"", []string{`[1] 12 "x" [1,2] [-1,{}] {"a":1}`}, []string{notMap, notMap, notMap, notMap, notMap, `{"a":1}`}},
		"cut off":         {"", []string{`{"a":`}, []string{notJSON}},
		"a number's end":  {"", []string{"1", "2 {}"}, []string{notMap, "{}"}},
		"lines":           {"p", []string{"one\ntw", "o\r\n\n12\nlast"}, []string{`{"log":"one"}`, `{"log":"two"}`, unparsed, `{"log":"last"}`}},
		"a long line":     {"p", []string{long, "xx\nshort\n"}, []string{tooLong, `{"log":"short"}`}},
		"a long value":    {"", []string{`{"a":"` + long, "\"}\n{}"}, []string{tooLong, `{}`}},
		"nested too deep": {"", []string{strings.Repeat("[", 1000) + "\n{}"}, []string{notJSON, "{}"}},
	} {
		if got := taken(t, Options{Parser: c.parser}, c.pieces...); !slices.Equal(got, c.want) {
			t.Errorf("%s: got  %.200q\nwant %q", name, got, c.want)
		}
	}
}

// TestEndOfFileEndsTheInput: Run returns, and the last value needs no newline.
func TestEndOfFileEndsTheInput(t *testing.T) {
	r, w := pipe(t)
	in, err := newInput(&Options{}, env(), r)
	if err != nil {
		t.Fatal(err)
	}
	(&source{w, `{"log":%q}`}).Send(t, "last")
	w.Close()
	c := &collector{t: t}
	if err := in.Run(context.Background(), func() input.Receiver { return c }); err != nil {
		t.Error(err)
	}
	if want := []string{`{"log":"last"}`}; !slices.Equal(c.events, want) {
		t.Errorf("got %q, want %q", c.events, want)
	}
}

func TestUnknownParser(t *testing.T) {
	if _, err := newInput(&Options{Parser: "none-such"}, env(), nil); err == nil {
		t.Error("an unknown parser is accepted")
	}
}

func FuzzText(f *testing.F) {
	f.Add(`{"a":1}[1,{}]`, 3)
	f.Add("x\n{", 1)
	f.Fuzz(func(t *testing.T, text string, at int) {
		at = min(max(at, 0), len(text))
		for _, parser := range []string{"", "p"} {
			taken(t, Options{Parser: parser}, text[:at], text[at:])
		}
	})
}

// What follows text that isn't JSON is taken at once, not when more comes.
func TestWhatFollowsWrongLinesIsTakenAtOnce(t *testing.T) {
	in, err := newInput(&Options{}, env(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{t: t}
	in.buf = []byte("one\ntwo\n{\"a\":1}\nthree\n{\"a\":2}\n")
	in.take(c, false)
	if want := []string{notJSON, notJSON, `{"a":1}`, notJSON, `{"a":2}`}; !slices.Equal(c.events, want) || len(in.buf) > 1 {
		t.Errorf("got %q and %q left, want %q", c.events, in.buf, want)
	}
}

// A discarder is a queue that always has room.
type discarder struct{}

func (discarder) Add([]byte, record.Time, []byte) {}
func (discarder) Reject(int, string)              {}
func (discarder) Flush(context.Context) error     { return nil }

// A file is always there to be read; this one has no end.
func TestAStopDoesNotReadALargeFileToItsEnd(t *testing.T) {
	f, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in, err := newInput(&Options{}, env(), f)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx, func() input.Receiver { return discarder{} }) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("Run does not end")
		in.Close()
		<-ended
	}
}
