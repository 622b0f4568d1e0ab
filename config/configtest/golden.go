// Package configtest holds configurations against what they should come to, for the tests of config and of the
// catalogue.
package configtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
)

// separator separates the input from the expected result.
const separator = "----\n"

// Golden runs every file that matches the pattern as a test. A file is
//
//	$ NAME=value          environment variables, if any
//	the main file         called main.conf, unless the first line is -- NAME --
//	-- NAME --
//	a further file
//	----
//	what Result makes of it
//
// With update the part below the line is written anew.
func Golden(t *testing.T, pattern string, catalogue []config.Plugin, update bool) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files (%v)", pattern, err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			input, _, _ := strings.Cut(string(data), separator)
			Compare(t, name, input, Run(t, input, catalogue), update)
		})
	}
}

// Compare holds input and its result against the golden file, or writes it.
func Compare(t *testing.T, name, input, result string, update bool) {
	t.Helper()
	whole := input + separator + result
	if update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(whole), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != whole {
		t.Errorf("%s: got\n%s\nwant\n%s", name, whole, want)
	}
}

// Run writes the files of input into a folder of their own, compiles the first one there and returns Result.
func Run(t *testing.T, input string, catalogue []config.Plugin) string {
	t.Helper()
	env := map[string]string{}
	for strings.HasPrefix(input, "$ ") {
		line, rest, _ := strings.Cut(input, "\n")
		name, value, _ := strings.Cut(line[2:], "=")
		env[name], input = value, rest
	}
	if !strings.HasPrefix(input, "-- ") {
		input = "-- main.conf --\n" + input
	}
	back, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chdir(dir); err != nil {
		t.Fatal(err)
	}
	defer os.Chdir(back)
	main := writeFiles(t, input)
	c := config.Compiler{Catalogue: catalogue, Hostname: "host-1", Lookup: func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}}
	return Result(c.Compile(main))
}

// writeFiles takes input apart and returns the name of the first file.
func writeFiles(t *testing.T, input string) (main string) {
	t.Helper()
	var name string
	var text strings.Builder
	write := func() {
		if name == "" {
			return
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		if main == "" {
			main = name
		}
		text.Reset()
	}
	for line := range strings.Lines(input) {
		if n, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(n, " --\n") {
			write()
			name = strings.TrimSuffix(n, " --\n")
			continue
		}
		text.WriteString(line)
	}
	write()
	return main
}

// Result is the result of a compilation as text: warnings, errors, and the plan if there is no error.
func Result(p *config.Plan, errs []config.Diagnostic) string {
	var b bytes.Buffer
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	for _, e := range errs {
		fmt.Fprintf(&b, "error: %s\n", e)
	}
	if len(errs) == 0 {
		p.Write(&b)
	}
	return b.String()
}
