package enrich_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/parse/multiline"
	"github.com/firelane/firelane/record"
)

// A joining is a filter multiline and what it emits.
type joining struct {
	t     *testing.T
	stage enrich.Holder
	out   *enrich.Out
	held  int
	lines int      // that were sent
	texts []string // as tag source: text
}

func newJoining(t *testing.T, o enrich.MultilineOptions, env enrich.Env) *joining {
	t.Helper()
	if o.Mode == "" {
		o.Mode = "parser"
	}
	env.Log = zerolog.Nop()
	stage, err := enrich.NewMultiline(&o, config.FluentBit, env)
	if err != nil {
		t.Fatal(err)
	}
	j := &joining{t: t, stage: stage}
	j.out = enrich.NewOut(func(ev *record.Event, of int) {
		j.held -= of
		source, _ := record.Find(ev.Body, "source")
		log, _ := record.Find(ev.Body, "log")
		name, _ := record.Text(source)
		text, _ := record.Text(log)
		j.texts = append(j.texts, fmt.Sprintf("%s %s: %s", ev.Tag, name, text))
	}, nil)
	j.out.Scratch = new(enrich.Scratch)
	return j
}

// line sends a record as Docker's log driver does: each one has its fields in another order.
func (j *joining) line(tag, container, source, text string) {
	body := record.AppendMapHeader(nil, 3)
	fields := [][2]string{{"container_id", container}, {"source", source}, {"log", text}}
	if j.lines++; j.lines%5 < 2 {
		slices.Reverse(fields)
	}
	for _, f := range fields {
		body = record.AppendStr(record.AppendStr(body, f[0]), f[1])
	}
	j.out.Reset()
	j.stage.Apply(&record.Event{Tag: tag, Time: record.Time{Sec: 1}, Body: body}, j.out)
	j.held += j.out.TakeHeld()
	if j.held != j.stage.Held() {
		j.t.Fatalf("%d events are held by what was reported; the stage says %d", j.held, j.stage.Held())
	}
}

// trace is a stack trace of n lines.
func trace(name string, n int) (lines []string) {
	lines = append(lines, "java.lang.IllegalStateException: "+name)
	for len(lines) < n {
		lines = append(lines, fmt.Sprintf("\tat com.example.%s.f%d(App.java:%d)", name, len(lines), len(lines)))
	}
	return lines
}

// Three containers each print a stack trace of 500 lines to stderr, and other lines to stdout, all at the same time.
func TestAStackTraceIsOneRecordAmongThreeContainers(t *testing.T) {
	const n = 500
	j := newJoining(t, enrich.MultilineOptions{Parsers: []string{"java"}, Key: "log", FlushMS: 2000}, enrich.Env{})
	traces := map[string][]string{}
	var want []string
	for _, c := range []string{"a", "b", "c"} {
		traces[c] = trace(c, n)
		want = append(want, "app stderr: "+strings.Join(traces[c], "\n"))
	}
	for i := range n {
		for c, lines := range traces {
			j.line("app", c, "stderr", lines[i])
			j.line("app", c, "stdout", fmt.Sprint("request ", c, i))
			want = append(want, fmt.Sprint("app stdout: request ", c, i))
		}
	}
	if j.held != 3*n {
		t.Errorf("%d lines are held, want %d", j.held, 3*n)
	}
	if next := j.stage.Expire(enrich.Everything, j.out); !next.IsZero() || j.held != 0 || j.stage.Held() != 0 {
		t.Errorf("%d lines are held after the end, the stage says %d", j.held, j.stage.Held())
	}
	slices.Sort(want)
	slices.Sort(j.texts)
	if !slices.Equal(j.texts, want) {
		t.Errorf("got %d records, want %d", len(j.texts), len(want))
	}
}

func TestJoinedLinesWaitForTheFlushTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJoining(t, enrich.MultilineOptions{Parsers: []string{"java"}, FlushMS: 500}, enrich.Env{})
		begin := time.Now()
		j.line("app", "c", "stderr", "java.lang.Error: x")
		time.Sleep(400 * time.Millisecond)
		j.line("app", "c", "stderr", "\tat a.b")
		next := j.stage.Expire(time.Now(), j.out)
		if got := next.Sub(begin); got != 900*time.Millisecond || len(j.texts) > 0 {
			t.Errorf("the lines are due after %v, %d are emitted; want 900ms after the first, 500ms after the last", got, len(j.texts))
		}
		time.Sleep(time.Until(next))
		j.stage.Expire(time.Now(), j.out)
		if want := []string{"app stderr: java.lang.Error: x\n\tat a.b"}; !slices.Equal(j.texts, want) {
			t.Errorf("got %q, want %q", j.texts, want)
		}
	})
}

// Memory is bounded: what is held the longest goes first, and no line is lost.
func TestMultilineHoldsNoMoreThanItsLimit(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	for name, share := range map[string]*budget.Share{"own limit": budget.New(1 << 30).Share(0), "budget": budget.New(1 << 20).Share(0)} {
		j := newJoining(t, enrich.MultilineOptions{Parsers: []string{"java"}, FlushMS: 2000}, enrich.Env{Share: share})
		const streams, lines = 50, 10
		for i := range lines {
			for s := range streams {
				text := "\tat " + long
				if i == 0 {
					text = "java.lang.Error: x"
				}
				j.line(fmt.Sprint("app.", s), "c", "stderr", text)
				if share.Held() > 8<<20+4*multiline.MaxBlock {
					t.Fatalf("%s: %d bytes are held", name, share.Held())
				}
			}
		}
		j.stage.Expire(enrich.Everything, j.out)
		n := 0
		for _, text := range j.texts {
			n += strings.Count(text, "\n") + 1
		}
		if n != streams*lines || j.held != 0 || share.Held() != 0 {
			t.Errorf("%s: got %d lines, want %d; %d are held, %d bytes charged", name, n, streams*lines, j.held, share.Held())
		}
	}
}

func TestWrongMultilineOptionsAreRefused(t *testing.T) {
	for want, o := range map[string]enrich.MultilineOptions{
		"multiline.parser: is missing":              {Mode: "parser"},
		`multiline.parser: multiline parser "nope"`: {Mode: "parser", Parsers: []string{"nope"}},
		"multiline.parser: excludes":                {Mode: "partial_message", Parsers: []string{"java"}},
		"flush_ms: is negative":                     {Mode: "parser", Parsers: []string{"java"}, FlushMS: -1},
	} {
		if _, err := enrich.NewMultiline(&o, config.FluentBit, enrich.Env{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func BenchmarkMultiline(b *testing.B) {
	stage, err := enrich.NewMultiline(&enrich.MultilineOptions{Mode: "parser", Parsers: []string{"java", "go", "python"}}, config.FluentBit, enrich.Env{})
	if err != nil {
		b.Fatal(err)
	}
	out := enrich.NewOut(func(*record.Event, int) {}, nil)
	out.Scratch = new(enrich.Scratch)
	body := record.AppendMapHeader(nil, 3)
	for _, text := range []string{"container_id", "0123456789abcdef", "source", "stdout", "log", `10.0.0.1 - - [26/Nov/2026:10:00:00 +0000] "GET /index.html HTTP/1.1" 200 2326`} {
		body = record.AppendStr(body, text)
	}
	b.ReportAllocs()
	for b.Loop() {
		stage.Apply(&record.Event{Tag: "app", Body: body}, out)
	}
}
