package enrich

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// listFile writes a file for checklist and returns its name.
func listFile(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func checklistOf(t testing.TB, o ChecklistOptions, list string) Filter {
	t.Helper()
	o.File = listFile(t, list)
	step, err := NewChecklist(&o, config.FluentBit, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	return step
}

func TestChecklistSetsFieldsWhereTheTextIsFound(t *testing.T) {
	list := "# bad hosts\r\n10.0.0.1\r\nEvil\n\n10.%.7\na_c\n# last\nend"
	set := pairs("bad true", "why null", "log seen before", "level x")
	for _, c := range []struct {
		o        ChecklistOptions
		in, want string
	}{
		{ChecklistOptions{}, `{"log":"Evil","level":"y","n":1}`, `{"n":1,"bad":true,"why":null,"log":"seen before","level":"x"}`},
		{ChecklistOptions{}, `{"log":"evil"}`, `{"log":"evil"}`},
		{ChecklistOptions{}, `{"log":"Evil "}`, `{"log":"Evil "}`},
		{ChecklistOptions{}, `{"log":"# bad hosts"}`, `{"log":"# bad hosts"}`},
		{ChecklistOptions{}, `{"log":""}`, `{"log":""}`},
		{ChecklistOptions{}, `{"log":"10.0.0.7"}`, `{"log":"10.0.0.7"}`},
		{ChecklistOptions{IgnoreCase: true}, `{"log":"EVIL"}`, `{"bad":true,"why":null,"log":"seen before","level":"x"}`},
		{ChecklistOptions{LookupKey: "$a['b']"}, `{"a":{"b":"end"}}`, `{"a":{"b":"end"},"bad":true,"why":null,"log":"seen before","level":"x"}`},
		{ChecklistOptions{}, `{"log":7}`, `{"log":7}`},
		{ChecklistOptions{Mode: "Partial"}, `{"log":"10.0.0.1:80"}`, `{"bad":true,"why":null,"log":"seen before","level":"x"}`},
		{ChecklistOptions{Mode: "partial"}, `{"log":"at 10.0.0.1"}`, `{"log":"at 10.0.0.1"}`},
		{ChecklistOptions{Mode: "partial"}, `{"log":"10.1.2.7.8"}`, `{"bad":true,"why":null,"log":"seen before","level":"x"}`},
		{ChecklistOptions{Mode: "partial"}, `{"log":"aäcd"}`, `{"bad":true,"why":null,"log":"seen before","level":"x"}`},
	} {
		c.o.Records = set
		if c.o.LookupKey == "" {
			c.o.LookupKey = "log"
		}
		if got := apply(t, checklistOf(t, c.o, list), "app", c.in); got != c.want {
			t.Errorf("%+v on %s: got %s, want %s", c.o, c.in, got, c.want)
		}
	}
}

func TestChecklistWithAFileThatIsMissingFindsNothingAndSaysSo(t *testing.T) {
	var log bytes.Buffer
	o := ChecklistOptions{File: "/nonexistent/list", LookupKey: "log", Records: pairs("a b")}
	step, err := NewChecklist(&o, config.FluentBit, Env{Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	if got := apply(t, step, "app", `{"log":"x"}`); got != `{"log":"x"}` {
		t.Errorf("got %s, want the record as it was", got)
	}
	if !strings.Contains(log.String(), "/nonexistent/list") {
		t.Errorf("got log %q, want the file's name", &log)
	}
}

func TestChecklistRefusesAFileThatIsTooLarge(t *testing.T) {
	for name, text := range map[string]string{"bytes": strings.Repeat("x", maxChecklist+1), "lines": strings.Repeat("1\n", maxChecklistLines+1)} {
		o := ChecklistOptions{File: listFile(t, text), LookupKey: "log"}
		if _, err := NewChecklist(&o, config.FluentBit, testEnv()); err == nil || !strings.HasPrefix(err.Error(), "file: ") {
			t.Errorf("%s: got %v, want an error that names the option", name, err)
		}
	}
}

func TestSearchingAChecklistAllocatesNothing(t *testing.T) {
	var list strings.Builder
	for n := range 10_000 {
		fmt.Fprintf(&list, "10.0.%d.%d\n", n/250, n%250)
	}
	step := checklistOf(t, ChecklistOptions{LookupKey: "log", IgnoreCase: true, Records: pairs("a b")}, list.String())
	in, s, ev := body(t, `{"log":"10.0.39.249"}`), &Scratch{}, record.Event{}
	if n := testing.AllocsPerRun(100, func() {
		s.Reset()
		ev = record.Event{Body: in}
		step.Apply(&ev, s)
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func FuzzChecklistReadsAnyFile(f *testing.F) {
	f.Add([]byte("a\n%b_\n#c\r\n"), []byte("aäb"))
	f.Fuzz(func(t *testing.T, list, value []byte) {
		l := newTextList(list, true)
		l.hasPrefixOf(value)
		for line := range bytes.Lines(list) {
			line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
			if len(line) > 0 && line[0] != '#' && len(line) <= maxLikeValue && !l.hasPrefixOf(line) {
				t.Errorf("%q is not found in %q", line, list)
			}
		}
	})
}
