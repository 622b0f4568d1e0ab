package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
)

func TestTheReferenceNamesEveryOptionOnce(t *testing.T) {
	for d, name := range map[config.Dialect]string{config.FluentBit: "testdata/reference/fluentbit.md", config.Fluentd: "testdata/reference/fluentd.md"} {
		got := config.Reference(catalogue, d, nil)
		if *update {
			os.MkdirAll("testdata/reference", 0o755)
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		if n := strings.Count(got, "net.timeout`"); d == config.FluentBit && n != 1 {
			t.Errorf("got net.timeout described %d times, want once", n)
		}
	}
}
