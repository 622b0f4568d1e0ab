package router

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/firelane/firelane/config"
)

// examples are the configurations that the reference pages show: testdata/examples has one for each plugin of a dialect.
func examples(t *testing.T, d config.Dialect) map[string]string {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", "examples", d.String()+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, f := range archive.Files {
		list[f.Name] = string(f.Data)
	}
	return list
}

// noExample are plugins that nobody writes: log_to_metrics adds the input emitter itself, and sampling has no effect.
var noExample = map[string]bool{"input emitter": true, "filter sampling": true}

// TestEveryPluginHasAnExample: and no example is of a plugin that there isn't.
func TestEveryPluginHasAnExample(t *testing.T) {
	for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
		left := examples(t, d)
		for _, p := range Catalogue() {
			names := p.FluentBit
			if d == config.Fluentd {
				names = p.Fluentd
			}
			if len(names) == 0 {
				continue
			}
			name := p.Kind.String() + " " + names[0]
			if left[name] == "" && !noExample[name] {
				t.Errorf("testdata/examples/%s.txtar has no example of %s", d, name)
			}
			delete(left, name)
		}
		for name := range left {
			t.Errorf("testdata/examples/%s.txtar has an example of %s, which isn't in the catalogue", d, name)
		}
	}
}

// TestExamplesBind: each example is a configuration without mistakes and without warnings, and uses the plugin that it is of.
func TestExamplesBind(t *testing.T) {
	for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
		for name, text := range examples(t, d) {
			t.Run(d.String()+" "+name, func(t *testing.T) {
				kind, plugin := name[:strings.LastIndex(name, " ")], name[strings.LastIndex(name, " ")+1:]
				plan, wrong := config.Compile(completed(t, d, kind, text), Catalogue(), func(name string) (string, bool) {
					_, ok := hunter2(name)
					return "https://logs.example.com/secret", ok
				})
				for _, mistake := range wrong {
					t.Error(mistake)
				}
				if plan == nil {
					return
				}
				for _, warning := range plan.Warnings {
					t.Error(warning)
				}
				if !uses(plan, plugin) {
					t.Errorf("the example doesn't use %s", plugin)
				}
			})
		}
	}
}

// uses reports whether a plan has an instance of a plugin, by the plugin's first name.
func uses(plan *config.Plan, plugin string) bool {
	found := false
	see := func(in config.Instance) {
		if in.Plugin != nil {
			names := append(append([]string{}, in.Plugin.FluentBit...), in.Plugin.Fluentd...)
			for _, name := range names {
				found = found || name == plugin
			}
		}
	}
	for _, in := range plan.Inputs {
		see(in.Instance)
	}
	for _, f := range plan.Filters {
		see(f.Instance)
	}
	for _, o := range plan.Outputs {
		see(o.Instance)
	}
	for _, p := range plan.Parsers {
		see(p)
	}
	for _, m := range plan.Multiline {
		see(m)
	}
	return found
}

// completed writes an example as a whole configuration, with the input and the output that it lacks, and returns the file.
func completed(t *testing.T, d config.Dialect, kind, text string) string {
	source, match := "[INPUT]\n    Name dummy\n", "[OUTPUT]\n    Name  null\n    Match *\n"
	name := "fluent-bit.conf"
	if d == config.Fluentd {
		source, match = "<source>\n  @type sample\n  tag test\n</source>\n", "<match **>\n  @type null\n</match>\n"
		name = "fluent.conf"
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	switch {
	case strings.HasPrefix(text, "pipeline:"):
		return write("fluent-bit.yaml", text+"  outputs:\n    - name: stdout\n      match: '*'\n")
	case kind == "parser" || kind == "multiline parser":
		write("parsers.conf", text)
		return write(name, "[SERVICE]\n    Parsers_File parsers.conf\n"+source+match)
	case kind == "stream task":
		write("streams.conf", text)
		return write(name, "[SERVICE]\n    Streams_File streams.conf\n"+source+match)
	case kind == "input":
		return write(name, text+match)
	case kind == "filter":
		return write(name, source+text+match)
	}
	return write(name, source+text)
}
