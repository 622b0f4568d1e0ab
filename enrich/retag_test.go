package enrich

import (
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// retagged sends a record through a rewrite_tag_filter: its new tag, after a label if the rule names one; "-" if it has none.
func retagged(t *testing.T, o RetagOptions, tag, js string) string {
	t.Helper()
	if o.Hostname == "" {
		o.Hostname = "hostname"
	}
	s, err := NewRetag(&o, config.Fluentd, Env{Hostname: "app30.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	got := "-"
	out := NewOut(func(*record.Event, int) {}, func(_ *record.Event, tag string, _ int) { got = tag })
	out.OnDivert(func(_ *record.Event, label, tag string, _ int) bool { got = label + " " + tag; return true })
	out.Scratch = new(Scratch)
	s.Apply(&record.Event{Tag: tag, Body: body(t, js)}, out)
	return got
}

// The cases are those of the plugin's README and of its tests.
func TestTagsAreRewrittenAsFluentdsPluginDoes(t *testing.T) {
	rule := func(key, pattern, tag string) RetagRule { return RetagRule{Key: key, Pattern: pattern, Tag: tag} }
	not := func(key, pattern, tag string) RetagRule {
		return RetagRule{Key: key, Pattern: pattern, Tag: tag, Invert: true}
	}
	readme := []RetagRule{
		rule("path", `/\.(gif|jpe?g|png|pdf|zip)$/`, "clear"), not("status", "/^200$/", "clear"), not("domain", `/^.+\.com$/`, "clear"),
		rule("domain", `/^maps\.example\.com$/`, "site.ExampleMaps"), rule("domain", `/^(mail)\.(example)\.com$/`, "site.$2$1"), rule("domain", "/.+/", "site.unmatched"),
	}
	for _, c := range []struct {
		name    string
		o       RetagOptions
		tag, in string
		want    string
	}{
		{"a file", RetagOptions{Rules: readme}, "td.apache.access", `{"path":"/a.gif","status":"200","domain":"x.com"}`, "clear"},
		{"inverted", RetagOptions{Rules: readme}, "td.apache.access", `{"path":"/a","status":"404","domain":"x.com"}`, "clear"},
		{"groups", RetagOptions{Rules: readme, Capitalize: true}, "td.apache.access", `{"path":"/a","status":200,"domain":"mail.example.com"}`, "site.ExampleMail"},
		{"the rest", RetagOptions{Rules: readme}, "td.apache.access", `{"path":"/a","status":200,"domain":"y.com"}`, "site.unmatched"},
		{"no rule", RetagOptions{Rules: readme[:1]}, "td", `{"path":"/a"}`, "-"},
		{"a missing field", RetagOptions{Rules: []RetagRule{rule("x", "/.*/", "t")}}, "td", `{"y":1}`, "-"},
		{"an empty field", RetagOptions{Rules: []RetagRule{rule("x", "/.*/", "t")}}, "td", `{"x":""}`, "-"},
		{"a missing field, inverted", RetagOptions{Rules: []RetagRule{not("x", "/^200$/", "t.$1")}}, "td", `{"y":1}`, "t.$1"},
		{"never", RetagOptions{Rules: []RetagRule{not("x", "/(?!)/", "t")}}, "td", `{"x":"a"}`, "t"},
		{"nested", RetagOptions{Rules: []RetagRule{rule("$.kubernetes.namespace_name", "^(.+)$", "$1.${tag}")}}, "kubernetes.var.log", `{"kubernetes":{"namespace_name":"default"}}`, "default.kubernetes.var.log"},
		{"brackets", RetagOptions{Rules: []RetagRule{rule("$['k']['n']", "^(.+)$", "$1")}}, "k", `{"k":{"n":"d"}}`, "d"},
		{"prefix", RetagOptions{RemovePrefix: "apache", Capitalize: true, Rules: []RetagRule{rule("d", `^(mail)\.(example)\.com$`, "rewritten.${tag}.$2$1")}}, "apache.access", `{"d":"mail.example.com"}`, "rewritten.access.ExampleMail"},
		{"regexp", RetagOptions{RemoveRegexp: `/^input\.(apache|nginx)\./`, Rules: []RetagRule{rule("d", "^.+$", "http.${tag}")}}, "input.nginx.access.log", `{"d":"x"}`, "http.access.log"},
		{"parts", RetagOptions{Rules: []RetagRule{rule("d", ".", "${tag_parts[1]}.__TAG_PARTS[0]__.__TAG__.${tag_parts[9]}x")}}, "a.b", `{"d":"x"}`, "b.a.a.b.x"},
		{"host", RetagOptions{Rules: []RetagRule{rule("d", ".", "r.${hostname}.__HOSTNAME__")}}, "a", `{"d":"x"}`, "r.app30.example.com.app30.example.com"},
		{"short host", RetagOptions{Hostname: "hostname -s", Rules: []RetagRule{rule("d", ".", "r.${hostname}")}}, "a", `{"d":"x"}`, "r.app30"},
		{"a label", RetagOptions{Rules: []RetagRule{{Key: "d", Pattern: ".", Tag: "${tag}", Label: "@X"}}}, "a", `{"d":"x"}`, "@X a"},
		{"the same tag", RetagOptions{Rules: []RetagRule{rule("d", ".", "${tag}")}}, "a", `{"d":"x"}`, "-"},
		{"a number", RetagOptions{Rules: []RetagRule{rule("d", `^(\d)`, "s$1xx")}}, "a", `{"d":404}`, "s4xx"},
		{"an unknown placeholder", RetagOptions{Rules: []RetagRule{rule("d", ".", "a${foo}b")}}, "a", `{"d":1}`, "ab"},
		{"text", RetagOptions{Rules: []RetagRule{rule("d", ".", "a__b__$x$.{c}")}}, "a", `{"d":1}`, "a__b__$x$.{c}"},
		{"a long tag", RetagOptions{Rules: []RetagRule{rule("d", "(.*)", strings.Repeat("$1", 100))}}, "a", `{"d":"` + strings.Repeat("x", 200) + `"}`, "-"},
	} {
		if got := retagged(t, c.o, c.tag, c.in); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestARewriteThatCantWorkIsRefused(t *testing.T) {
	one := []RetagRule{{Key: "a", Pattern: "b", Tag: "c"}}
	for want, o := range map[string]RetagOptions{
		"<rule>: is missing":          {},
		"pattern: pattern":            {Rules: []RetagRule{{Key: "a", Pattern: "/(/", Tag: "c"}}},
		"key: ":                       {Rules: []RetagRule{{Key: "$.a[", Pattern: "b", Tag: "c"}}},
		"remove_tag_regexp: excludes": {Rules: one, RemovePrefix: "a", RemoveRegexp: "/a/"},
	} {
		if err := o.Check(config.Fluentd); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
