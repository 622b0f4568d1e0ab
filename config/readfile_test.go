package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
)

func TestFileOfAnOptionIsFoundAsIncludedFilesAre(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("main/a.lua", "beside main")
	write("main/b.lua", "beside main")
	write("main/inner/b.lua", "beside the including file")
	write("work/a.lua", "working directory")
	absolute := write("work/c.lua", "working directory")
	t.Chdir(filepath.Join(dir, "work"))
	p := &config.Plan{Files: []string{filepath.Join(dir, "main/main.conf"), filepath.Join(dir, "main/inner/part.conf")}}
	at := config.Pos{File: filepath.Join(dir, "main/inner/part.conf"), Line: 3}
	for name, want := range map[string]string{
		"a.lua": "beside main", "b.lua": "beside the including file", "c.lua": "working directory", absolute: "working directory",
	} {
		if text, path, err := p.ReadFile(name, at); err != nil || text != want || filepath.Base(path) != filepath.Base(name) {
			t.Errorf("%s: got %q of %s, want %q: %v", name, text, path, want, err)
		}
	}
	if _, _, err := p.ReadFile("missing.lua", at); err == nil || !strings.Contains(err.Error(), "missing.lua does not exist") {
		t.Errorf("got %v", err)
	}
	if _, _, err := p.ReadFile(dir, at); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("got %v", err)
	}
	if text, _, err := p.ReadFile("/fluent-bit/filters/replace_dots.lua", at); err != nil || !strings.Contains(text, "function filter(") {
		t.Errorf("the built-in script: %v", err)
	}
}
