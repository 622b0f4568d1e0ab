package main

import (
	"bytes"
	"encoding/json"
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
	name := filepath.Join(dir, "a##[stop-commands]\x1b[31m\n::stop-commands::x.conf")
	text := "[INPUT]\n    Name forward\n    Ev\x1b[2Jil x\u009b\u202e##[add-mask]e\n[OUTPUT]\n    Name http\n    Match *\n    Host https://user:hunter2@h:1/p\n"
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
		if got := out.String(); strings.ContainsAny(got, "\x1b\u009b\u202e") || strings.Contains(got, "\n::stop-") || strings.Contains(got, "##[") || strings.Contains(got, "hunter2") {
			t.Errorf("%s: got %q", form, got)
		}
	}
}

// A script that wants only the mistakes discards the report.
func TestMistakesAreOnStandardErrorIfTheReportIsDiscarded(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fluent-bit.conf")
	if err := os.WriteFile(name, []byte("[INPUT]\n    Name forward\n[OUTPUT]\n    Name nul\n    Match *\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	discard, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer discard.Close()
	var errs bytes.Buffer
	none := func(string) (string, bool) { return "", false }
	c := &cli{stdout: discard, stderr: &errs, environment: environment{lookup: none, environ: os.Environ, setenv: os.Setenv, unsetenv: os.Unsetenv, roots: new(sync.Once)}}
	if status := c.main("firelane", []string{"check", name}); status != exitUsage {
		t.Errorf("got %d, want %d", status, exitUsage)
	}
	if want := name + ":4: unknown output nul; want null"; !strings.HasPrefix(errs.String(), want) {
		t.Errorf("got %q, want %q…", errs.String(), want)
	}
}

// A policy document has no permissions for a configuration that is wrong: standard error says which one, and why, also if several are checked.
func TestAPolicyThatLacksAnOutputSaysWhy(t *testing.T) {
	dir := t.TempDir()
	wrong := "[INPUT]\n    Name forward\n[OUTPUT]\n    Name nul\n    Match *\n"
	task, err := os.ReadFile("../../deploy/task-definition.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"fluent-bit.conf": wrong,
		"task.json":       strings.Replace(string(task), `"Port": "443"`, `"Port": "x"`, 1),
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		none := func(string) (string, bool) { return "", false }
		c := &cli{stdout: &out, stderr: &errs, environment: environment{lookup: none, environ: os.Environ, setenv: os.Setenv, unsetenv: os.Unsetenv, roots: new(sync.Once)}}
		if status := c.main("firelane", []string{"check", "--iam", file}); status != exitUsage {
			t.Errorf("%s: got %d, want %d", name, status, exitUsage)
		}
		if !json.Valid(out.Bytes()) {
			t.Errorf("%s: the policy is no JSON: %q", name, out.String())
		}
		if !strings.Contains(errs.String(), file+":") {
			t.Errorf("%s: got %q, want the mistake", name, errs.String())
		}
	}
}

// GitHub's runner obeys ##[command] anywhere in a line, and ::command:: at its beginning, also in what is written in pieces.
func TestWhatCheckPrintsIsNoCommandForCI(t *testing.T) {
	var out bytes.Buffer
	w := &uncommanded{w: &out, lines: true}
	for _, text := range []string{"a#", "#", "[error]b ##vs", "o[task.complete]\n", "\u00a0::stop-commands::x\n", "##[a]##[b]\n", "a::b\n"} {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("got %d, %v, want %d", n, err, len(text))
		}
	}
	if want := `a##\u005berror]b ##vso\u005btask.complete]` + "\n\u00a0" + `\::stop-commands::x` + "\n" + `##\u005ba]##\u005bb]` + "\na::b\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("::stop-commands::x.conf", []byte("[INPUT]\n    Nam forward\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	none := func(string) (string, bool) { return "", false }
	c := &cli{stdout: &out, stderr: &out, environment: environment{lookup: none, environ: os.Environ, setenv: os.Setenv, unsetenv: os.Unsetenv, roots: new(sync.Once)}}
	if c.main("firelane", []string{"check", "."}); strings.HasPrefix(out.String(), "::") || strings.Contains(out.String(), "\n::") {
		t.Errorf("got %q", out.String())
	}
}

// Somebody whose configuration CI checks may include a file that only the user of CI may read, for its lines to be shown.
func TestLinesOfFilesThatOthersMayNotReadAreNotShown(t *testing.T) {
	home, repository := t.TempDir(), t.TempDir()
	way := filepath.Join(home, "way")
	if err := os.Symlink(repository, way); err != nil {
		t.Fatal(err)
	}
	t.Chdir(way)
	secret := filepath.Join(home, "credentials")
	files := map[string]string{
		secret: "[default]\nhunter2 hunter2\nid = hunter2\n", "own.conf": "hunter3 x\n", "c.conf": "[INPUT]\n    Name forward\n@INCLUDE own.conf\n",
		"a.conf": "@INCLUDE " + secret + "\n[INPUT]\n    Name forward\n", "b.conf": "@INCLUDE link\n[INPUT]\n    Name forward\n",
		"p.conf": "[SERVICE]\n    Parsers_File " + secret + "\n[INPUT]\n    Name forward\n", "f.conf": "@include " + secret + "\n<source>\n  @type forward\n</source>\n",
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"link", "l.conf"} {
		if err := os.Symlink(secret, link); err != nil {
			t.Fatal(err)
		}
	}
	printed := func(args ...string) string {
		var out bytes.Buffer
		none := func(string) (string, bool) { return "", false }
		c := &cli{stdout: &out, stderr: &out, environment: environment{lookup: none, environ: os.Environ, setenv: os.Setenv, unsetenv: os.Unsetenv, roots: new(sync.Once)}}
		c.main("firelane", append([]string{"check"}, args...))
		return out.String()
	}
	for _, name := range []string{"a.conf", "b.conf", "p.conf", "f.conf", "l.conf"} {
		for _, form := range []string{"--strict", "--plan", "--json", "--github", "--sample=own.conf"} {
			if got := printed(form, name); strings.Contains(got, "hunter2") || !strings.Contains(got, "not everybody may read this file") {
				t.Errorf("%s %s: got %s", form, name, got)
			}
		}
	}
	if got := printed("c.conf"); !strings.Contains(got, "hunter3") {
		t.Errorf("got %s, want the lines of a file of the repository", got)
	}
}

// Whoever writes a file that is checked runs no command by it: a script would run when it is loaded, and read the secrets of CI.
func TestWhatIsCheckedRunsNoCommand(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	const section = "[INPUT]\n    Name forward\n[OUTPUT]\n    Name null\n    Match *\n[FILTER]\n    Name lua\n    Match *\n    Call f\n    Code "
	files := map[string]string{
		"io.conf":    "[SERVICE]\n    allow_script_io on\n" + section + "os.execute('touch ran') io.open('ran', 'w') require('x') function f(t, s, r) io.open('ran', 'w') return 0, 0, 0 end\n",
		"plain.conf": section + "print('::stop-commands::x') function f(t, s, r) print('::stop-commands::y') return 0, 0, 0 end\n", "lines": "a\n",
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	printed, err := os.Create("printed")
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = printed
	defer func() { os.Stdout = stdout; printed.Close() }()
	for _, args := range [][]string{{"check"}, {"check", "--plan"}, {"check", "--sample", "lines"}, {"doctor", "-c"}} {
		for _, name := range []string{"io.conf", "plain.conf"} {
			var out bytes.Buffer
			none := func(string) (string, bool) { return "", false }
			roots := new(sync.Once)
			roots.Do(func() {}) // only once in a process
			c := &cli{stdout: &out, stderr: &out, environment: environment{lookup: none, environ: os.Environ, setenv: os.Setenv, unsetenv: os.Unsetenv, roots: roots}}
			if status := c.main("firelane", append(args, name)); status == exitUsage && args[0] == "check" {
				t.Errorf("%s %s: got %d: %s", args, name, status, &out)
			}
			if _, err := os.Stat("ran"); err == nil {
				t.Fatalf("%s %s ran the script's command", args, name)
			}
		}
	}
	if info, err := printed.Stat(); err != nil || info.Size() > 0 {
		t.Errorf("what scripts print is on standard output: %v bytes, %v", info.Size(), err)
	}
}
