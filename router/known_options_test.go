package router

import (
	"os"
	"strings"
	"testing"

	"github.com/firelane/firelane/config/configtest"
)

// TestNoOptionOfFluentBitIsUnknown: those of plugins are from `fluent-bit -J`, those of [SERVICE] from its source.
func TestNoOptionOfFluentBitIsUnknown(t *testing.T) {
	text, err := os.ReadFile("testdata/fluentbit-5.1.1-options.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for line := range strings.Lines(string(text)) {
		plugin, options, _ := strings.Cut(line, ": ")
		kind, name, ok := strings.Cut(plugin, " ")
		if !ok {
			t.Fatalf("the line %q names no plugin", line)
		}
		all.WriteString("[" + strings.ToUpper(kind) + "]\n")
		if name != "" {
			all.WriteString("    Name " + name + "\n")
		}
		for option := range strings.FieldsSeq(options) {
			all.WriteString("    " + option + " 1\n")
		}
	}
	for line := range strings.Lines(configtest.Run(t, all.String(), Catalogue())) {
		if strings.Contains(line, "unknown option") {
			t.Error(line)
		}
	}
}
