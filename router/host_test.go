package router

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
)

// Fluent Bit has the option for all plugins, and its inputs that listen don't read it: they listen on every address. One that listened
// on this address alone could not be reached from other containers any more.
func TestHostOfAnInputIsNotWhereItListens(t *testing.T) {
	for _, name := range []string{"forward", "http", "tcp", "udp", "opentelemetry", "statsd", "syslog"} {
		file := filepath.Join(t.TempDir(), "main.conf")
		text := "[INPUT]\n    Name " + name + "\n    Mode tcp\n    Host 127.0.0.1\n    Port 5555\n[OUTPUT]\n    Name null\n    Match *\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		plan, diags := config.Compile(file, Catalogue(), func(string) (string, bool) { return "", false })
		if len(diags) > 0 {
			t.Fatal(diags)
		}
		listen := reflect.Indirect(reflect.ValueOf(plan.Inputs[0].Options)).FieldByName("Listen").String()
		warned := slices.ContainsFunc(plan.Warnings, func(d config.Diagnostic) bool { return strings.Contains(d.Text, "Host has no effect here") })
		if listen != "0.0.0.0" || !warned {
			t.Errorf("%s: got %q and the warnings %v, want 0.0.0.0 and one that Host has no effect", name, listen, plan.Warnings)
		}
	}
}
