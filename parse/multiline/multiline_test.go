package multiline

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// set makes a Set of built-in parsers.
func set(t testing.TB, names ...string) *Set {
	t.Helper()
	list, err := FindAll("multiline.parser", names, Env{})
	if err != nil {
		t.Fatal(err)
	}
	return NewSet(list, "log", false, DefaultFlush)
}

// join sends lines through a Set, each as the field log of a record, and returns the records as JSON.
func join(s *Set, lines ...string) (out []string) {
	streams := map[string]*Stream{}
	r := s.Reader()
	emit := func(b *Block) {
		if b != nil {
			out = append(out, string(record.AppendJSON(nil, b.Append(nil))))
			s.Put(b)
		}
	}
	var order []string
	for _, line := range lines {
		body := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), line)
		group := string(r.Read(body, record.Time{Sec: 1}))
		if streams[group] == nil {
			streams[group] = new(Stream)
			order = append(order, group)
		}
		before, after, taken := s.Add(streams[group], r)
		emit(before)
		emit(after)
		if !taken {
			out = append(out, string(record.AppendJSON(nil, body)))
		}
	}
	for _, group := range order {
		emit(streams[group].Take())
	}
	return out
}

// logs wraps texts as join returns them.
func logs(texts ...string) (out []string) {
	for _, text := range texts {
		body := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), text)
		out = append(out, string(record.AppendJSON(nil, body)))
	}
	return out
}

// The traces are as each runtime prints them.
var traces = map[string][]string{
	"java": {
		"Exception in thread \"main\" java.lang.IllegalStateException: no database\n\tat com.example.App.run(App.java:17)\n\tat com.example.App.main(App.java:5)\n" +
			"Caused by: java.sql.SQLException: refused\n\tat com.example.Db.open(Db.java:40)\n\tSuppressed: java.io.IOException: closed\n\t\tat com.example.Db.close(Db.java:50)\n\t... 3 more",
		"java.lang.RuntimeException\n\tat a.B.c(B.java:1)\n\t... 12 common frames omitted",
		"javax.servlet.ServletException: x; nested exception is: \n\tjava.lang.NullPointerException\n\tat a.B.c(B.java:1)",
		"TypeError: x is not a function\n    at Object.<anonymous> (/app/index.js:1:5)\n    at Module._compile (node:internal/modules/cjs/loader:1254:14)",
		"Unhandled exception. System.InvalidOperationException: a\n ---> System.Exception: b\n   at P.Main() in /p.cs:line 3\n   --- End of inner exception stack trace ---\n   at P.Main() in /p.cs:line 7",
	},
	"python": {
		"Traceback (most recent call last):\n  File \"a.py\", line 3, in <module>\n    f()\n    ~^^\n  File \"a.py\", line 2, in f\n    raise ValueError(\"x\")\nValueError: x",
		"Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n  File \"a.py\", line 2, in g\n    h()\n  [Previous line repeated 996 more times]\nRecursionError: maximum recursion depth exceeded",
		"Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    raise KeyboardInterrupt\nKeyboardInterrupt",
	},
	"go": {
		"panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:9 +0x1d",
		"panic: a [recovered]\n\tpanic: b\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]\n\ngoroutine 1 [running]:\nmain.f(...)\n\t/a.go:3\nmain.main()\n\t/a.go:9 +0x1d\ncreated by main.g in goroutine 7\n\t/a.go:5 +0x2\n\ngoroutine 2 [chan receive, 5 minutes]:\nmain.h(0x1)\n\t/a.go:6 +0x1",
		"fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [select (no cases)]:\nmain.main()\n\t/a.go:3 +0x1",
		"2026/11/26 10:00:00 http: panic serving 127.0.0.1:4321: boom\ngoroutine 18 [running]:\nnet/http.(*conn).serve.func1()\n\t/net/http/server.go:1868 +0xb9",
	},
	"ruby": {
		"a.rb:2:in 'Integer#/': divided by 0 (ZeroDivisionError)\n\tfrom a.rb:2:in 'Object#f'\n\tfrom a.rb:5:in '<main>'",
	},
}

func TestAStackTraceIsOneRecord(t *testing.T) {
	for name, list := range traces {
		s := set(t, name)
		for _, trace := range list {
			lines := append(append([]string{"before"}, strings.Split(trace, "\n")...), "after", "later")
			want := logs("before", trace, "after", "later")
			if got := join(s, lines...); !slices.Equal(got, want) {
				t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if got, want := join(s, append(strings.Split(trace, "\n"), strings.Split(trace, "\n")...)...), logs(trace, trace); !slices.Equal(got, want) {
				t.Errorf("%s twice: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

func TestSeveralParsersJoinWhatEachKnows(t *testing.T) {
	s := set(t, "go", "java", "python", "ruby")
	var lines, want []string
	for _, list := range traces {
		for _, trace := range list {
			lines = append(append(lines, strings.Split(trace, "\n")...), "x")
			want = append(want, trace, "x")
		}
	}
	if got, want := join(s, lines...), logs(want...); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPartsOfContainersFilesAreJoinedByStream(t *testing.T) {
	for name, tt := range map[string]struct{ lines, want []string }{
		"docker": {
			[]string{
				`{"log":"one ","stream":"stdout","time":"2026-11-26T10:00:00.5Z"}`,
				`{"log":"other\n","stream":"stderr","time":"2026-11-26T10:00:00.6Z"}`,
				`{"log":"two\n","stream":"stdout","time":"2026-11-26T10:00:00.7Z"}`, "no JSON",
			},
			[]string{
				`{"log":"other\n","stream":"stderr","time":"2026-11-26T10:00:00.6Z"}`,
				`{"log":"one two\n","stream":"stdout","time":"2026-11-26T10:00:00.5Z"}`, `{"log":"no JSON"}`,
			},
		},
		"cri": {
			[]string{
				"2026-11-26T10:00:00.5+00:00 stdout P one ", "2026-11-26T10:00:00.6+00:00 stderr F other",
				"2026-11-26T10:00:00.7+00:00 stdout F two",
			},
			[]string{
				`{"time":"2026-11-26T10:00:00.6+00:00","stream":"stderr","_p":"F","log":"other"}`,
				`{"time":"2026-11-26T10:00:00.5+00:00","stream":"stdout","_p":"P","log":"one two"}`,
			},
		},
	} {
		for _, names := range [][]string{{name}, {"docker", "cri"}, {"cri", "docker"}} {
			if got := join(set(t, names...), tt.lines...); !slices.Equal(got, tt.want) {
				t.Errorf("%s by %v: got\n%s\nwant\n%s", name, names, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		}
	}
}

// own makes a Set of a section.
func own(t *testing.T, o Options) *Set {
	t.Helper()
	p, err := New(&o, config.FluentBit, parse.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return NewSet([]*Parser{p}, "log", false, DefaultFlush)
}

func rules(list ...string) (out []config.Ordered) {
	for _, r := range list {
		out = append(out, config.Ordered{Value: r})
	}
	return out
}

func TestOwnRules(t *testing.T) {
	for name, tt := range map[string]struct {
		options     Options
		lines, want []string
	}{
		"Fluent Bit's example": {
			Options{Type: "regex", Rules: rules(`"start_state"   "/([a-zA-Z]+ \d+ \d+:\d+:\d+)(.*)/" "cont"`, `"cont" "/^\s+at.*/" "cont"`)},
			[]string{"single line...", "Dec 14 06:41:08 Exception", "    at a", "    at b", "another line..."},
			[]string{"single line...", "Dec 14 06:41:08 Exception\n    at a\n    at b", "another line..."},
		},
		"everything but a beginning continues": {
			Options{Type: "regex", Rules: rules(`"start_state" "/^\d{4}-/" "cont"`, `"cont" "/^(?!\d{4}-).*/" "cont"`)},
			[]string{"2026-1", "", "b", "2026-2"},
			[]string{"2026-1\n\nb", "2026-2"},
		},
		"two beginnings and an end": {
			Options{Type: "regex", Rules: rules(`"start_state" "/^A/" "in"`, `"start_state, b" "/^B/" "in"`, `"in" "/^ /" "in"`, `"in" "/^end/" "start_state"`)},
			[]string{"A", " 1", "end", " 2", "B", " 3", "B"},
			[]string{"A\n 1\nend", " 2", "B\n 3", "B"},
		},
		"endswith": {
			Options{Type: "endswith", MatchString: `;`},
			[]string{"select", "1;", "x;"},
			[]string{"select\n1;", "x;"},
		},
		"endswith, negated": {
			Options{Type: "endswith", MatchString: `\`, Negate: true, KeyContent: "log"},
			[]string{`a \`, `b`, "c"},
			[]string{`a \` + "\nb", "c"},
		},
		"equal": {
			Options{Type: "equal", MatchString: `END`},
			[]string{"a", "b", "END", "c"},
			[]string{"a\nb\nEND", "c"},
		},
	} {
		if tt.options.KeyContent != "" { // the text follows without a newline, as in Fluent Bit
			tt.want[0] = strings.ReplaceAll(tt.want[0], "\n", "")
		}
		if got, want := join(own(t, tt.options), tt.lines...), logs(tt.want...); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestLinesAfterTheFirstAreAddedToItsLastText(t *testing.T) {
	p, err := parse.New(&parse.Options{
		Name: "p", Format: "regex", Regex: `^(?<level>[A-Z]+) (?<code>\d+) (?<message>.*)$`, Types: "code:integer", SkipEmpty: true,
	}, config.FluentBit, parse.Env{})
	if err != nil {
		t.Fatal(err)
	}
	s := NewSet([]*Parser{FirstLine(p, DefaultFlush)}, "log", false, 0)
	got := join(s, "alone", "ERROR 7 it failed", "  because", "", "INFO 1 done", "ERROR 2 ")
	want := []string{
		`{"log":"alone"}`, `{"level":"ERROR","code":7,"message":"it failed\n  because\n\n"}`,
		`{"level":"INFO","code":1,"message":"done"}`, `{"level":"ERROR","code":2}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWrongSectionsAreRefused(t *testing.T) {
	for want, o := range map[string]Options{
		`rule: is missing`:        {Type: "regex"},
		`no start_state`:          {Type: "regex", Rules: rules(`"cont" "/a/" "cont"`)},
		`no rule has the state y`: {Type: "regex", Rules: rules(`"start_state" "/a/" "y"`)},
		`is not a rule`:           {Type: "regex", Rules: rules(`"start_state"`)},
		`rule: "/(/"`:             {Type: "regex", Rules: rules(`"start_state" "/(/" ""`)},
		`match_string: is`:        {Type: "endswith"},
		`flush_timeout: "-5"`:     {Type: "equal", MatchString: "x", Flush: "-5"},
		`parser: parser "nope"`:   {Type: "equal", MatchString: "x", Parser: "nope"},
	} {
		if _, err := New(&o, config.FluentBit, parse.Env{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestConfigKnowsTheBuiltInNames(t *testing.T) {
	for _, name := range config.MultilineBuiltIns() {
		if p, err := builtIn(name); p == nil || err != nil {
			t.Errorf("%s: got %v, %v", name, p, err)
		}
	}
}

// What is longer than a Block may be comes in pieces, and nothing of it is lost.
func TestATraceWithoutEndIsCut(t *testing.T) {
	s := set(t, "java")
	lines := []string{"java.lang.Error: x"}
	for n := range maxLines + 5 {
		lines = append(lines, fmt.Sprintf("\tat x.y(%d)", n))
	}
	got := join(s, lines...)
	if len(got) != 2 {
		t.Fatalf("got %d records, want 2", len(got))
	}
	long := "\tat " + strings.Repeat("x", MaxBlock/3)
	got = join(s, "java.lang.Error: x", long, long, long, "after")
	if want := logs("java.lang.Error: x\n"+long+"\n"+long, long, "after"); !slices.Equal(got, want) {
		t.Errorf("got %d records, want the trace in two pieces and another", len(got))
	}
}

func TestALineThatBelongsToNothingCostsNoMemory(t *testing.T) {
	s := set(t, "java", "go", "python", "ruby")
	r, st := s.Reader(), new(Stream)
	body := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), "GET /index.html 200")
	if n := testing.AllocsPerRun(100, func() {
		r.Read(body, record.Time{})
		s.Add(st, r)
	}); n > 0 {
		t.Errorf("got %v allocations a line", n)
	}
}

func FuzzJoin(f *testing.F) {
	f.Add("java.lang.Error: x\n\tat a\n\nb", true)
	f.Add(`{"log":"a","stream":"stdout"}`+"\n"+`{"log":"b\n","stream":"stdout"}`, false)
	f.Add("2026-11-26T10:00:00.5+00:00 stdout P one\n2026-11-26T10:00:00.5+00:00 stdout F", false)
	f.Fuzz(func(t *testing.T, text string, languages bool) {
		names := []string{"docker", "cri"}
		if languages {
			names = []string{"java", "go", "python", "ruby"}
		}
		lines := strings.Split(text, "\n")
		got := join(set(t, names...), lines...)
		if languages {
			var all []string
			for _, one := range got {
				body, err := record.AppendFromJSON(nil, []byte(one))
				if err != nil {
					t.Skip() // not UTF-8
				}
				value, _ := record.Find(body, "log")
				s, _ := record.Text(value)
				all = append(all, string(s))
			}
			if strings.ToValidUTF8(text, "") == text && strings.TrimRight(strings.Join(all, "\n"), "\n") != strings.TrimRight(text, "\n") {
				t.Errorf("%q became %q", text, all)
			}
		}
	})
}
