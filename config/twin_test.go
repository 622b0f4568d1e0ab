package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
)

// places are the places and files in a plan, which twins don't share.
var places = regexp.MustCompile(`(?m)^file .*\n|  # .*$`)

// compiled is the plan of a file as text, without places.
func compiled(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, errs := config.Compile(file, catalogue, func(name string) (string, bool) { return "9201", name == "PORT" })
	if len(errs) > 0 || len(p.Warnings) > 0 {
		t.Fatalf("%s: got %v and %v, want no errors and warnings", name, errs, p.Warnings)
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return places.ReplaceAllString(b.String(), "")
}

// A file is the classic one, a line of ----, and its twin in YAML.
func TestYAMLMeansTheSameAsTheOtherSyntax(t *testing.T) {
	files, err := filepath.Glob("testdata/twins/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files (%v)", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		classic, twin, ok := strings.Cut(string(data), "----\n")
		if !ok {
			t.Fatalf("%s: no ----", name)
		}
		want, got := compiled(t, "main.conf", classic), compiled(t, "main.yaml", twin)
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}
