package enrich

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/parse"
)

// compile compiles a configuration of filters.
func compile(t *testing.T, name, text string) (*config.Plan, []config.Diagnostic) {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	catalogue := []config.Plugin{
		{Kind: config.KindFilter, FluentBit: []string{"record_modifier"}, Options: func() any { return new(ModifierOptions) }},
		{Kind: config.KindFilter, Fluentd: []string{"record_transformer"}, Options: func() any { return new(TransformerOptions) }},
		{Kind: config.KindFilter, FluentBit: []string{"grep"}, Fluentd: []string{"grep"}, Options: func() any { return new(GrepOptions) }},
		{Kind: config.KindFilter, FluentBit: []string{"parser"}, Fluentd: []string{"parser"}, Options: func() any { return new(ParseOptions) }},
		{Kind: config.KindParser, FluentBit: []string{"json", "regex", "ltsv", "logfmt"}, Options: func() any { return new(parse.Options) }},
	}
	if err := config.CheckCatalogue(catalogue); err != nil {
		t.Fatal(err)
	}
	return config.Compile(file, catalogue, func(string) (string, bool) { return "", false })
}

// run sends a record through the filters of a plan.
func run(t *testing.T, plan *config.Plan, in string) string {
	t.Helper()
	env := testEnv()
	env.Parsers = plan.Parsers
	for _, f := range plan.Filters {
		var step Stage
		var err error
		switch o := f.Options.(type) {
		case *ModifierOptions:
			step, err = NewModifier(o, plan.Dialect, env)
		case *TransformerOptions:
			step, err = NewTransformer(o, plan.Dialect, env)
		case *GrepOptions:
			step, err = NewGrep(o, plan.Dialect, env)
		case *ParseOptions:
			step, err = NewParse(o, plan.Dialect, env)
		}
		if err != nil {
			t.Fatal(err)
		}
		if in = apply(t, step.(Filter), "app-firelens-1", in); in == "" {
			return ""
		}
	}
	return in
}

func TestFluentBitFiltersAreReadAsTheyAreWritten(t *testing.T) {
	plan, errs := compile(t, "fluent-bit.conf", `
[SERVICE]
    Parsers_File /fluent-bit/parsers/parsers.conf
[FILTER]
    Name   grep
    Match  app-firelens*
    Regex  log ^{
[FILTER]
    Name   grep
    Match  *
    Exclude log health check
    Exclude $a['b'] x
[FILTER]
    Name   parser
    Match  *
    Key_Name log
    Parser json
    Reserve_Data On
[FILTER]
    Name record_modifier
    Match *
    Record ecs_cluster demo
    Record ecs_task_definition web:7
    Remove_key container_*
`[1:])
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if got, want := run(t, plan, `{"log":"{\"a\":1}","container_id":"c"}`), `{"a":1,"ecs_cluster":"demo","ecs_task_definition":"web:7"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, dropped := range []string{`{"log":"text"}`, `{"log":"{ health check"}`, `{"log":"{","a":{"b":"x"}}`} {
		if got := run(t, plan, dropped); got != "" {
			t.Errorf("%s: got %s, want it dropped", dropped, got)
		}
	}
}

func TestFluentdFiltersAreReadAsTheyAreWritten(t *testing.T) {
	plan, errs := compile(t, "fluent.conf", `
<filter app-firelens**>
  @type grep
  <regexp>
    key log
    pattern /^(ERR|{)/
  </regexp>
  <exclude>
    key $.a.b
    pattern health check
  </exclude>
  exclude1 c \d{3}
</filter>
<filter **>
  @type parser
  key_name log
  reserve_data true
  remove_key_name_field true
  <parse>
    @type json
    time_type string
    time_format %Y-%m-%dT%H:%M:%S%z
    types n:integer
  </parse>
</filter>
<filter **>
  @type record_transformer
  enable_ruby
  remove_keys container_id
  <record>
    ecs_cluster demo
    service ${tag_parts[0]}
    who ${record["user"]["name"]}
  </record>
</filter>
`[1:])
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	got := run(t, plan, `{"log":"{\"n\":\"7\",\"user\":{\"name\":\"eve\"}}","container_id":"c"}`)
	if want := `{"n":7,"user":{"name":"eve"},"ecs_cluster":"demo","service":"app-firelens-1","who":"eve"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, dropped := range []string{`{"log":"text"}`, `{"log":"ERR","a":{"b":"health check"}}`, `{"log":"ERR","c":404}`} {
		if got := run(t, plan, dropped); got != "" {
			t.Errorf("%s: got %s, want it dropped", dropped, got)
		}
	}
}

func TestMistakesAreFoundWhereTheyAre(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"fluent-bit.conf", "[FILTER]\n    Name grep\n    Match *\n    Regex log a(\n", `:4: grep: regex: pattern "a(" can't be used: a ( is not closed`},
		{"fluent.conf", "<filter **>\n  @type grep\n  <regexp>\n    key log\n    pattern a(\n  </regexp>\n</filter>\n", `:5: grep <regexp>: pattern: pattern "a(" can't be used: a ( is not closed`},
		{"fluent.conf", "<filter **>\n  @type record_transformer\n  <record>\n    a b\n    c ${Time.now}\n  </record>\n</filter>\n", `:5: record_transformer: c: ${Time.now} can't be evaluated: Ruby is not`},
		{"fluent.conf", "<filter **>\n  @type parser\n  key_name log\n</filter>\n", `:1: parser: a section <parse> is missing; want one with an @type such as json`},
		{"fluent.conf", "<filter **>\n  @type parser\n  key_name log\n  <parse>\n    @type json\n    time_format %Q\n  </parse>\n</filter>\n", `:6: parser <parse>: time_format: time format "%Q": %Q is not a conversion of strptime`},
	} {
		_, errs := compile(t, c.name, c.text)
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want) {
			t.Errorf("got %v, want …%s", errs, c.want)
		}
	}
}
