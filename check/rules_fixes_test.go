package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/check"
)

// Whoever applies a fix has a configuration that can be read, and in which nothing is said of that again.
func TestAFixMendsWhatItIsFor(t *testing.T) {
	files, err := filepath.Glob("testdata/rules/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases in testdata/rules")
	}
	none := func(string) (string, bool) { return "", false }
	for _, name := range files {
		cases := readCases(t, name)
		for i := range cases {
			c := &cases[i]
			file := filepath.Join(t.TempDir(), c.file)
			run := func(text string) []check.Finding {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return subjectOf(file, none).Run(check.Rules())
			}
			before := run(c.text)
			unread := map[string]bool{}
			for _, f := range before {
				unread[f.Rule.Number] = true
			}
			for _, f := range before {
				if f.Fix == nil {
					continue
				}
				lines := strings.Split(c.text, "\n")
				lines[f.Fix.Line-1] = f.Fix.New
				for _, g := range run(strings.Join(lines, "\n")) {
					if g.Rule.Number == f.Rule.Number && g.At.Line == f.At.Line && g.Text == f.Text || g.Rule.Number == "F101" && !unread["F101"] {
						t.Errorf("%s, %s: with %q it says still or anew %s: %s", filepath.Base(name), c.what, f.Fix.New, g.Rule.Number, g.Text)
					}
				}
			}
		}
	}
}
