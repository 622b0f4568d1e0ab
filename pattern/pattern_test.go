package pattern

import (
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/firelane/firelane/internal/race"
)

// engine says what decides about ordinary text.
func engine(p *Pattern) string {
	switch {
	case p.literal != nil:
		return "literal"
	case p.re2 != nil:
		return "re2"
	}
	return "backtracking"
}

func TestPatternsMeanWhatTheyMeanInOnigmo(t *testing.T) {
	for _, c := range []struct {
		pattern, engine string
		yes, no         []string
	}{
		{`^ERR`, "literal", []string{"ERROR", "x\nERR"}, []string{"an ERR", ""}},
		{`health check`, "literal", []string{"a health check b"}, []string{"healthcheck"}},
		{`.*ELB-HealthChecker.*`, "literal", []string{"ELB-HealthChecker", "a\nELB-HealthChecker/2.0"}, []string{"ELB"}},
		{`^.*GET /$`, "literal", []string{"GET /", "a GET /\nb"}, []string{"GET /x"}},
		{`^done$`, "literal", []string{"done", "done\n", "a\ndone", "a\ndone\nb"}, []string{"done.", "undone", "adone\nb"}},
		{`\.\/\[x\]`, "literal", []string{"a./[x]"}, []string{"a/[x]"}},
		{`^$`, "re2", []string{"", "\n", "a\n\nb"}, []string{"a", "a\n"}},
		{`^`, "re2", []string{"", "a"}, nil},
		{`[45]\d\d`, "re2", []string{"x 404"}, []string{"x 304", "4\u0664\u0664"}},
		{`\h{4}-\H`, "re2", []string{"beef-x"}, []string{"beeg-x", "beef-a"}},
		{`[\h_]+\z`, "re2", []string{"xx_af"}, []string{"af\n"}},
		{`(?<level>WARN|ERROR)`, "re2", []string{"ERROR"}, []string{"INFO"}},
		{`(?'level'WARN)+`, "re2", []string{"WARN"}, []string{"INFO"}},
		{`a++b`, "backtracking", []string{"aab"}, []string{"aac"}},
		{`a++a`, "backtracking", nil, []string{"aaa"}},
		{`(?>a|ab)c`, "backtracking", []string{"ac"}, []string{"abc"}},
		{`^(?!.*health).*$`, "backtracking", []string{"GET /"}, []string{"GET /health"}},
		{`(?<=a)b`, "backtracking", []string{"ab"}, []string{"cb"}},
		{`(a)\1`, "backtracking", []string{"aa"}, []string{"ab"}},
		{`(?<q>['"]).*\k<q>`, "backtracking", []string{`'x'`}, []string{`'x"`}},
		{`end\Z`, "backtracking", []string{"end", "end\n"}, []string{"end\n\n"}},
		{`\Aa.b`, "re2", []string{"axb"}, []string{"a\nb", "\naxb"}},
		{`(?m)a.b`, "re2", []string{"a\nb"}, nil},
		{`(?m:a.)b.c`, "re2", []string{"a\nbxc"}, []string{"a\nb\nc"}},
		{`a(?i)b|c`, "re2", []string{"aB", "aC"}, []string{"c", "Ab"}},
		{`(?i)straße`, "re2", []string{"STRAßE"}, []string{"strase"}},
		{`(?i:[^a])x`, "re2", []string{"bx"}, []string{"ax", "Ax"}},
		{`[[:alpha:]]+\d`, "re2", []string{"é1"}, []string{"-1"}},
		{`[[:^digit:]]`, "re2", []string{"a"}, []string{"1", "\u0664"}},
		{`[a-z&&[^aeiou]]{2}`, "re2", []string{"xy"}, []string{"xa"}},
		{`[a[bc]]d`, "re2", []string{"bd"}, []string{"dd"}},
		{`[^[:space:]]x`, "re2", []string{"ax"}, []string{" x"}},
		{`[]a]b`, "re2", []string{"]b", "ab"}, []string{"b"}},
		{`[a-\d]x`, "re2", []string{"-x", "3x"}, []string{"bx"}},
		{`\p{Han}`, "re2", []string{"漢"}, []string{"a"}},
		{`\p{^Lu}`, "re2", []string{"a"}, []string{"A"}},
		{`caf\u00e9`, "literal", []string{"café"}, []string{"cafe"}},
		{`caf\xC3\xA9`, "literal", []string{"café"}, []string{"cafe"}},
		{`\x41\t\101`, "literal", []string{"A\tA"}, []string{"At"}},
		{`a{,2}b`, "re2", []string{"b", "aab"}, nil},
		{`x{a}`, "literal", []string{"x{a}"}, []string{"xa"}},
		{`^{`, "literal", []string{`{"a":1}`}, []string{`["a"]`}},
		{`a{2}{3}z`, "re2", []string{"aaaaaaz"}, []string{"aaaaz"}},
		{`a{2}?z`, "re2", []string{"z"}, nil},
		{`a{1500}`, "backtracking", []string{strings.Repeat("a", 1500)}, []string{"aaa"}},
		{`\s\S`, "re2", []string{"\vx"}, []string{"x"}},
		{`\bfoo\b`, "re2", []string{"a foo."}, []string{"afoo", "éfoo"}},
		{`\Rx`, "backtracking", []string{"\r\nx", "\u2028x"}, []string{"x"}},
		{`(?#comment)a+`, "re2", []string{"a"}, []string{"b"}},
		{`]}`, "literal", []string{"]}"}, []string{"]"}},
		{`a\Kb`, "re2", []string{"ab"}, []string{"b"}},
		{`ab|`, "re2", []string{""}, nil},
		{`([a-c]|\.)*$`, "re2", []string{""}, nil},
	} {
		p, err := Compile(c.pattern, Flags{}, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := engine(p); got != c.engine {
			t.Errorf("%s: got the engine %s, want %s", c.pattern, got, c.engine)
		}
		for _, text := range c.yes {
			if !p.Match([]byte(text)) {
				t.Errorf("got %q not matched by %s, want it matched", text, c.pattern)
			}
		}
		for _, text := range c.no {
			if p.Match([]byte(text)) {
				t.Errorf("got %q matched by %s, want it not matched", text, c.pattern)
			}
		}
	}
}

func TestFlagsAreThoseOfEachDialect(t *testing.T) {
	for _, c := range []struct {
		name    string
		compile func(string, func()) (*Pattern, error)
		pattern string
		text    string
		want    bool
	}{
		{"fluentbit", CompileFluentBit, `/error/i`, "ERROR", true},
		{"fluentbit", CompileFluentBit, `/error/`, "an error", true},
		{"fluentbit", CompileFluentBit, `/a.b/m`, "a\nb", true},
		{"fluentbit", CompileFluentBit, `/a b # c/x`, "ab", true},
		{"fluentbit", CompileFluentBit, `/api/users`, "GET /api/users", true},
		{"fluentbit", CompileFluentBit, `/`, "a/b", true},
		{"fluentd", CompileRuby, `/error/i`, "ERROR", true},
		{"fluentd", CompileRuby, `/e r/imx`, "ER", true},
		{"fluentd", CompileRuby, `error`, "ERROR", false},
	} {
		p, err := c.compile(c.pattern, nil)
		if err != nil {
			t.Errorf("%s: got %v, want no error", c.name, err)
		} else if got := p.Match([]byte(c.text)); got != c.want {
			t.Errorf("%s: %s on %q: got %v, want %v", c.name, c.pattern, c.text, got, c.want)
		}
	}
	if _, err := CompileRuby(`/api/users`, nil); err == nil || !strings.Contains(err.Error(), "/api/users") {
		t.Errorf("a pattern without its second slash: got error %v, want one that quotes it", err)
	}
}

func TestAPatternThatNobodyUnderstandsIsQuoted(t *testing.T) {
	for _, pattern := range []string{
		`a(`, `a)`, `[a`, `*a`, `a\`, `(?~x)`, `\g<1>`, `\X`, `[z-a]`, `\p{Nothing}`, `[[:nothing:]]`, `(?<1>a)`, `\1`,
		`\xff`, "\xff", `a{5,2}`, `a{999999}`, `(?z)`, `(?`, `(?<a>b)\1`, `\k<b>`, `\u12`, `\x{110000}`, `(?#`,
		strings.Repeat("(", 300) + strings.Repeat(")", 300),
	} {
		_, err := Compile(pattern, Flags{}, nil)
		if err == nil {
			t.Errorf("%s: got no error, want one", pattern)
		} else if !strings.Contains(err.Error(), "pattern ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got error %v, want one line that names the pattern", pattern, err)
		}
	}
}

func TestBacktrackingHasALimitOfTime(t *testing.T) {
	timeouts := 0
	p, err := Compile(`(?!x)(a+)+\z`, Flags{}, func() { timeouts++ })
	if err != nil {
		t.Fatal(err)
	}
	if p.Match([]byte(strings.Repeat("a", 64) + "b")) { // without a limit: after centuries
		t.Error("got a match, want none")
	}
	if timeouts != 1 {
		t.Errorf("got %d time-outs, want 1", timeouts)
	}
}

func TestBacktrackingHasALimitOfMemory(t *testing.T) {
	large := strings.Repeat("a", 2<<20)
	for pattern, text := range map[string]string{`(?=a)(a*)*c`: large, `(?=.*b)a`: large, `\bend\b`: "é" + large + " end"} {
		gaveUp := false
		p, err := Compile(pattern, Flags{}, func() { gaveUp = true })
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		matched := p.Match([]byte(text))
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 4 {
			t.Errorf("%s: got %d MiB allocated for a text of 2 MiB, want at most 4", pattern, n)
		}
		if want := strings.HasSuffix(text, "end"); matched != want || gaveUp == want {
			t.Errorf("%s: got match %v and a report %v, want %v and %v", pattern, matched, gaveUp, want, !want)
		}
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("under the race detector a sync.Pool drops at random what is put into it")
	}
	text := []byte("2026-11-23T10:40:41Z ERROR a line of a log with some text that is not very long")
	for _, pattern := range []string{`^ERR`, `health check`, `\d+ ERROR`, `(?i)warn|error`, `\bERROR\b`} {
		p, err := Compile(pattern, Flags{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { p.Match(text) }); n != 0 {
			t.Errorf("%s: got %v allocations, want none", pattern, n)
		}
	}
}

// FuzzEnginesAgree holds the translation to RE2 against the one for the backtracking engine.
func FuzzEnginesAgree(f *testing.F) {
	for _, pattern := range []string{`^ERR`, `^a*$`, `(?i)[^a-c]\b`, `[[:alpha:]&&[^x]]+`, `\h\s|\R`, `(?m:.)x{,3}`, `a**`, `^done$`} {
		f.Add(pattern, "ERR\na\nxé ab\r\n")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 60 || len(text) > 60 || !utf8.ValidString(text) {
			return
		}
		root, err := parse(pattern, flags{})
		if err != nil {
			return
		}
		slow := printer{}
		slow.node(root)
		oracle := &Pattern{}
		if oracle.slow, err = compileSlow(slow.String()); err != nil {
			t.Skip(err)
		}
		p, err := Compile(pattern, Flags{}, nil)
		if err != nil {
			t.Fatalf("only the oracle takes it: %v", err)
		}
		gaveUp := false
		oracle.onTimeout = func() { gaveUp = true }
		want := oracle.backtrack([]byte(text))
		if got := p.Match([]byte(text)); got != want && !gaveUp {
			t.Errorf("%q on %q: %v, the backtracking engine says %v", pattern, text, got, want)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	text := []byte(strings.Repeat("a line of a log with some text ", 8) + "ERROR 500")
	for _, pattern := range []string{`^ERR`, `health check`, `ERROR \d+`, `(?!x)ERROR`} {
		p, err := Compile(pattern, Flags{}, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(engine(p)+pattern, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Match(text)
			}
		})
	}
}
