package config_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
)

// compileText compiles a text and asks everything of the plan that there is to ask: none of it may panic, and every
// diagnostic is one line with a place.
func compileText(t *testing.T, prefix, text string) {
	for _, reads := range []string{"include", "parsers_file", "parsersfile", "streams_file", "streamsfile", "file:"} {
		if strings.Contains(strings.ToLower(text), reads) {
			t.Skip("reads what is on this machine's disk")
		}
	}
	c := config.Compiler{Catalogue: catalogue, Hostname: "h", Lookup: func(name string) (string, bool) { return name, len(name)%2 == 0 }}
	p, errs := c.CompileText("main", prefix+text)
	for _, d := range append(errs, p.Warnings...) {
		if d.Text == "" || d.File == "" || strings.ContainsAny(d.Text, "\r\n") {
			t.Errorf("got the diagnostic %q, want one line that names the file", d)
		}
	}
	if len(errs) > 0 {
		return
	}
	if err := p.Write(io.Discard); err != nil {
		t.Error(err)
	}
	for i := range p.Inputs {
		for _, tag := range []string{"", "a", "app-firelens-1", "a.b.c"} {
			_ = p.Rerouted(i, tag)
			r := p.Route(i, tag)
			for _, f := range r.Filters {
				_ = p.Filters[f]
			}
			for _, o := range r.Outputs {
				_ = p.Outputs[o]
			}
		}
	}
}

// seed adds the inputs of golden files.
func seed(f *testing.F, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("%s: no files (%v)", pattern, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		text, _, _ := strings.Cut(string(data), "\n----\n")
		for strings.HasPrefix(text, "$ ") || strings.HasPrefix(text, "-- ") { // variables, and the name of the first file
			_, text, _ = strings.Cut(text, "\n")
		}
		text, _, _ = strings.Cut(text, "\n-- ")
		f.Add(text)
	}
}

func FuzzFluentBit(f *testing.F) {
	seed(f, "testdata/fluentbit/*.txt")
	f.Fuzz(func(t *testing.T, text string) { compileText(t, "[SERVICE]\n", text) })
}

func FuzzFluentd(f *testing.F) {
	seed(f, "testdata/fluentd/*.txt")
	f.Fuzz(func(t *testing.T, text string) { compileText(t, "<system>\n</system>\n", text) })
}

func FuzzFluentBitYAML(f *testing.F) {
	seed(f, "testdata/fluentbit/yaml*.txt")
	f.Fuzz(func(t *testing.T, text string) { compileText(t, "service:\n  flush: 1\n", text) })
}

func FuzzFluentdYAML(f *testing.F) {
	seed(f, "testdata/fluentd/yaml*.txt")
	f.Fuzz(func(t *testing.T, text string) { compileText(t, "system:\n  log_level: info\n", text) })
}
