package check_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/firelane/firelane/check"
)

const (
	rulesPage  = "../docs/check.md"
	rulesBegin = "<!-- rules: written by go test ./check -update -->\n"
	rulesEnd   = "<!-- end of the rules -->\n"
)

// The page's table of rules is the list that firelane check applies.
func TestThePageHasTheRules(t *testing.T) {
	data, err := os.ReadFile(rulesPage)
	if err != nil && !*update {
		t.Fatal(err)
	}
	page := string(data)
	before, rest, ok := strings.Cut(page, rulesBegin)
	table, after, _ := strings.Cut(rest, rulesEnd)
	if !ok {
		before = strings.TrimRight(page, "\n") + "\n\n## Rules\n\nA number never changes its meaning. The severity is the worst that a finding of the rule has.\n\n"
	}
	want := rulesTable(rules())
	switch {
	case *update:
		if err := os.WriteFile(rulesPage, []byte(strings.TrimLeft(before, "\n")+rulesBegin+want+rulesEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case table != want:
		t.Errorf("%s has other rules; write it by go test ./check -update", rulesPage)
	}
}

func rulesTable(rules []check.Rule) string {
	var b strings.Builder
	b.WriteString("| rule | name | severity | what it finds |\n|---|---|---|---|\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.Number, r.Name, r.Severity, strings.ReplaceAll(r.Help, "|", "\\|"))
	}
	return b.String()
}
