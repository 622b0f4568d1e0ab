package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// compileFiles compiles the file main of a folder with those files, without any plugin.
func compileFiles(t *testing.T, files map[string]string) (*Plan, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, errs := Compile(filepath.Join(dir, "main"), nil, func(string) (string, bool) { return "", false })
	var lines []string
	for _, e := range errs {
		lines = append(lines, strings.ReplaceAll(e.String(), dir+"/", ""))
	}
	return p, strings.Join(lines, "\n")
}

func TestIncludesHaveALimitOfDepth(t *testing.T) {
	files := map[string]string{"main": "[SERVICE]\n@INCLUDE 1\n"}
	for i := 1; i <= maxIncludeDepth+1; i++ {
		files[fmt.Sprint(i)] = fmt.Sprintf("@INCLUDE %d\n", i+1)
	}
	_, got := compileFiles(t, files)
	if want := "32:1: @INCLUDE: includes are nested more than 32 deep"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFilesHaveALimitOfNumber(t *testing.T) {
	_, got := compileFiles(t, map[string]string{"main": "<system>\n" + strings.Repeat("@include x\n", maxFiles) + "</system>\n", "x": "grace 1\n"})
	if want := "main:1001: @include: the configuration has more than 1000 files"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFilesHaveALimitOfSize(t *testing.T) {
	_, got := compileFiles(t, map[string]string{"main": "@INCLUDE big\n", "big": strings.Repeat("#\n", maxFileSize/2) + "#"})
	if want := "main:1: @INCLUDE: big is larger than 4 MiB"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOnlyRegularFilesAreIncluded(t *testing.T) {
	_, got := compileFiles(t, map[string]string{"main": "@INCLUDE /dev/zero\n"})
	if want := "main:1: @INCLUDE: /dev/zero is not a regular file"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSectionsHaveALimitOfNesting(t *testing.T) {
	_, got := compileFiles(t, map[string]string{"main": strings.Repeat("<a>\n", 100000)})
	if want := "main:33: sections are nested more than 32 deep"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReadingStopsAfterSoManyMistakes(t *testing.T) {
	for _, text := range []string{"[SERVICE]\n" + strings.Repeat("x\n", 1000), "<system>\n" + strings.Repeat("a [\n", 1000)} {
		_, got := compileFiles(t, map[string]string{"main": text})
		if n := strings.Count(got, "\n"); n > maxErrors {
			t.Errorf("got %d lines, want at most %d", n, maxErrors)
		}
	}
}

func TestWarningsHaveALimitOfNumber(t *testing.T) {
	p, _ := compileFiles(t, map[string]string{"main": "[SERVICE]\n" + strings.Repeat("x y\n", 3*maxWarnings)})
	if n := len(p.Warnings); n != maxWarnings+1 || !strings.Contains(p.Warnings[n-1].Text, "the rest is left out") {
		t.Errorf("got %d warnings, the last one %v, want %d and the limit", n, p.Warnings[n-1], maxWarnings)
	}
}

func TestCopiesHaveALimitOfWays(t *testing.T) {
	text := "<match **>\n@type relabel\n@label @0\n</match>\n"
	for i := range 20 {
		store := fmt.Sprintf("<store>\n@type relabel\n@label @%d\n</store>\n", i+1)
		text += fmt.Sprintf("<label @%d>\n<match **>\n@type copy\n%s%s</match>\n</label>\n", i, store, store)
	}
	_, got := compileFiles(t, map[string]string{"main": text + "<label @20>\n</label>\n"})
	if !strings.Contains(got, "more than 1000 paths for one tag") {
		t.Errorf("got %s, want the limit of paths", got)
	}
}

func TestAMissingOrUnreadableFileIsOneLine(t *testing.T) {
	p, errs := Compile("/nowhere/fluent.conf", nil, os.LookupEnv)
	if p == nil || len(errs) != 1 || errs[0].String() != "/nowhere/fluent.conf: does not exist" {
		t.Errorf("got %v and %v, want one line that names the file", p, errs)
	}
	dir := t.TempDir()
	if _, errs := Compile(dir, nil, os.LookupEnv); len(errs) != 1 || errs[0].String() != dir+": is a folder, not a file" {
		t.Errorf("got %v, want one line that says it is a folder", errs)
	}
}

func TestMessagesAreOneLineWhateverTheyQuote(t *testing.T) {
	_, got := compileFiles(t, map[string]string{"main": "<match \"a\nb\x1b[31m" + strings.Repeat("x", 10000) + "\">\n</match>\n"})
	if strings.ContainsAny(got, "\n\x1b") || len(got) > maxMessage+50 {
		t.Errorf("got %d bytes, want one line of at most %d: %q", len(got), maxMessage+50, got)
	}
}

// Each variable here is twice as long as the last: 700 bytes of text would be 300 MB.
func TestVariablesDontGrowBeyondALimit(t *testing.T) {
	text := "@SET a0=1234567890\n"
	for n := range 25 {
		text += fmt.Sprintf("@SET a%d=${a%d}${a%d}\n", n+1, n, n)
	}
	_, got := compileFiles(t, map[string]string{"main": text + "[INPUT]\n    Name forward\n"})
	if want := "main:19: more than 4 MiB of variables; want shorter ones"; got != want {
		t.Errorf("got %.200q, want %q", got, want)
	}
}

func TestYAMLHasLimits(t *testing.T) {
	bomb := "config: []\na0: &a0 x\n"
	for n := range 20 {
		bomb += fmt.Sprintf("a%d: &a%d [*a%d, *a%d, *a%d]\n", n+1, n+1, n, n, n)
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"size":   {map[string]string{"main": "service:\n" + strings.Repeat("#\n", maxYAMLSize/2)}, "main: the file is larger than 256 KiB, the limit of a YAML file"},
		"depth":  {map[string]string{"main": "service:\n  a: " + strings.Repeat("[", 100_000)}, "main:2: maps and lists are nested more than 32 deep"},
		"values": {map[string]string{"main": "pipeline:\n  a: [" + strings.Repeat("1,", maxYAMLNodes) + "]"}, "main:2: the file has more than 50000 values, with those that aliases stand for"},
		"aliases": {map[string]string{"main": bomb},
			"main:3: the file has more than 50000 values, with those that aliases stand for"},
		"a map as a key":           {map[string]string{"main": "service:\n  ? {a: b}\n  : c\n"}, "main:2: a key is a map; want a name"},
		"an alias to itself":       {map[string]string{"main": "config:\n  - &a [*a, *a]\n"}, "main:2: maps and lists are nested more than 32 deep"},
		"a file in itself":         {map[string]string{"main": "includes:\n  - main\n"}, "main:2: includes: main includes itself, directly or through other files"},
		"a file in itself, ruby":   {map[string]string{"main": "config:\n  - !include main\n"}, "main:2: !include: main includes itself, directly or through other files"},
		"a cycle through another":  {map[string]string{"main": "includes: [b.yaml]\n---\nservice:\n", "b.yaml": "includes: [main]"}, "b.yaml:1: includes: main includes itself, directly or through other files"},
		"two syntaxes in a circle": {map[string]string{"main": "includes:\n  - b\n", "b": "@INCLUDE main\n"}, "b:1: @INCLUDE: main includes itself, directly or through other files"},
	} {
		if _, got := compileFiles(t, c.files); got != c.want {
			t.Errorf("%s: got %.300s, want %s", name, got, c.want)
		}
	}
	deep := map[string]string{"main": "includes:\n  - 1.yaml\n"}
	for i := 1; i <= maxIncludeDepth+1; i++ {
		deep[fmt.Sprint(i, ".yaml")] = fmt.Sprintf("includes: [%d.yaml]\n", i+1)
	}
	if _, got := compileFiles(t, deep); got != "32.yaml:1: includes: includes are nested more than 32 deep" {
		t.Errorf("got %s, want the limit of depth", got)
	}
}

func TestACycleOf10000LinesIsNotFollowed(t *testing.T) {
	for _, text := range []string{
		"includes:\n" + strings.Repeat("  - main\n", 10_000), "config:\n" + strings.Repeat("  - !include main\n", 10_000),
		"[SERVICE]\n" + strings.Repeat("@INCLUDE main\n", 10_000), strings.Repeat("@include main\n", 10_000),
	} {
		if _, got := compileFiles(t, map[string]string{"main": text}); strings.Count(got, "\n") > maxErrors || !strings.Contains(got, "includes itself") {
			t.Errorf("%.20q: got %d lines that begin %.100s, want at most %d that say that it includes itself", text, strings.Count(got, "\n")+1, got, maxErrors+1)
		}
	}
}

func TestStreamTasksHaveALimitOfNumber(t *testing.T) {
	// Without plugins each task is an error, so only the limit is of interest.
	_, got := compileFiles(t, map[string]string{"main": "stream_processor:\n" + strings.Repeat("  - exec: x\n", maxStreamTasks+5)})
	if want := "main:102: there are more than 100 stream tasks"; !strings.Contains(got, want) {
		t.Errorf("got %.200s, want %s", got, want)
	}
}

func TestPatternsOfFilesHaveLimits(t *testing.T) {
	for pattern, want := range map[string]string{
		strings.Repeat("{a,b}", 30): "stands for more than 100 patterns", "{" + strings.Repeat(",", 200) + "}": "stands for more than 100 patterns",
		"{a,{b,c}": "", "}{": "", "[": "is not a pattern for file names",
	} {
		if _, err := new(globber).rubyGlob(pattern); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s: got %v, want %q", pattern, err, want)
		}
	}
	dir := t.TempDir()
	for n := range maxGlobFiles + 1 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(n)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := new(globber).rubyGlob(dir + "/**/*.conf"); err == nil || !strings.Contains(err.Error(), "looks at more than 2000 files") {
		t.Errorf("got %v, want the limit of files", err)
	}
}

// A link in a folder may lead back to it, so that each * is as many folders as the last.
func TestWildcardsOfFoldersEndAtALimit(t *testing.T) {
	dir := t.TempDir()
	for n := range 10 {
		if err := os.Symlink(".", filepath.Join(dir, fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
	}
	for main, text := range map[string]string{"f.conf": "@INCLUDE %s\n", "f.yaml": "includes:\n  - %s\n", "fluent.conf": "@include %s\n<match **>\n@type null\n</match>\n"} {
		begun := time.Now()
		_, got := compileFiles(t, map[string]string{main: fmt.Sprintf(text, dir+strings.Repeat("/*", 30)+".conf"), "main": "@INCLUDE " + main + "\n"})
		if !strings.Contains(got, "looks at too many files") || time.Since(begun) > 10*time.Second {
			t.Errorf("%s: got %.200s after %s, want the limit", main, got, time.Since(begun))
		}
	}
}

// Reading some files of /proc never ends, and a message about one of its lines may show the environment.
func TestFilesOfTheKernelAreNotIncluded(t *testing.T) {
	link := filepath.Join(t.TempDir(), "x.conf")
	if err := os.Symlink("/proc/self/environ", link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/proc/self/environ", link} {
		if _, got := compileFiles(t, map[string]string{"main": "@INCLUDE " + name + "\n"}); !strings.HasSuffix(got, name+" is not a regular file") {
			t.Errorf("got %q, want that it is not a regular file", got)
		}
		if text, err := ReadFile(name); err == nil {
			t.Errorf("ReadFile(%s) has %d bytes, want an error", name, len(text))
		}
	}
}

// Each output here is named by other routes than all others, so that each of them needs a path of its own.
func TestRoutesHaveALimitOfPaths(t *testing.T) {
	text := "pipeline:\n  inputs:\n    - name: in\n      routes:\n        logs:\n"
	for r := range maxRoutes {
		text += fmt.Sprintf("          - {name: r%d, condition: {rules: [{field: $a, op: eq, value: %d}]}, to: {outputs: [", r, r)
		for o := range maxRoutes {
			if o <= r {
				text += fmt.Sprintf("o%d,", o)
			}
		}
		text += "]}}\n"
	}
	text += "  outputs:\n"
	for o := range maxRoutes {
		text += fmt.Sprintf("    - {name: out, alias: o%d}\n", o)
	}
	c := Compiler{Lookup: os.LookupEnv, Catalogue: []Plugin{
		{Kind: KindInput, FluentBit: []string{"in"}, Options: func() any { return new(struct{}) }},
		{Kind: KindOutput, FluentBit: []string{"out"}, Options: func() any { return new(struct{}) }},
	}}
	_, errs := c.CompileText("main", text)
	if len(errs) != 1 || errs[0].String() != "main:3: in: routes make more than 1000 paths for one tag" {
		t.Errorf("got %v, want the limit of paths", errs)
	}
}
