package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A name of a file, and what is in it, may be hostile: a terminal would obey its escapes, and GitHub its lines that begin with two
// colons. A URL in a mistake may have a password.
func TestWhatCheckPrintsIsNeitherObeyedNorSecret(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a\x1b[31m\n::stop-commands::x.conf")
	text := "[INPUT]\n    Name forward\n    Ev\x1b[2Jil x\n[OUTPUT]\n    Name http\n    Match *\n    Host https://user:hunter2@h:1/p\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"--strict", "--plan", "--json", "--github", "--iam"} {
		var out bytes.Buffer
		none := func(string) (string, bool) { return "", false }
		c := &cli{stdout: &out, stderr: &out, environment: environment{lookup: none, environ: os.Environ, setenv: os.Setenv, unsetenv: os.Unsetenv, roots: new(sync.Once)}}
		if status := c.main("firelane", []string{"check", form, dir}); status != exitUsage {
			t.Errorf("%s: got %d, want %d", form, status, exitUsage)
		}
		if got := out.String(); strings.Contains(got, "\x1b") || strings.Contains(got, "\n::stop-") || strings.Contains(got, "hunter2") {
			t.Errorf("%s: got %q", form, got)
		}
	}
}
