package sample

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/router"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is the time of all lines.
var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// compile compiles a configuration in the test's own folder, which becomes the working directory.
func compile(t testing.TB, name, text string) *config.Plan {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, diags := config.Compile(name, router.Catalogue(), func(string) (string, bool) { return "", false })
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return plan
}

// run takes lines through a plan.
func run(t testing.TB, plan *config.Plan, lines io.Reader, see func(*Line) error) *Sample {
	t.Helper()
	s, diags := New(Options{Plan: plan, Time: noon})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	defer s.Close()
	if err := s.Read(lines, see); err != nil {
		t.Fatal(err)
	}
	return s
}

// report is a report of either kind.
type report interface {
	Line(l *Line) error
	End() error
}

func reported(t testing.TB, plan *config.Plan, lines string, r report) *Sample {
	t.Helper()
	s := run(t, plan, strings.NewReader(lines), r.Line)
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestReportsAreTheGoldenOnes: each case is a configuration and lines, and their reports; -update writes these.
func TestReportsAreTheGoldenOnes(t *testing.T) {
	time.Local = time.UTC
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		file, _ = filepath.Abs(file)
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			sections := map[string]string{}
			for _, f := range a.Files {
				sections[f.Name] = string(f.Data)
				if strings.HasPrefix(f.Name, "parsers") {
					if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			conf := a.Files[0].Name
			plan := compile(t, conf, sections[conf])
			lines := strings.TrimSuffix(sections["lines"], "\\\n")
			var text, lineJSON, wanted bytes.Buffer
			s := reported(t, plan, lines, NewText(&text, plan, "TAG", noon))
			for _, note := range s.Notes() {
				fmt.Fprintln(&text, "note:", note)
			}
			reported(t, plan, lines, NewJSON(&lineJSON, plan))
			reported(t, plan, lines, NewWriter(&wanted, plan, s.Tag(), noon))
			got := map[string]string{"text": text.String(), "json": lineJSON.String(), "expected": wanted.String()}
			a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return got[f.Name] != "" })
			for _, name := range []string{"text", "json", "expected"} {
				if !*update && got[name] != sections[name] {
					t.Errorf("%s: got\n%s\nwant\n%s", name, got[name], sections[name])
				}
				a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(got[name])})
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for line := range strings.Lines(lineJSON.String()) {
				if !json.Valid([]byte(line)) {
					t.Errorf("got %s, want JSON", line)
				}
			}
			x, err := ReadExpectations(&wanted, "want.jsonl")
			if err != nil {
				t.Fatal(err)
			}
			if out, ok := checked(t, plan, x, lines); !ok {
				t.Errorf("what was written doesn't hold:\n%s", out)
			}
		})
	}
}

// checked compares lines with expectations.
func checked(t testing.TB, plan *config.Plan, x *Expectations, lines string) (out string, ok bool) {
	t.Helper()
	var b bytes.Buffer
	c := NewChecker(&b, plan, x, "app.log")
	run(t, plan, strings.NewReader(lines), c.Line)
	ok, err := c.End()
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), ok
}

// jsonLines parses lines, and drops those with level debug.
const jsonLines = `[PARSER]
    Name own
    Format json
[INPUT]
    Name forward
    unix_path /tmp/never.sock
[FILTER]
    Name parser
    Match *
    Key_Name log
    Parser own
[FILTER]
    Name grep
    Match *
    Exclude level debug
[OUTPUT]
    Name http
    Alias a
    Match *
[OUTPUT]
    Name es
    Alias b
    Match *
    Index web
`

func TestOnlyWhatIsGivenIsCompared(t *testing.T) {
	t.Chdir(t.TempDir())
	plan := compile(t, "fluent-bit.conf", jsonLines)
	const lines = `{"level":"info","n":1,"in":{"x":1,"y":[1,2]}}` + "\n" + `{"level":"debug"}` + "\n"
	const dropped = "\n" + `{"dropped": true}`
	for _, c := range []struct{ want, diff string }{
		{`[{}, {}]` + dropped, ""},
		{`[{"output": "b", "index": "web"}, {"output": "a"}]` + dropped, ""}, // in any order
		{"# a comment\n\n" + `[{"document": {"level": "info", "in": {"x": 1}}}, {"document": {"in": {"y": [1, 2]}}}]` + dropped, ""},
		{`[{"document": {"n": 1.0, "log": null}}, {}]` + dropped, ""},
		{`[{"output": "b", "index": "web"}, {"output": "a"}]` + "\n" + `{"dropped": true, "by": "grep.0"}`, ""},
		{`[{"output": "a", "document": {"level": "warn"}}, {}]` + dropped, `app.log:1 (want.jsonl:1): a: document.level: want "warn", got "info"`},
		{`[{"output": "a", "document": {"in": {"y": [1, 3]}}}, {}]` + dropped, `a: document.in.y[1]: want 3, got 2`},
		{`[{"output": "a", "document": {"in": {"y": [1]}}}, {}]` + dropped, `a: document.in.y: want [1], got [1,2]`},
		{`[{"output": "a", "document": {"level": null}}, {}]` + dropped, `a: document.level: want nothing, got "info"`},
		{`[{"output": "b", "index": "other"}, {}]` + dropped, `b: index: want "other", got "web"`},
		{`[{"output": "c"}, {}]` + dropped, `output: want "c"`},
		{`{}` + dropped, `app.log:1 (want.jsonl:1): want 1 result, got 2: [{"output":"a"`},
		{`{"dropped": true}` + dropped, `app.log:1 (want.jsonl:1): want {"dropped": true}, got [{"output":"a"`},
		{"[{}, {}]\n{}", `app.log:2 (want.jsonl:2): want 1 result, got 0: {"dropped":true,"by":"grep.0"}`},
		{"[{}, {}]\n" + `{"dropped": true, "by": "grep.1"}`, `by: want "grep.1", got "grep.0"`},
		{"[{}, {}]", `app.log:2: want.jsonl has no line for it; it becomes {"dropped":true,"by":"grep.0"}`},
		{"[{}, {}]" + dropped + dropped, "want.jsonl:3: app.log has no line for it"},
	} {
		x, err := ReadExpectations(strings.NewReader(c.want), "want.jsonl")
		if err != nil {
			t.Fatalf("%s: %v", c.want, err)
		}
		out, ok := checked(t, plan, x, lines)
		if ok != (c.diff == "") || !strings.Contains(out, c.diff) {
			t.Errorf("%s:\ngot %v\n%s\nwant %s", c.want, ok, out, c.diff)
		}
	}
}

func TestTheFirstLineOfAFileOfExpectationsHasTheTagAndTheTime(t *testing.T) {
	x, err := ReadExpectations(strings.NewReader(`{"sample":{"tag":"web","time":"2026-11-26T12:00:00Z"}}`+"\n{}\n"), "w")
	if err != nil || x.Tag != "web" || !x.Time.Equal(noon) {
		t.Errorf("got %+v, %v", x, err)
	}
	if e, err := x.read(); err != nil || e == nil || e.number != 2 {
		t.Errorf("got %+v, %v, want line 2", e, err)
	}
}

func TestAWrongFileOfExpectationsIsOneClearLine(t *testing.T) {
	for text, want := range map[string]string{
		"{}\n{": "w:2: not JSON: ", "{}\n\n3": "w:3: want an object or an array", `{"sample":{"time":"today"}}`: "w:1: want {\"sample\"",
	} {
		x, err := ReadExpectations(strings.NewReader(text), "w")
		for more := true; more && err == nil; {
			var e *expectation
			e, err = x.read()
			more = e != nil
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestALineIsSplitAsDockerDoesAndJoinedAgain(t *testing.T) {
	t.Chdir(t.TempDir())
	conf := "[INPUT]\n    Name forward\n    unix_path /tmp/never.sock\n[OUTPUT]\n    Name http\n    Match *\n"
	for _, c := range []struct {
		service string
		size    int
		parts   int
	}{{"", 3 * dockerPart, 1}, {"[SERVICE]\n    join_partial off\n", 3 * dockerPart, 4}, {"[SERVICE]\n    join_partial off\n", dockerPart - 1, 1}, {"", dockerPart, 1}} {
		plan := compile(t, "fluent-bit.conf", c.service+conf)
		run(t, plan, strings.NewReader(strings.Repeat("x", c.size)), func(l *Line) error {
			var total int
			for _, r := range l.Results() {
				var doc struct{ Log string }
				if err := json.Unmarshal(r.Document, &doc); err != nil {
					t.Error(err)
				}
				total += len(doc.Log)
			}
			if len(l.Paths) != c.parts || total != c.size {
				t.Errorf("a line of %d bytes: got %d records with %d bytes of text, want %d records", c.size, len(l.Paths), total, c.parts)
			}
			return nil
		})
	}
}

func TestTheTagIsOneThatAnOutputTakes(t *testing.T) {
	t.Chdir(t.TempDir())
	output := func(match string) string { return "[OUTPUT]\n    Name null\n    " + match + "\n" }
	const input = "[INPUT]\n    Name forward\n    unix_path /tmp/never.sock\n"
	for conf, want := range map[string]string{
		input + output("Match *"):                              "app-firelens-sample",
		input + output("Match app-firelens*"):                  "app-firelens-sample",
		input + output("Match web-firelens*"):                  "web-firelens-sample",
		input + output("Match web-*"):                          "web--firelens-sample",
		input + output("Match exact"):                          "exact",
		input + output("Match_Regex ^web"):                     "app-firelens-sample",
		input + "    tag_prefix x.\n" + output("Match x.app*"): "app-firelens-sample",
	} {
		if got := DefaultTag(compile(t, "fluent-bit.conf", conf)); got != want {
			t.Errorf("%s: got %q, want %q", conf, got, want)
		}
	}
	const fluentd = "<source>\n  @type unix\n  path /tmp/never.sock\n</source>\n<match web-firelens**>\n  @type null\n</match>\n"
	if got := DefaultTag(compile(t, "fluent.conf", fluentd)); got != "web-firelens-sample" {
		t.Errorf("got %q, want web-firelens-sample", got)
	}
}

// repeated reads as the same text, a number of times; check is called at the end.
type repeated struct {
	text  []byte
	times int
	rest  []byte
	check func()
}

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.times == 0 {
			if r.check != nil {
				r.check()
			}
			return 0, io.EOF
		}
		r.times--
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestLinesThatWaitForOneThatIsHeldTakeBoundedMemory(t *testing.T) {
	t.Chdir(t.TempDir())
	plan := compile(t, "fluent-bit.conf", `[INPUT]
    Name forward
    unix_path /tmp/never.sock
[FILTER]
    Name rewrite_tag
    Match app*
    Rule $log Exception held false
[FILTER]
    Name multiline
    Match held
    multiline.key_content log
    multiline.parser java
[OUTPUT]
    Name null
    Match *
`)
	told := 0
	const lineBytes, all = 8 << 10, 3 * maxPending / (8 << 10)
	lines := &repeated{text: append(bytes.Repeat([]byte("x"), lineBytes), '\n'), times: all}
	lines.check = func() {
		if told < all*2/3 {
			t.Errorf("got %d lines told before the end, want those beyond %d bytes", told, maxPending)
		}
	}
	run(t, plan, io.MultiReader(strings.NewReader("java.lang.RuntimeException: oops\n"), lines), func(l *Line) error {
		if told++; l.Number != told {
			t.Fatalf("got line %d, want line %d", l.Number, told)
		}
		return nil
	})
}

func TestASampleThatIsTooLargeIsAnError(t *testing.T) {
	t.Chdir(t.TempDir())
	plan := compile(t, "fluent-bit.conf", "[INPUT]\n    Name forward\n    unix_path /tmp/never.sock\n[OUTPUT]\n    Name null\n    Match none\n")
	for want, lines := range map[string]io.Reader{
		"app.log has more than 64 MiB":            &repeated{text: append(bytes.Repeat([]byte("x"), 32<<10), '\n'), times: 1 + maxSample/(32<<10)},
		"app.log:1: the line has more than 8 MiB": &repeated{text: bytes.Repeat([]byte("x"), 32<<10), times: 1 + maxLine/(32<<10)},
	} {
		s, _ := New(Options{Plan: plan, Name: "app.log", Time: noon})
		err := s.Read(lines, func(*Line) error { return nil })
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		s.Close()
	}
}

func TestAReaderThatEndsEndsTheSample(t *testing.T) {
	t.Chdir(t.TempDir())
	plan := compile(t, "fluent-bit.conf", jsonLines)
	s, _ := New(Options{Plan: plan, Time: noon})
	defer s.Close()
	broken := errors.New("broken pipe")
	if err := s.Read(strings.NewReader("a\nb\n"), func(*Line) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

// The JSON is printed in a terminal, too.
func TestJSONHasNoCharacterThatATerminalActsOn(t *testing.T) {
	t.Chdir(t.TempDir())
	plan := compile(t, "fluent-bit.conf", jsonLines)
	var out bytes.Buffer
	reported(t, plan, "{\"a\u202eb\":\"\u2066c\u2028\U000e0001é\u0085\x7f\"}\n", NewJSON(&out, plan))
	if i := strings.IndexFunc(out.String(), func(r rune) bool { return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }); i >= 0 {
		t.Errorf("got %q at %d, want escapes", out.String(), i)
	}
	if got := out.String(); !strings.Contains(got, `a\u202eb`) || !strings.Contains(got, `\udb40\udc01é`) || !json.Valid([]byte(got)) {
		t.Errorf("got %s, want JSON with the same text", got)
	}
}

// FuzzAnyLine: whatever an application writes is reported, and what is reported is JSON and harmless to a terminal.
func FuzzAnyLine(f *testing.F) {
	f.Chdir(f.TempDir())
	plan := compile(f, "fluent-bit.conf", jsonLines)
	f.Add([]byte(`{"level":"info"}`))
	f.Add([]byte("\x1b[31m\xff\u202e\n\r\n"))
	f.Add([]byte(`{"a":{"a":[[[{}]]]},"a":1e999}`))
	f.Fuzz(func(t *testing.T, lines []byte) {
		var text, out bytes.Buffer
		s := reported(t, plan, string(lines), NewText(&text, plan, "TAG", noon))
		reported(t, plan, string(lines), NewJSON(&out, plan))
		for line := range strings.Lines(out.String()) {
			if !json.Valid([]byte(line)) {
				t.Errorf("got %q, want JSON", line)
			}
		}
		if i := strings.IndexFunc(text.String(), func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r == '\u202e' }); i >= 0 {
			t.Errorf("got %q at %d, want nothing that controls a terminal", text.String(), i)
		}
		var wanted bytes.Buffer
		reported(t, plan, string(lines), NewWriter(&wanted, plan, s.Tag(), noon))
		x, err := ReadExpectations(&wanted, "w")
		if err != nil {
			t.Fatal(err)
		}
		if out, ok := checked(t, plan, x, string(lines)); !ok {
			t.Errorf("what was written doesn't hold:\n%s", out)
		}
	})
}
