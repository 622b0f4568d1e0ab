package firelane_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/check"
)

// Every line of the page's contracts is a line of the room that it is shown under, apart from comments and spaces.
func TestContractsInTheArchitectureAreThoseOfTheCode(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```go\n")
	block, _, _ := strings.Cut(rest, "```")
	room, code, compared := "", "", 0
	for line := range strings.Lines(block) {
		line, _, _ = strings.Cut(line, "//")
		line = strings.Join(strings.Fields(line), " ")
		if name, ok := strings.CutPrefix(line, "package "); ok {
			room, code = name, codeOf(t, name)
		} else if line != "" {
			compared++
			if !strings.Contains(code, line) {
				t.Errorf("%s has no %q, want what docs/architecture.md shows", room, line)
			}
		}
	}
	if compared < 20 {
		t.Errorf("got %d lines of contracts, want at least 20", compared)
	}
}

// docs/check.md shows what firelane check prints for the tutorial's task definition on 25 November 2026, and the README how that
// begins.
func TestTheReportInTheDocsIsThatOfTheTutorial(t *testing.T) {
	const file = "deploy/task-definition.json"
	subjects, wrong := check.Open([]string{file}, check.Options{Now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)})
	for _, d := range wrong {
		t.Error(d)
	}
	r := check.Report{Read: func(name string) (string, bool) {
		text, err := os.ReadFile(name)
		return string(text), err == nil
	}}
	for _, s := range subjects {
		r.Add(s, slices.Concat(check.Rules(), check.ReadRules(), check.TaskRules(nil), check.DifferenceRules()))
	}
	var report strings.Builder
	if err := r.Text(&report); err != nil {
		t.Fatal(err)
	}
	if shown := shownReport(t, "docs/check.md", file); shown != report.String() {
		t.Errorf("docs/check.md shows another report. Got\n%s", &report)
	}
	if shown := shownReport(t, "README.md", file); len(shown) < 1000 || !strings.HasPrefix(report.String(), shown) {
		t.Errorf("README.md doesn't show how the report begins. Got\n%s", &report)
	}
}

// shownReport is what a page shows of the report about a file.
func shownReport(t *testing.T, page, file string) string {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "$ firelane check "+file+"\n")
	shown, _, _ := strings.Cut(rest, "```")
	if !ok {
		t.Fatalf("%s has no block that begins with $ firelane check %s", page, file)
	}
	return shown
}

// codeOf is a package's code without its tests, with one space between words.
func codeOf(t *testing.T, room string) string {
	files, err := filepath.Glob(room + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code.WriteString(strings.Join(strings.Fields(string(b)), " ") + "\n")
	}
	return code.String()
}
