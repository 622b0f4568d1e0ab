package router

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
)

// explainEach is how many options of the reference there are for each one that is looked up: all of them would take a minute.
const explainEach = 40

// TestOptionsOfTheReferenceAreExplained: by the name of the plugin and their own.
func TestOptionsOfTheReferenceAreExplained(t *testing.T) {
	for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
		page, err := os.ReadFile("../docs/options-" + d.String() + ".md")
		if err != nil {
			t.Fatal(err)
		}
		plugin, seen := "", map[string]bool{}
		heading, row := regexp.MustCompile("^## (?:\\w+ )+`([^`]+)`$"), regexp.MustCompile("^\\| `([^`]+)`")
		for line := range strings.Lines(string(page)) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "## ") {
				plugin = ""
				if m := heading.FindStringSubmatch(line); m != nil {
					plugin = m[1] + "."
				}
				continue
			}
			m := row.FindStringSubmatch(line)
			if m == nil || strings.HasSuffix(m[1], "…>") || seen[plugin+m[1]] {
				continue
			}
			seen[plugin+m[1]] = true
			if len(seen)%explainEach != 0 {
				continue
			}
			var out strings.Builder
			if near := config.Explain(&out, Catalogue(), plugin+m[1]); out.Len() == 0 {
				t.Errorf("%s of %s: got nothing%s, want its reference", plugin+m[1], d, near)
			}
		}
		if len(seen) < 500 {
			t.Errorf("got %d options of %s, want all of the page", len(seen), d)
		}
	}
}
