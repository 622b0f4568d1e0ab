package config

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func TestWildcardsMatchAsInFluentBit(t *testing.T) {
	for _, c := range []struct {
		pattern, yes, no string
	}{
		{"*", "a|a.b|x/y-z", ""},
		{"app-firelens*", "app-firelens|app-firelens-0123|app-firelens.x.y", "app-firelen|xapp-firelens-1|App-firelens-1"},
		{"app.*", "app.|app.a|app.a.b", "app|apps"},
		{"*.log", ".log|a.log|a.b.log", "log|a.log.1"},
		{"a*b*c", "abc|aXbXc|abbcc|aXbcXc", "ab|acb|abcd"},
		{"a**b", "ab|aXb", "a"},
		{"exact", "exact", "exactly|exac"},
		{"a.{b,c}", "a.{b,c}", "a.b"},
	} {
		check(t, c.pattern, wildcard(c.pattern), c.yes, c.no)
	}
	if !wildcard("*").match("") || wildcard("a*").match("") {
		t.Error("got the empty tag matched otherwise, want it matched by * alone")
	}
}

func check(t *testing.T, pattern string, m matcher, yes, no string) {
	t.Helper()
	for _, tag := range strings.Split(yes, "|") {
		if !m.match(tag) {
			t.Errorf("got %q not matched by %s, want it matched", tag, pattern)
		}
	}
	for _, tag := range strings.Split(no, "|") {
		if tag != "" && m.match(tag) {
			t.Errorf("got %q matched by %s, want it not matched", tag, pattern)
		}
	}
}

// The oracle is a regular expression: * is .*
func TestWildcardsAgreeWithARegularExpression(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(letters string) string {
		b := make([]byte, random.IntN(9))
		for i := range b {
			b[i] = letters[random.IntN(len(letters))]
		}
		return string(b)
	}
	for range 20000 {
		pattern, tag := text("ab**"), text("ab")
		re := regexp.MustCompile(`\A` + strings.ReplaceAll(pattern, "*", ".*") + `\z`)
		if got, want := wildcard(pattern).match(tag), re.MatchString(tag); got != want {
			t.Fatalf("%q on %q: got %v, want %v", pattern, tag, got, want)
		}
	}
}

func TestPatternsMatchAsInFluentd(t *testing.T) {
	for _, c := range []struct {
		pattern, yes, no string
	}{
		{"a", "a", "b|a.b|ab"},
		{"a.b", "a.b", "a|a.b.c|axb"},
		{"a.*", "a.b|a.", "a|a.b.c"},
		{"*", "a|ab", "a.b"},
		{"*.c", "a.c|.c", "c|a.b.c"},
		{"a*", "a|ab", "b|a.b"},
		{"**", "a|a.b|", ""},
		{"a.**", "a|a.b|a.b.c", "ab|b.a"},
		{"a**", "a|ab|a.b.c", "b"},
		{"app-firelens**", "app-firelens-0123|app-firelens", "xapp-firelens"},
		{"**.c", "c|a.c|a.b.c", "ac|c.d"},
		{"a.**.c", "a.c|a.b.c|a.b.d.c", "ac|a.bc|a.c.d"},
		{"{a,b}", "a|b", "c|a,b|ab"},
		{"a.{b,c}.*", "a.b.x|a.c.y", "a.d.x|a.b"},
		{"{a.**,b}.z", "a.z|a.x.z|b.z", "b.x.z|z"},
		{"a.{b,{c,d}}", "a.b|a.c|a.d", "a.e"},
		{"a b.*", "a|b.c", "b|a b.*"},
		{"/a.+b/", "axb|a.x.b", "xaxb|axbx|ab"},
		{"/(?!skip).*/", "keep", "skip.it"},
		{`a\*`, "a*", "ab"},
		{"x**.b", "x.b|xy.b|x.y.b", "xb|b"},
		{"a+b(c", "a+b(c", "aab(c"},
		{"日本.*", "日本.x", "日.x"},
	} {
		m, err := fluentdPatterns(c.pattern)
		if err != nil {
			t.Errorf("%s: got %v, want no error", c.pattern, err)
			continue
		}
		check(t, c.pattern, m, c.yes, c.no)
	}
}

func TestMatchRegexIsTriedAtTheBeginningAndNeedNotReachTheEnd(t *testing.T) {
	for _, c := range []struct {
		pattern, yes, no string
	}{
		{"app", "app|apps|app.x", "my-app"},
		{"^app$", "app", "apps"},
		{"(app|web)-", "app-1|web-2", "db-1"},
		{"(?!app).+", "web", "app"},
		{"x*", "x|xx", "a"},
	} {
		m, err := matchRegex(c.pattern)
		if err != nil {
			t.Errorf("%s: got %v, want no error", c.pattern, err)
			continue
		}
		check(t, c.pattern, m, c.yes, c.no)
	}
}

func TestABacktrackingPatternThatTakesTooLongDoesNotMatch(t *testing.T) {
	m, err := matchRegex(`(?=(a+)+$)b`)
	if err != nil {
		t.Fatal(err)
	}
	if m.match(strings.Repeat("a", 40) + "!") {
		t.Error("got a match, want none")
	}
}
