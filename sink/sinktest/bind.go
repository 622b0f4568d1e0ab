package sinktest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/firelane/firelane/config"
)

// Bind returns the options of an output that is configured by lines of a dialect, with its defaults, as a router would have
// them.
func Bind[O any](t testing.TB, d config.Dialect, lines string) *O {
	t.Helper()
	o, errs := TryBind[O](t, d, lines)
	if len(errs) > 0 {
		t.Fatalf("%s: %v", lines, errs)
	}
	return o
}

// TryBind is Bind for options that may be wrong.
func TryBind[O any](t testing.TB, d config.Dialect, lines string) (*O, []config.Diagnostic) {
	t.Helper()
	text := "[OUTPUT]\n  name tested\n  match *\n" + lines + "\n"
	if d == config.Fluentd {
		text = "<match **>\n  @type tested\n" + lines + "\n</match>\n"
	}
	file := filepath.Join(t.TempDir(), "main.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	name := []string{"tested"}
	plan, errs := config.Compile(file, []config.Plugin{{
		Kind: config.KindOutput, FluentBit: name, Fluentd: name, Options: func() any { return new(O) },
	}}, func(string) (string, bool) { return "", false })
	if len(errs) > 0 {
		return nil, errs
	}
	return plan.Outputs[0].Options.(*O), nil
}
