package enrich

import (
	"fmt"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// ordered are values of one option, or of several in the order of their calls.
func ordered(order int, values ...string) (out []config.Ordered) {
	for i, v := range values {
		out = append(out, config.Ordered{Order: order + i, Value: v})
	}
	return out
}

func TestModifyAppliesItsRulesInOrder(t *testing.T) {
	in := `{"a":"1","b":2,"Service1":"x","Service2":"y"}`
	for _, c := range []struct {
		name string
		o    ModifyOptions
		want string
	}{
		{"set", ModifyOptions{Set: ordered(0, "a 9", `"two words" "a \"b\""`)}, `{"b":2,"Service1":"x","Service2":"y","a":"9","two words":"a \"b\""}`},
		{"add", ModifyOptions{Add: ordered(0, "a 9", "c the rest of it")}, `{"a":"1","b":2,"Service1":"x","Service2":"y","c":"the rest of it"}`},
		{"remove", ModifyOptions{Remove: ordered(0, "a", "nope")}, `{"b":2,"Service1":"x","Service2":"y"}`},
		{"remove_wildcard", ModifyOptions{RemoveWild: ordered(0, "Serv")}, `{"a":"1","b":2}`},
		{"remove_regex", ModifyOptions{RemoveRegex: ordered(0, `^Service\d$|^b$`)}, `{"a":"1"}`},
		{"rename", ModifyOptions{Rename: ordered(0, "a c", "b Service1", "nope d")}, `{"c":"1","b":2,"Service1":"x","Service2":"y"}`},
		{"hard_rename", ModifyOptions{HardRename: ordered(0, "a Service1", "nope b")}, `{"Service1":"1","b":2,"Service2":"y"}`},
		{"copy", ModifyOptions{Copy: ordered(0, "a c", "a b")}, `{"a":"1","c":"1","b":2,"Service1":"x","Service2":"y"}`},
		{"hard_copy", ModifyOptions{HardCopy: ordered(0, "a Service1")}, `{"a":"1","Service1":"1","b":2,"Service2":"y"}`},
		{"move_to_start", ModifyOptions{ToStart: ordered(0, "Service*")}, `{"Service1":"x","Service2":"y","a":"1","b":2}`},
		{"move_to_end", ModifyOptions{ToEnd: ordered(0, "a")}, `{"b":2,"Service1":"x","Service2":"y","a":"1"}`},
		{"in the order of the lines", ModifyOptions{Add: ordered(1, "a 9"), Remove: ordered(0, "a"), Rename: ordered(2, "a z")}, `{"b":2,"Service1":"x","Service2":"y","z":"9"}`},
	} {
		step, err := NewModify(&c.o, config.FluentBit, testEnv())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := apply(t, step, "app", in); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestModifysConditions(t *testing.T) {
	for condition, holds := range map[string]bool{
		"Key_Exists a": true, "key_exists nope": false, "key_exists $n['i']": true, "key_exists n['i']": true,
		"key_does_not_exist nope": true, "key_does_not_exist a": false,
		"a_key_matches ^a": true, "a_key_matches ^z": false, "no_key_matches ^z": true, "no_key_matches ^a": false,
		"key_value_equals a one": true, "key_value_equals a two": false, "key_value_equals nope one": false, "key_value_equals n['i'] in": true,
		"key_value_does_not_equal a two": true, "key_value_does_not_equal a one": false, "key_value_does_not_equal nope x": false,
		"key_value_matches a ^o": true, "key_value_matches yes ^true$": true, "key_value_matches num 1": false,
		"key_value_does_not_match a ^x": true, "key_value_does_not_match a ^o": false, "key_value_does_not_match nope x": false,
		"matching_keys_have_matching_values ^a ^o": true, "matching_keys_have_matching_values ^(a|yes)$ ^o": false,
		"matching_keys_do_not_have_matching_values ^(a|yes)$ ^o": true,
	} {
		step, err := NewModify(&ModifyOptions{Condition: ordered(0, condition), Set: ordered(1, "met 1")}, config.FluentBit, testEnv())
		if err != nil {
			t.Errorf("%s: %v", condition, err)
			continue
		}
		if got := apply(t, step, "app", `{"a":"one","yes":true,"num":1,"n":{"i":"in"}}`); strings.Contains(got, "met") != holds {
			t.Errorf("%s: got %s, want that it holds: %t", condition, got, holds)
		}
	}
}

func TestNestMovesFields(t *testing.T) {
	for _, c := range []struct {
		name     string
		o        NestOptions
		in, want string
	}{
		{"nest", NestOptions{Operation: "nest", Wildcard: []string{"k_*", "z"}, NestUnder: "m", RemovePrefix: "k_"},
			`{"k_a":1,"b":2,"k_c":{"d":3},"z":4}`, `{"b":2,"m":{"a":1,"c":{"d":3},"z":4}}`},
		{"nest, nothing to move", NestOptions{Operation: "nest", Wildcard: []string{"x"}, NestUnder: "m"}, `{"a":1}`, `{"a":1}`},
		{"nest with a prefix", NestOptions{Operation: "Nest", Wildcard: []string{"a"}, NestUnder: "m", AddPrefix: "p."}, `{"a":1}`, `{"m":{"p.a":1}}`},
		{"lift", NestOptions{Operation: "lift", NestedUnder: "m", PrefixWith: "m_"}, `{"a":1,"m":{"b":2,"c":3}}`, `{"a":1,"m_b":2,"m_c":3}`},
		{"lift, no map", NestOptions{Operation: "lift", NestedUnder: "m"}, `{"a":1,"m":"x"}`, `{"a":1,"m":"x"}`},
	} {
		step, err := NewNest(&c.o, config.FluentBit, testEnv())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := apply(t, step, "app", c.in); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// rewritten returns where a rewrite_tag sends an event.
func rewritten(t *testing.T, rules []string, tag, js string) string {
	t.Helper()
	step, err := NewRewrite(&RewriteOptions{Rules: ordered(0, rules...)}, config.FluentBit, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	out := NewOut(func(ev *record.Event, _ int) { got = append(got, ev.Tag) }, func(_ *record.Event, tag string, _ int) { got = append(got, "-> "+tag) })
	out.Scratch = new(Scratch)
	ev := record.Event{Tag: tag, Body: body(t, js)}
	step.Apply(&ev, out)
	return fmt.Sprint(got)
}

func TestARuleWithMoreThanFourWordsIsUsedWithAWarning(t *testing.T) {
	for _, c := range []struct{ rule, want, warning string }{
		{"$level ^ERROR$ errors true # both", "[app -> errors]", "the text after KEEP has no effect"},
		{"$level ^ERROR$ errors false and more", "[-> errors]", "the text after KEEP has no effect"},
		{"$level ^ERROR$ errors maybe", "[-> errors]", "is not a boolean and counts as false"},
		{"$level ^ERROR$ errors On", "[app -> errors]", ""},
	} {
		if got := rewritten(t, []string{c.rule}, "app", `{"level":"ERROR"}`); got != c.want {
			t.Errorf("%s: got %s, want %s", c.rule, got, c.want)
		}
		warnings := (&RewriteOptions{Rules: ordered(0, c.rule)}).Warnings()
		if c.warning == "" && len(warnings) > 0 || c.warning != "" && (len(warnings) != 1 || !strings.Contains(warnings[0], c.warning)) {
			t.Errorf("%s: got warnings %q, want one with %q", c.rule, warnings, c.warning)
		}
	}
}

func TestRewriteTagGivesEventsAnotherTag(t *testing.T) {
	for _, c := range []struct {
		rules    []string
		js, want string
	}{
		{[]string{"$level ^ERROR$ errors false"}, `{"level":"ERROR"}`, "[-> errors]"},
		{[]string{"$level ^ERROR$ errors true"}, `{"level":"ERROR"}`, "[a.b.c -> errors]"},
		{[]string{"level ^ERROR$ errors false"}, `{"level":"INFO"}`, "[a.b.c]"},
		{[]string{"$level ^ERROR$ errors false"}, `{}`, "[a.b.c]"},
		{[]string{"$level ^X$ x false", "$level . y false"}, `{"level":"ERROR"}`, "[-> y]"},
		{[]string{"$log ^(GET|POST)\\s(/\\w+) http.$TAG[1].$1.$0 false"}, `{"log":"GET /items now"}`, "[-> http.b.GET.GET /items]"},
		{[]string{"$log (?<m>GET)x(y) $1-$2 false"}, `{"log":"GETxy"}`, "[-> GET-]"},
		{[]string{"$n['i'] ^a$ new.$n['i'].$other.$TAG false"}, `{"n":{"i":"a"},"other":"o"}`, "[-> new.a.o.a.b.c]"},
		{[]string{`$log "two words" x false`}, `{"log":"two words"}`, "[-> x]"},
		{[]string{"$num . x false"}, `{"num":1}`, "[a.b.c]"},
	} {
		if got := rewritten(t, c.rules, "a.b.c", c.js); got != c.want {
			t.Errorf("%s on %s: got %s, want %s", c.rules, c.js, got, c.want)
		}
	}
}

func TestMistakesOfModifyNestAndRewriteTagNameTheirOption(t *testing.T) {
	for want, err := range map[string]error{
		"rename":        (&ModifyOptions{Rename: ordered(0, "one")}).Check(config.FluentBit),
		"remove_regex":  (&ModifyOptions{RemoveRegex: ordered(0, "(")}).Check(config.FluentBit),
		"condition":     (&ModifyOptions{Condition: ordered(0, "key_is a")}).Check(config.FluentBit),
		"remove_prefix": (&NestOptions{Operation: "lift", AddPrefix: "a", RemovePrefix: "b"}).Check(config.FluentBit),
		"rule":          (&RewriteOptions{Rules: ordered(0, "$a ^b$ c")}).Check(config.FluentBit),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), want+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line that names %s", err, want)
		}
	}
}

func BenchmarkModify(b *testing.B) {
	step, err := NewModify(&ModifyOptions{Set: ordered(0, "env prod"), Rename: ordered(1, "log message"), Remove: ordered(2, "source")}, config.FluentBit, testEnv())
	if err != nil {
		b.Fatal(err)
	}
	in := body(b, `{"container_id":"0123456789abcdef","container_name":"/web","source":"stdout","log":"a line of a log"}`)
	var s Scratch
	b.ReportAllocs()
	for b.Loop() {
		s.Reset()
		ev := record.Event{Tag: "app", Body: in}
		step.Apply(&ev, &s)
	}
}

func BenchmarkModifyAndNest(b *testing.B) {
	modify, err := NewModify(&ModifyOptions{
		Condition: ordered(0, "Key_Exists container_id"), Set: ordered(1, "env prod"), Rename: ordered(2, "source stream"), Remove: ordered(3, "container_name"),
	}, config.FluentBit, testEnv())
	if err != nil {
		b.Fatal(err)
	}
	nest, err := NewNest(&NestOptions{Operation: "nest", Wildcard: []string{"ecs_*"}, NestUnder: "ecs", RemovePrefix: "ecs_"}, config.FluentBit, testEnv())
	if err != nil {
		b.Fatal(err)
	}
	chain := []Filter{modifierOf(b, ModifierOptions{Record: ecsFields}), modify, nest}
	in := dockerRecord(b)
	s, ev := &Scratch{}, record.Event{}
	b.ReportAllocs()
	for b.Loop() {
		s.Reset()
		ev = record.Event{Tag: "app", Body: in}
		for _, f := range chain {
			f.Apply(&ev, s)
		}
	}
}
