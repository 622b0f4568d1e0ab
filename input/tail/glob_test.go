package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/firelane/firelane/config"
)

// found is what each finds for patterns.
func found(patterns ...string) (list []string) {
	in := &Input{opts: Options{Path: cleaned(patterns)}}
	in.liner.dialect = config.FluentBit
	in.each(func(path string) bool {
		list = append(list, path)
		return true
	})
	return list
}

func TestPatternsFindWhatMatchesThem(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"a.log", "b.log", "sub/c.log", "sub/.d.log", "other/c.log", "other/e[1].log", ".git/c.log"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for pattern, want := range map[string][]string{
		"*.log":             {"a.log", "b.log"},
		"./a.log":           {"a.log"},
		"none.log":          nil,
		"a.log/*":           nil,
		"*/c.log":           {"other/c.log", "sub/c.log"},
		".*/c.log":          {".git/c.log"},
		"*/.d.log":          {"sub/.d.log"},
		`sub/\.d*`:          {"sub/.d.log"},
		"?ub/*":             {"sub/c.log"},
		`other/e\[1\].log`:  {"other/e[1].log"},
		dir + "/[!a].log":   {dir + "/b.log"},
		dir + "/sub/../*.g": nil,
		dir + "/sub/../b*":  {dir + "/sub/../b.log"},
		dir + "/*/*.log":    {dir + "/other/c.log", dir + "/other/e[1].log", dir + "/sub/c.log"},
	} {
		if got := found(pattern); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
	}
}

// An application may make as many files as it likes.
func TestTheNamesOfALargeFolderAreNotInMemoryTogether(t *testing.T) {
	dir := t.TempDir()
	const files = 50_000
	for n := range files {
		if err := os.Symlink("nowhere", filepath.Join(dir, fmt.Sprintf("%0100d.log", n))); err != nil {
			t.Fatal(err)
		}
	}
	in := &Input{opts: Options{Path: []string{filepath.Join(dir, "*.log")}}}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, most := 0, uint64(0)
	in.each(func(string) bool {
		if n++; n%maxNames == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		return true
	})
	if held := int64(most) - int64(before.HeapAlloc); n != files || held > 6<<20 {
		t.Errorf("got %d files with %d KiB in memory, want %d with at most 6 MiB", n, held>>10, files)
	}
}
