package firelane_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
