package ruby

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/record"
)

// testRecord is the record of testdata/expressions.txt.
const testRecord = `{"s":"hello","n":5,"f":2.5,"num":"42","a":{"b":[1,"x"]},"h":{"x":1,"y":2},"l":[{"k":"v1"},{"k":null,"m":{"o":7}}],` +
	`"path":"/var/log/app.log","esc":"\u001b[31mred\u001b[0m","b":true,"nil":null}`

func testEvent(t testing.TB, js string) *record.Event {
	t.Helper()
	body, err := record.AppendFromJSON(nil, []byte(js))
	if err != nil {
		t.Fatal(err)
	}
	return &record.Event{Tag: "web.app.log", Time: record.Time{Sec: 1795430441, Nsec: 123456789}, Body: body}
}

// goTime is a Formatter for the few formats of the tests.
type goTime string

func (f goTime) Append(dst []byte, at time.Time) []byte { return at.AppendFormat(dst, string(f)) }

func testEnv() *Env {
	return &Env{
		Hostname: "host",
		Lookup:   func(name string) (string, bool) { return "value of " + name, name != "UNSET" },
		Strftime: func(format string) (Formatter, error) {
			switch format {
			case "%Y-%m-%dT%H:%M:%S.%L%z":
				return goTime("2006-01-02T15:04:05.000-0700"), nil
			case "%s":
				return goTime("1795430441"), nil
			}
			return nil, errors.New("unknown format")
		},
		ParseTime: func(text, _ string) (time.Time, error) { return time.Parse(time.RFC3339, text) },
	}
}

// run evaluates an expression for an event: JSON, or the class of an error after an exclamation mark.
func run(e *Expr, ev *record.Event) string {
	var m Machine
	m.Begin(ev)
	defer m.End()
	b, err := e.Append(nil, &m)
	raised := (*Error)(nil)
	switch {
	case errors.As(err, &raised):
		return "!" + raised.Class
	case err != nil:
		return "!" + err.Error()
	}
	return string(record.AppendJSON(nil, b))
}

// The expected results are those of Ruby 3.1, with json and time required, in the time zone UTC.
func TestExpressionsHaveTheValuesThatRubyGivesThem(t *testing.T) {
	t.Setenv("TZ", "UTC")
	text, err := os.ReadFile("testdata/expressions.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		source, want, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			t.Fatalf("%q has no result", line)
		}
		e, err := Compile(source, testEnv())
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got := run(e, testEvent(t, testRecord)); got != want {
			t.Errorf("%s: got %s, want %s", source, got, want)
		}
	}
}

func TestTextsHaveProgramsAndEscapes(t *testing.T) {
	for source, want := range map[string]string{
		`plain`:                             `"plain"`,
		``:                                  `""`,
		`a ${tag} b`:                        `"a web.app.log b"`,
		`#{record["s"]}-${record["n"] + 1}`: `"hello-6"`,
		`tab\there [x] "q" 'p'`:             `"tab\there [x] \"q\" 'p'"`,
		`${record["zz"]}|`:                  `"|"`,
		`${ {"a" => "}"}["a"] }`:            `"}"`,
		`$5 #5 \#{x}`:                       `"$5 #5 #{x}"`,
		`${"#{tag_parts[0]}"}`:              `"web"`,
		`${record["h"]}`:                    `"{\"x\":1,\"y\":2}"`,
	} {
		e, err := CompileText(source, testEnv())
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got := run(e, testEvent(t, testRecord)); got != want {
			t.Errorf("%s: got %s, want %s", source, got, want)
		}
	}
}

func TestWhatIsNotSupportedIsNamedAtStart(t *testing.T) {
	for source, want := range map[string]string{
		`record["s"].frobnicate`:                 `"frobnicate"`,
		"`id`":                                   "\"`",
		`system("id")`:                           `"system"`,
		`eval("1")`:                              `"eval"`,
		`File.read("/etc/passwd")`:               `"File"`,
		`Kernel.exit`:                            `"Kernel"`,
		`Process.pid`:                            `"Process"`,
		`def f; end`:                             `"def"`,
		`while true do end`:                      `"while"`,
		`loop { }`:                               `"loop"`,
		`$stdout`:                                `"$s"`,
		`@x`:                                     `"@`,
		`record["h"].each { |k, v| v }`:          `"each"`,
		`record["s"].gsub!(/x/, "")`:             `"gsub!"`,
		`record["x"] = 1`:                        `"="`,
		`tag = "x"`:                              `tag`,
		`x = record["h"]; x.delete("a")`:         `delete is supported only on record`,
		`record["s"].strftime(record["n"].to_s)`: `literal format`,
		`record["s"].gsub(/#{tag}/, "")`:         `pattern with #{}`,
		`[1, 2].map`:                             `needs a block`,
		`"a".gsub()`:                             `1 to 2 arguments, got 0`,
		`record[]`:                               `[] takes`,
		`"abc`:                                   `" is missing`,
		`(1 + 2`:                                 `")" is missing`,
		`[1, 2`:                                  `"]" is missing`,
		`1 +`:                                    `ends too early`,
		`record["a"] record["b"]`:                `"record" is not supported`,
		`/(/.match?("x")`:                        `pattern`,
		`ENV[record["x"]]`:                       `literal name`,
		`ENV.fetch("UNSET")`:                     `variable UNSET is not set`,
		`require "open3"`:                        `require`,
		`Time.now.strftime("%Q")`:                `unknown format`,
		`x + 1`:                                  `"x"`,
		`if true then 1`:                         `"end" is missing`,
		`->(x) { x }`:                            `">" is not supported`,
		`record["s"].to_s.send(:upcase)`:         `"send"`,
		`Object.const_get("File")`:               `"const_get"`,
		`record.instance_eval("1")`:              `"instance_eval"`,
		strings.Repeat("(", 1000):                `nested too deep`,
		strings.Repeat("!", 1000) + "1":          `nested too deep`,
		strings.Repeat("1+", 5000) + "1":         `too long`,
		"1" + strings.Repeat(" ", maxSource):     `too long`,
		`"` + strings.Repeat(`#{"`, 500):         `nested too deep`,
		`x ? ` + strings.Repeat(`1 ? 2 : `, 1000): `not supported`,
	} {
		_, err := Compile(source, testEnv())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60s: got error %v, want one line with %s", source, err, want)
		}
	}
}

func TestNamesOfTheProcessAreKnownAtStart(t *testing.T) {
	for source, want := range map[string]string{
		`ENV["HOME"]`:                    "value of HOME",
		`ENV["UNSET"] || "none"`:         "none",
		`ENV.fetch("UNSET", "def")`:      "def",
		`ENV.fetch("UNSET") { "block" }`: "block",
		`Socket.gethostname`:             "host",
		`hostname`:                       "host",
		`"#{Socket.gethostname}"`:        "host",
	} {
		e, err := Compile(source, testEnv())
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got := run(e, testEvent(t, `{}`)); got != `"`+want+`"` {
			t.Errorf("%s: got %s, want %s", source, got, want)
		}
	}
}

func TestDeletionsAreSeenByLaterExpressionsAndInsideOfFieldsByTheNewRecord(t *testing.T) {
	var m Machine
	ev := testEvent(t, `{"a":{"b":1,"c":2},"l":[{"x":1},{"x":2}],"s":"t"}`)
	before := string(ev.Body)
	m.Begin(ev)
	for source, want := range map[string]string{
		`record["a"].delete("b")`:    `1`,
		`record["l"][1].delete("x")`: `2`,
		`record.delete("s")`:         `"t"`,
		`record.delete("zz")`:        `null`,
	} {
		e, err := Compile(source, testEnv())
		if err != nil {
			t.Fatal(err)
		}
		if b, err := e.Append(nil, &m); err != nil || string(record.AppendJSON(nil, b)) != want {
			t.Errorf("%s: got %s and error %v, want %s", source, record.AppendJSON(nil, b), err, want)
		}
	}
	e, _ := Compile("record", testEnv())
	if b, _ := e.Append(nil, &m); string(record.AppendJSON(nil, b)) != `{"a":{"c":2},"l":[{"x":1},{}]}` {
		t.Errorf("got the record %s after the deletions", record.AppendJSON(nil, b))
	}
	if got := string(record.AppendJSON(nil, m.Record())); got != `{"a":{"c":2},"l":[{"x":1},{}],"s":"t"}` {
		t.Errorf("got the new record %s, want the deletions inside of fields only", got)
	}
	if string(ev.Body) != before {
		t.Error("the event's body was changed")
	}
}

func TestEvaluationIsBounded(t *testing.T) {
	long := `{"s":"` + strings.Repeat("a", 1<<20) + `","list":[` + strings.Repeat("1,", 20_000) + `1]}`
	for source, want := range map[string]error{
		`x = "aaaaaaaaaa"; x = x * 1000; x = x * 1000; x * 1000`: errBytes,
		`record["s"] * 100`:                                                           errBytes,
		`record["list"].map { |x| record["s"] }`:                                      errBytes,
		`record["list"].map { |x| record["list"].map { |y| y } }.length`:              errSteps,
		`record["list"].select { |x| record["list"].include?(2) }`:                    errSteps,
		`record["list"].uniq.length; (1..100000000).map { |x| x }`:                    errSteps,
		`record["s"].gsub("a", record["s"])`:                                          errBytes,
		`record["s"].gsub(/a/, record["s"])`:                                          errBytes,
		`record["s"].gsub(/a/) { |x| record["s"] }`:                                   errBytes,
		`[record["s"], record["s"], record["s"], record["s"], record["s"]].join * 20`: errBytes,
		`"%1000000d" % 5`:                                                                    errBytes,
		`"x".ljust(1000000000)`:                                                              errBytes,
		`begin; "x" * 100000000; rescue; 1; end`:                                             errBytes,
		`record["s"].gsub(/(a*)*b\1/, "x") rescue "caught"`:                                  errTimeout,
		`record["list"].map { |x| record["s"].length }`:                                      errSteps,
		`record["list"].map { |x| record["list"][-1] }`:                                      errSteps,
		`record["list"].map { |x| record["s"].match?(/(a+a+)+b/) }; record["s"] =~ /(a*b)?/`: errTimeout,
	} {
		e, err := Compile(source, testEnv())
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		begin := time.Now()
		if got := run(e, testEvent(t, long)); got != "!"+want.Error() {
			t.Errorf("%s: got %.100s, want %v", source, got, want)
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("%s took %v", source, took)
		}
	}
}

func TestAMachineForgetsLargeMemoryAndOldEvents(t *testing.T) {
	var m Machine
	m.Begin(testEvent(t, `{"s":"`+strings.Repeat("a", 1<<20)+`"}`))
	e, err := Compile(`x = record["s"].upcase; x.downcase`, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Append(nil, &m); err != nil {
		t.Fatal(err)
	}
	m.End()
	if cap(m.arena) > maxSpare || m.ev != nil || m.record != nil || m.matched != nil {
		t.Errorf("the machine keeps %d bytes and an event", cap(m.arena))
	}
	for _, v := range m.vars[:cap(m.vars)] {
		if v.b != nil {
			t.Error("the machine keeps a value")
		}
	}
}

func TestCommonExpressionsAllocateLittle(t *testing.T) {
	ev := testEvent(t, testRecord)
	var m Machine
	var dst []byte
	for source, most := range map[string]float64{
		`record["s"]`: 0, `record.dig("a", "b", 0) || "x"`: 0, `record["s"].upcase`: 0, `tag_parts[0]`: 0,
		`"#{record["s"]}-#{record["n"]}"`: 0, `time.utc.strftime("%Y-%m-%dT%H:%M:%S.%L%z")`: 0,
		`record["n"] > 4 ? "a" : "b"`: 0, `record["path"].split("/").last`: 12, `record["s"].gsub(/l/, "L")`: 4,
	} {
		e, err := Compile(source, testEnv())
		if err != nil {
			t.Fatal(err)
		}
		once := func() {
			m.Begin(ev)
			dst, _ = e.Append(dst[:0], &m)
			m.End()
		}
		once()
		if got := testing.AllocsPerRun(100, once); got > most {
			t.Errorf("%s allocates %v times, want at most %v", source, got, most)
		}
	}
}

func FuzzExpression(f *testing.F) {
	text, err := os.ReadFile("testdata/expressions.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		source, _, _ := strings.Cut(line, "\t")
		f.Add(source, `{"s":"x"}`)
	}
	env := testEnv()
	f.Fuzz(func(t *testing.T, source, js string) {
		body, err := record.AppendFromJSON(nil, []byte(js))
		if err != nil || record.KindOf(body[0]) != record.KindMap {
			return
		}
		for _, compile := range []func(string, *Env) (*Expr, error){Compile, CompileText} {
			e, err := compile(source, env)
			if err != nil {
				continue
			}
			var m Machine
			m.Begin(&record.Event{Tag: "a.b", Body: body})
			b, err := e.Append(nil, &m)
			if err == nil {
				if n, err := record.Check(b); err != nil && !errors.Is(err, record.ErrDepth) || err == nil && n != len(b) {
					t.Errorf("%q makes %x, which is no MessagePack: %v", source, b, err)
				}
			}
			if _, err := record.Check(m.Record()); err != nil {
				t.Errorf("%q makes of the record %x: %v", source, m.Record(), err)
			}
			m.End()
		}
	})
}

func BenchmarkExpression(b *testing.B) {
	ev := testEvent(b, testRecord)
	for _, source := range []string{
		`record.dig("a", "b", 0) || "x"`, `record["path"].split("/").last`, `record["s"].gsub(/l+/, "L")`, `record["s"].upcase`,
		`"#{record["s"]}-#{record["n"]}"`, `record["h"].map { |k, v| "#{k}=#{v}" }.join(",")`,
	} {
		b.Run(source, func(b *testing.B) {
			e, err := Compile(source, testEnv())
			if err != nil {
				b.Fatal(err)
			}
			var m Machine
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				m.Begin(ev)
				dst, _ = e.Append(dst[:0], &m)
				m.End()
			}
		})
	}
}
