package pattern

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// logPatterns are patterns of log formats.
var logPatterns = []string{
	`^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^ ]*) +\S*)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>.*)")?$`,
	`^\[[^ ]* (?<time>[^\]]*)\] \[(?<level>[^\]]*)\](?: \[pid (?<pid>[^\]]*)\])?( \[client (?<client>[^\]]*)\])? (?<message>.*)$`,
	`^\<(?<pri>[0-9]{1,5})\>1 (?<time>[^ ]+) (?<host>[^ ]+) (?<ident>[^ ]+) (?<pid>[-0-9]+) (?<msgid>[^ ]+) (?<extradata>(\[(.*?)\]|-)) (?<message>.+)$`,
	`^(?<time>.+) (?<stream>stdout|stderr) (?<logtag>[FP]) (?<log>.*)$`,
	`(?<a>a+)(?<b>a*?)(?<c>b?)c`,
	`(?<x>\d{2,4})-(?<y>é*)(?<z>.)`,
	`(?:(?<k>\w+)=(?<v>[^ ]*) ?)+$`,
	`(?<n>x)|(?<n>y)(?<o>z)?`,
	`\A(?<all>.*)\z`,
	`^(?<line>[A-Z]+)$`,
	`(?<q>"[^"]*"|\S+) (?<rest>[^"]*)é`,
}

var logTexts = []string{
	`192.168.2.20 - - [29/Jul/2015:10:27:10 -0300] "GET /cgi-bin/try/ HTTP/1.0" 200 3395 "http://x/" "Mozilla "quoted""`,
	`::1 - bob [29/Jul/2015:10:27:10 -0300] "-" 408 -`,
	`[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied: /export`,
	`<34>1 2003-10-11T22:14:15.003Z mymachine su 17 ID47 [x@1 a="b"][y] 'su root' failed`,
	`2016-10-06T00:17:09.669794202Z stdout F log content 1`,
	"aaaaac", "aac", "aabc", "c", "", "12-éé!", "2024-é", "1-x", "a=1 b=2 c=", "x", "yz", "y", "a\nSHOUT\nb\n", "SHOUT\n", "\xff\xfe é é", `"a b" x é`,
}

// groups returns what Groups finds, as text.
func groups(c *Capture, text string) string {
	var b strings.Builder
	list, ok := c.Groups(nil, []byte(text))
	if !ok {
		return "no match"
	}
	for _, g := range list {
		fmt.Fprintf(&b, "%s=%q ", g.Name, g.Text)
	}
	return b.String()
}

// engines returns the same capture for each of the engines that can run it, the last one alone being the reference.
func engines(t testing.TB, source string, late func()) map[string]*Capture {
	t.Helper()
	c, err := CompileCapture(source, Flags{}, late)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]*Capture{}
	if c.program != nil {
		list["own"] = c
	}
	if c.re2 != nil {
		re2 := *c
		re2.program = nil
		list["RE2"] = &re2
	}
	slow := *c
	slow.program, slow.re2 = nil, nil
	list["backtracking"] = &slow
	return list
}

func TestAllEnginesFindTheSameGroups(t *testing.T) {
	for _, source := range logPatterns {
		list := engines(t, source, nil)
		if list["own"] == nil {
			t.Errorf("%s: got no program", source)
		}
		for _, text := range logTexts {
			if !strings.Contains(text, "\xff") {
				want := groups(list["backtracking"], text)
				for name, c := range list {
					if got := groups(c, text); got != want {
						t.Errorf("%s on %q: %s: got %s, want %s", source, text, name, got, want)
					}
				}
			}
		}
	}
}

func TestGroupsOfALogLine(t *testing.T) {
	c, err := CompileCapture(logPatterns[0], Flags{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = `host="192.168.2.20" user="-" time="29/Jul/2015:10:27:10 -0300" method="GET" path="/cgi-bin/try/" code="200" size="3395" referer="http://x/" agent="Mozilla \"quoted\"" `
	if got := groups(c, logTexts[0]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	const short = `host="::1" user="bob" time="29/Jul/2015:10:27:10 -0300" method="-" code="408" size="-" `
	if got := groups(c, logTexts[1]); got != short {
		t.Errorf("got %s, want %s", got, short)
	}
}

func TestACatastrophicPatternIsBounded(t *testing.T) {
	c, err := CompileCapture(`^(?<a>(a|a)*(a|aa)*b)$`, Flags{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := groups(c, strings.Repeat("a", 10_000)); got != "no match" {
		t.Errorf("got %s, want no match", got)
	}
}

func FuzzGroups(f *testing.F) {
	for i := range logPatterns {
		for _, text := range logTexts {
			f.Add(i, text)
		}
	}
	var all []map[string]*Capture
	late := false // the backtracking library's time-out is over
	for _, source := range logPatterns {
		all = append(all, engines(f, source, func() { late = true }))
	}
	f.Fuzz(func(t *testing.T, i int, text string) {
		if i < 0 || i >= len(all) || strings.ToValidUTF8(text, "") != text || len(text) > 1000 {
			return
		}
		late = false
		want := groups(all[i]["backtracking"], text)
		if got := groups(all[i]["own"], text); got != want && !late {
			t.Errorf("%s on %q: got %s, want %s", logPatterns[i], text, got, want)
		}
	})
}

func BenchmarkGroups(b *testing.B) {
	for name, c := range engines(b, logPatterns[0], nil) {
		b.Run(name, func(b *testing.B) {
			text, n := []byte(logTexts[0]), 0
			b.ReportAllocs()
			for b.Loop() {
				var room [16]Group
				list, _ := c.Groups(room[:0], text)
				n += len(list)
			}
		})
	}
}

func TestGroupsHaveTheirNumbersBesideABackReference(t *testing.T) {
	for source, want := range map[string][]string{
		`(['"])(\w+)\1(x)?`:               {"_0", `"é"`, "_1", `"`, "_2", "é"},
		`(?<quote>['"])(?<w>.+)\k<quote>`: {"_0", `"é"`, "_1", `"`, "_2", "é"},
	} {
		c, err := CompileNumbered(strings.ReplaceAll(source, `\w`, `[[:word:]]`), nil)
		if err != nil {
			t.Fatal(err)
		}
		list, ok := c.Groups(nil, []byte(`say "é" b`))
		var got []string
		for _, g := range list {
			got = append(got, g.Name, string(g.Text))
		}
		if !ok || !slices.Equal(got, want) {
			t.Errorf("%s: got %q; want %q", source, got, want)
		}
	}
}
