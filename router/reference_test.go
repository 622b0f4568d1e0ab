package router

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/firelane/firelane/config"
)

// TestReferencePagesAreUpToDate: the pages in docs are made of the options structs; go test ./router -update writes them.
func TestReferencePagesAreUpToDate(t *testing.T) {
	titles := map[config.Dialect]string{config.FluentBit: "Fluent Bit", config.Fluentd: "Fluentd"}
	for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
		page := filepath.Join("..", "docs", "options-"+d.String()+".md")
		want := "# Options in " + titles[d] + "'s dialect\n\n" + config.Reference(Catalogue(), d, examples(t, d))
		if *update {
			if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(page)
		if err != nil || string(got) != want {
			t.Errorf("got a %s that differs from the options (error %v), want it up to date: go test ./router -run Reference -update", page, err)
		}
	}
}
