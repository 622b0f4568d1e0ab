package sinktest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
)

// Options are the options of an output, bound and checked as the router does it. text is what a section sets, a line each.
func Options[T any](t testing.TB, d config.Dialect, text string) *T {
	t.Helper()
	o, err := TryOptions[T](t, d, text)
	if err != "" {
		t.Fatalf("%s: %s", text, err)
	}
	return o
}

// TryOptions is Options for sections that have a mistake, which err says; "" if there is none.
func TryOptions[T any](t testing.TB, d config.Dialect, text string) (o *T, err string) {
	t.Helper()
	main, name := "[INPUT]\n  name source\n[OUTPUT]\n  name it\n  match *\n", "test.conf"
	end := "\n"
	if d == config.Fluentd {
		main, end = "<source>\n@type source\n</source>\n<match **>\n@type it\n", "\n</match>\n"
	}
	for line := range strings.Lines(text) {
		main += "  " + strings.TrimSpace(line) + "\n"
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(main+end), 0o600); err != nil {
		t.Fatal(err)
	}
	both := []string{"it"}
	c := config.Compiler{Hostname: "host-1", Lookup: func(string) (string, bool) { return "", false }, Catalogue: []config.Plugin{
		{Kind: config.KindInput, FluentBit: []string{"source"}, Fluentd: []string{"source"}, Options: func() any { return new(struct{}) }},
		{Kind: config.KindOutput, FluentBit: both, Fluentd: both, Options: func() any { return new(T) }},
	}}
	plan, mistakes := c.Compile(file)
	if len(mistakes) > 0 {
		return nil, mistakes[0].Text
	}
	return plan.Outputs[0].Options.(*T), ""
}
