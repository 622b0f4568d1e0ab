package field

import (
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

const sample = `{"a":{"b":["x",{"c":7}]},"n":1.5,"s":"text","nil":null,"empty":"","a.b":"dots"}`

// event has the tag web.app.log and the time 2026-11-23T10:22:55.123456789Z.
func event(t testing.TB, js string) *record.Event {
	return &record.Event{Tag: "web.app.log", Time: record.Time{Sec: 1795429375, Nsec: 123456789}, Body: body(t, js)}
}

func TestTemplatesAreFilledAsTheirDialectSays(t *testing.T) {
	for _, c := range []struct {
		d          config.Dialect
		text, want string
	}{
		{fluentBit, "plain", "plain"},
		{fluentBit, "", ""},
		{fluentBit, "$TAG", "web.app.log"},
		{fluentBit, "i-$TAG[1]-x", "i-app-x"},
		{fluentBit, "$TAG[-1].$TAG[5].", "log.."},
		{fluentBit, "$s-$a['b'][0].", "text-x."},
		{fluentBit, "$a['b'][1]['c']", "7"},
		{fluentBit, "$missing$nil$a$empty|", "|"},
		{fluentBit, "$(s)/$(tag)/$(tag[0])/$(a['b'][0])", "text/web.app.log/web/x"},
		{fluentBit, "${tag}${s}${$.a.b[0]}", "web.app.logtextx"},
		{fluentBit, "5$ $-", "5$ $-"},
		{fluentBit, "$s[", "text["},
		{fluentd, "${tag} ${tag[0]} ${tag_parts[-1]} ${tag_prefix[1]} ${tag_suffix[1]}", "web.app.log web log web.app app.log"},
		{fluentd, "${tag_parts}", "web.app.log"},
		{fluentd, "${s} ${n} ${$.a.b[1].c} ${$['a']['b'][0]} ${a['b'][0]} ${a.b}", "text 1.5 7 x x dots"},
		{fluentd, "$s $(s) $TAG[0] {s}", "$s $(s) $TAG[0] {s}"},
		{fluentd, "100%-%Y", "100%-%Y"},
	} {
		tpl, err := ParseTemplate(c.text, Notation{Dialect: c.d})
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := string(tpl.Append(nil, event(t, sample))); got != c.want {
			t.Errorf("%s is %q, want %q", c.text, got, c.want)
		}
		if text, constant := tpl.Text(); constant && text != c.want {
			t.Errorf("%s is the text %q, want %q", c.text, text, c.want)
		}
	}
}

func TestTemplatesTellMissingValuesFromEmptyOnes(t *testing.T) {
	n := Notation{Dialect: fluentBit, OnlyParentheses: true, Own: map[string]AppendFunc{
		"host":  func(dst []byte, _ *record.Event) ([]byte, bool) { return append(dst, "h1"...), true },
		"never": func(dst []byte, _ *record.Event) ([]byte, bool) { return dst, false },
	}}
	for _, c := range []struct {
		text, want string
		ok         bool
	}{
		{"plain", "plain", true},
		{"$(s)-$(host)-$(tag[1])", "text-h1-app", true},
		{"$(empty)-$(a['b'][0])", "-x", true},
		{"$s ${s} $TAG $", "$s ${s} $TAG $", true},
		{"$(s)-$(missing)", "", false},
		{"$(nil)", "", false},
		{"$(a)", "", false},
		{"x$(tag[7])", "", false},
		{"$(never)", "", false},
	} {
		tpl, err := ParseTemplate(c.text, n)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		if got, ok := tpl.AppendFound([]byte("before "), event(t, sample)); string(got) != "before "+c.want || ok != c.ok {
			t.Errorf("%s is %q, %v; want %q, %v", c.text, got, ok, "before "+c.want, c.ok)
		}
	}
}

func TestTemplatesShowTheTimeWhereTheyAreAskedTo(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	for _, c := range []struct {
		zone       *time.Location
		text, want string
		period     int64
	}{
		{nil, "app-%Y.%m.%d-$s", "app-2026.11.23-text", 86400},
		{nil, "%H:%M ${tag}", "10:22 web.app.log", 60},
		{zone, "%H", "12", 900},
		{nil, "100%%", "100%", 86400},
	} {
		tpl, err := ParseTemplate(c.text, Notation{Dialect: fluentBit, Strftime: true, Zone: c.zone})
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		ev := event(t, sample)
		if got := string(tpl.Append(nil, ev)); got != c.want || tpl.Period() != c.period {
			t.Errorf("%s is %q for %d s, want %q for %d s", c.text, got, tpl.Period(), c.want, c.period)
		}
		if got := string(tpl.AppendAt(nil, ev, time.Unix(0, 0).UTC())); strings.Contains(got, "2026") {
			t.Errorf("%s is %q at another time", c.text, got)
		}
	}
	if tpl, _ := ParseTemplate("100%%", Notation{Strftime: true}); tpl.Dynamic() {
		t.Error("a text is dynamic")
	} else if text, ok := tpl.Text(); !ok || text != "100%" {
		t.Errorf("%q, %t", text, ok)
	}
}

func TestTheKeyOfATemplateIsWhatItsPlaceholdersAre(t *testing.T) {
	tpl, err := ParseTemplate("%Y-$s-$a['b'][0]-${tag_parts[0]}", Notation{Dialect: fluentBit, Strftime: true})
	if err != nil {
		t.Fatal(err)
	}
	if key, ok := tpl.AppendKey(nil, event(t, sample)); string(key) != "text\x00x\x00web\x00" || !ok {
		t.Errorf("%q, %t", key, ok)
	}
	if key, ok := tpl.AppendKey(nil, event(t, `{"s":""}`)); string(key) != "\x00\x00web\x00" || ok {
		t.Errorf("%q, %t", key, ok)
	}
	if !tpl.Dynamic() || !tpl.Reads("s") || !tpl.Reads("a") || tpl.Reads("b") || tpl.Reads("") {
		t.Error("it depends on s and a, and on nothing else")
	}
}

func TestValuesAreCleanedAndTextIsNot(t *testing.T) {
	tpl, err := ParseTemplate("a/${s}/${tag}/%Y", Notation{Dialect: fluentd, Strftime: true, Clean: func(dst []byte, start int) []byte {
		return append(dst[:start], strings.ReplaceAll(string(dst[start:]), "/", "_")...)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(tpl.Append(nil, event(t, `{"s":"../x"}`))); got != "a/.._x/web.app.log/2026" {
		t.Error(got)
	}
}

func TestTemplatesThatCantBeReadAreErrors(t *testing.T) {
	for _, c := range []struct {
		d          config.Dialect
		text, want string
	}{
		{fluentd, "x${tag", `"${tag" has no closing }`},
		{fluentBit, "$(tag", `"$(tag" has no closing )`},
		{fluentd, "${tag[x]}", `"tag[x]" has no number in its brackets; want tag[1]`},
		{fluentd, "${tag_suffix[]}", `"tag_suffix[]" has no number in its brackets; want tag_suffix[1]`},
		{fluentBit, "$a[b]", `"a[b]" can't be parsed: "[b]" is neither ['name'] nor [number]`},
		{fluentd, "${}", `"" can't be parsed: a name is empty or has blanks; want $['a']['b']`},
		{fluentd, "%Q", `%Q in "%Q" is not a conversion of strftime; want %% for a percent sign`},
		{fluentd, "%-", `"%-" ends inside a conversion; want %% for a percent sign`},
	} {
		if _, err := ParseTemplate(c.text, Notation{Dialect: c.d, Strftime: true}); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func TestATemplateThatIsOnePlaceholderKeepsItsType(t *testing.T) {
	for text, want := range map[string]string{
		`${record["n"]}`:             `1.5`,
		`${record["a"]["b"]}`:        `["x",{"c":7}]`,
		`${record.dig("a", "b", 0)}`: `"x"`,
		`${record["a"]["b"][-1]}`:    `{"c":7}`,
		`${record["missing"]}`:       `null`,
		`${tag_parts[9]}`:            `null`,
		`${tag_parts[0]}`:            `"web"`,
		`${tag}`:                     `"web.app.log"`,
		`n=${record["n"]}`:           `"n=1.5"`,
		`${hostname}${record["a"]}`:  `"h{\"b\":[\"x\",{\"c\":7}]}"`,
		strings.Repeat("x", 300):     `"` + strings.Repeat("x", 300) + `"`,
	} {
		tpl, err := ParseRuby(text, "h")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := string(record.AppendJSON(nil, tpl.AppendValue(nil, event(t, sample)))); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	tpl, err := ParseRuby("${time}", "")
	at := time.Unix(1795429375, 0).Format("2006-01-02 15:04:05 -0700")
	if got := string(tpl.Append(nil, event(t, "{}"))); err != nil || got != at {
		t.Errorf("${time} is %s, want %s", got, at)
	}
}

func TestRubyBeyondThePlaceholdersIsAnError(t *testing.T) {
	for _, text := range []string{`${record["a"].strip}`, `${record.a}`, `${record}`, `${record[0]}`, `${tag[0]}`, `${record.dig()}`, `${Time.now}`, `${}`} {
		if _, err := ParseRuby(text, ""); err == nil || !strings.Contains(err.Error(), text+" can't be evaluated") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestFillingATemplateAllocatesNothing(t *testing.T) {
	ev, dst := event(t, sample), make([]byte, 0, 256)
	tpl, _ := ParseTemplate("%Y.%m.%d-%b-%N-$TAG[1]-$a['b'][0]-$n", Notation{Dialect: fluentBit, Strftime: true})
	ruby, _ := ParseRuby(`${record["s"]} ${tag_parts[1]}`, "")
	if n := testing.AllocsPerRun(100, func() {
		_ = tpl.Append(dst, ev)
		_, _ = tpl.AppendKey(dst, ev)
		_ = ruby.AppendValue(dst, ev)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzTemplate: whatever is read as a template is filled, its value is one MessagePack value, and a template without
// placeholders is the same for every event.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"a-$TAG[1]-%Y", "${tag_parts[-1]}${$.a.b[0]}", "$(a['b'])", `${record["a"]["b"]} ${record.dig("a",0)}`, "${${}}", `$a['b][`, "%%${", "$"} {
		f.Add(s)
	}
	full, empty := event(f, sample), &record.Event{Body: body(f, "{}")}
	f.Fuzz(func(t *testing.T, s string) {
		var templates []*Template
		for _, d := range []config.Dialect{fluentBit, fluentd} {
			for _, strftime := range []bool{false, true} {
				if tpl, err := ParseTemplate(s, Notation{Dialect: d, Strftime: strftime}); err == nil {
					templates = append(templates, tpl)
				}
			}
		}
		if tpl, err := ParseRuby(s, "host"); err == nil {
			templates = append(templates, tpl)
		}
		for _, tpl := range templates {
			at := time.Unix(1795429375, 0).UTC()
			one, other := string(tpl.AppendAt(nil, full, at)), string(tpl.AppendAt(nil, empty, at))
			if !tpl.Dynamic() && one != other {
				t.Errorf("%q is not dynamic, and %q and %q", s, one, other)
			}
			if text, ok := tpl.Text(); ok && text != one {
				t.Errorf("%q is the text %q, and %q", s, text, one)
			}
			for _, ev := range []*record.Event{full, empty} {
				for _, value := range [][]byte{tpl.AppendValue(nil, ev), tpl.AppendStr(nil, ev)} {
					if n, err := record.Check(value); err != nil || n != len(value) {
						t.Errorf("%q is %x", s, value)
					}
				}
			}
		}
	})
}

func BenchmarkTemplate(b *testing.B) {
	ev := event(b, sample)
	tpl, err := ParseTemplate("logs-$TAG[1]-$s-%Y.%m.%d", Notation{Dialect: fluentBit, Strftime: true})
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		_ = tpl.Append(dst, ev)
	}
}
