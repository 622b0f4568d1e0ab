package enrich

import (
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
)

func pairs(kv ...string) (out []config.Pair) {
	for _, s := range kv {
		key, value, _ := strings.Cut(s, " ")
		out = append(out, config.Pair{Key: key, Value: value})
	}
	return out
}

func TestGrepDecidesAsFluentBitDoes(t *testing.T) {
	for _, c := range []struct {
		name    string
		o       GrepOptions
		keeps   []string
		refuses []string
	}{
		{"regex", GrepOptions{Regex: pairs("log ^ERR")}, []string{`{"log":"ERROR x"}`}, []string{`{"log":"x"}`, `{}`, `{"log":17}`, `{"log":null}`}},
		{"exclude", GrepOptions{Exclude: pairs("log health check")}, []string{`{"log":"x"}`, `{}`, `{"log":17}`}, []string{`{"log":"a health check b"}`}},
		{"text alone is compared", GrepOptions{Exclude: pairs("code 404")}, []string{`{"code":404}`}, []string{`{"code":"404"}`}},
		{"nested", GrepOptions{Regex: pairs("$kubernetes['labels']['app'] ^my")}, []string{`{"kubernetes":{"labels":{"app":"myapp"}}}`},
			[]string{`{"kubernetes":{"labels":{}}}`, `{"kubernetes":"x"}`}},
		{"array", GrepOptions{Regex: pairs("$a[1]['b'] x")}, []string{`{"a":[0,{"b":"x"}]}`}, []string{`{"a":[{"b":"x"}]}`}},
		{"nested without $", GrepOptions{Regex: pairs("a['b'] x")}, []string{`{"a":{"b":"x"}}`}, []string{`{"a['b']":"x"}`}},
		{"legacy, first regex decides", GrepOptions{Regex: pairs("a 1", "b 2")}, []string{`{"a":"1"}`, `{"a":"1","b":"2"}`}, []string{`{"b":"2"}`}},
		{"legacy, both", GrepOptions{Regex: pairs("a 1"), Exclude: pairs("b 2")}, []string{`{"a":"1"}`}, []string{`{"a":"1","b":"2"}`, `{"b":"3"}`}},
		{"AND regex", GrepOptions{Regex: pairs("a 1", "b 2"), LogicalOp: "AND"}, []string{`{"a":"1","b":"2"}`}, []string{`{"a":"1"}`, `{"b":"2"}`}},
		{"OR regex", GrepOptions{Regex: pairs("a 1", "b 2"), LogicalOp: "OR"}, []string{`{"a":"1"}`, `{"b":"2"}`}, []string{`{}`}},
		{"AND exclude", GrepOptions{Exclude: pairs("a 1", "b 2"), LogicalOp: "AND"}, []string{`{"a":"1"}`, `{"b":"2"}`}, []string{`{"a":"1","b":"2"}`}},
		{"OR exclude", GrepOptions{Exclude: pairs("a 1", "b 2"), LogicalOp: "OR"}, []string{`{}`}, []string{`{"a":"1"}`, `{"b":"2"}`}},
		{"no rules", GrepOptions{}, []string{`{}`}, nil},
	} {
		step, err := NewGrep(&c.o, config.FluentBit, testEnv())
		if err != nil {
			t.Errorf("%s: got %v, want no error", c.name, err)
			continue
		}
		checkGrep(t, c.name, step, c.keeps, c.refuses)
	}
}

func checkGrep(t *testing.T, name string, step Filter, keeps, refuses []string) {
	t.Helper()
	for _, in := range keeps {
		if got := apply(t, step, "app", in); got != in {
			t.Errorf("%s: got %s dropped, want it kept", name, in)
		}
	}
	for _, in := range refuses {
		if got := apply(t, step, "app", in); got != "" {
			t.Errorf("%s: got %s kept, want it dropped", name, in)
		}
	}
}

func TestGrepDecidesAsFluentdDoes(t *testing.T) {
	rule := func(s string) GrepRule { p := pairs(s)[0]; return GrepRule{p.Key, p.Value} }
	for _, c := range []struct {
		name    string
		o       GrepOptions
		keeps   []string
		refuses []string
	}{
		{"all regexps", GrepOptions{Regexps: []GrepRule{rule("message cool"), rule("host ^web\\d")}},
			[]string{`{"message":"It's cool","host":"web1"}`}, []string{`{"message":"It's cool"}`, `{"host":"web1"}`}},
		{"any exclude", GrepOptions{Excludes: []GrepRule{rule("message uncool"), rule("host x")}}, []string{`{"message":"cool"}`}, []string{`{"message":"uncool"}`, `{"host":"x"}`}},
		{"and", GrepOptions{And: []GrepGroup{{Excludes: []GrepRule{rule("container_name ^app"), rule("log_level ^(?:info|debug)$")}}}},
			[]string{`{"container_name":"app","log_level":"error"}`, `{"log_level":"info"}`}, []string{`{"container_name":"app","log_level":"info"}`}},
		{"or", GrepOptions{Or: []GrepGroup{{Regexps: []GrepRule{rule("method ^GET$"), rule("code ^5\\d\\d$")}}}},
			[]string{`{"method":"GET"}`, `{"code":500}`}, []string{`{"method":"POST","code":200}`}},
		{"or exclude", GrepOptions{Or: []GrepGroup{{Excludes: []GrepRule{rule("a 1"), rule("b 2")}}}}, []string{`{}`}, []string{`{"a":1}`, `{"b":2}`}},
		{"numbers, bools", GrepOptions{Regexps: []GrepRule{rule("a ^1.5$"), rule("b ^true$")}}, []string{`{"a":1.5,"b":true}`}, []string{`{"a":1,"b":true}`}},
		{"missing is empty", GrepOptions{Excludes: []GrepRule{rule("a ^$")}}, []string{`{"a":"x"}`}, []string{`{}`, `{"a":null}`, `{"a":""}`}},
		{"slashes", GrepOptions{Regexps: []GrepRule{rule("a /ERR/i")}}, []string{`{"a":"error"}`}, []string{`{"a":"x"}`}},
		{"nested", GrepOptions{Regexps: []GrepRule{rule("$.a.b x"), rule("$['a']['c.d'][0] y")}}, []string{`{"a":{"b":"x","c.d":["y"]}}`}, []string{`{"a.b":"x"}`}},
		{"older form", GrepOptions{RegexpN: pairs("a x y"), ExcludeN: pairs("b z")}, []string{`{"a":"x y"}`}, []string{`{"a":"x y","b":"z"}`, `{}`}},
	} {
		step, err := NewGrep(&c.o, config.Fluentd, testEnv())
		if err != nil {
			t.Errorf("%s: got %v, want no error", c.name, err)
			continue
		}
		checkGrep(t, c.name, step, c.keeps, c.refuses)
	}
}

func TestGrepErrorsAreOneLine(t *testing.T) {
	for _, c := range []struct {
		d    config.Dialect
		o    GrepOptions
		want string
	}{
		{config.FluentBit, GrepOptions{Regex: pairs("log")}, "regex: a KEY or a PATTERN is missing; want both, as in: log ^ERROR"},
		{config.FluentBit, GrepOptions{Regex: pairs("log a(")}, `regex: pattern "a(" can't be used: a ( is not closed`},
		{config.FluentBit, GrepOptions{Exclude: pairs("$ x")}, `exclude: "$" names no field; want name or $name['inner']`},
		{config.FluentBit, GrepOptions{Regex: pairs("a 1"), Exclude: pairs("b 2"), LogicalOp: "AND"}, "logical_op: AND combines several regex or several exclude, but not both kinds; use two filters"},
		{config.Fluentd, GrepOptions{And: []GrepGroup{{Regexps: []GrepRule{{"a", "b"}}, Excludes: []GrepRule{{"a", "b"}}}}}, "<and> takes <regexp> or <exclude>, not both; use two <and>"},
		{config.Fluentd, GrepOptions{Regexps: []GrepRule{{"$.a b", "x"}}}, `key: "$.a b" can't be parsed: a name is empty or has blanks; want $['a']['b']`},
	} {
		if _, err := NewGrep(&c.o, c.d, testEnv()); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
