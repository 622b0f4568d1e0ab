package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/firelane/firelane/check"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/internal/race"
)

// Whatever a file has, the rules end and don't panic, and a fix is one line that the file has.
func FuzzRulesEndForEveryConfiguration(f *testing.F) {
	files, _ := filepath.Glob("testdata/rules/*.txt")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for i, part := range strings.Split("\n"+string(data), "\n== ")[1:] {
			head, body, _ := strings.Cut(part, "\n")
			file, _, _ := strings.Cut(head, " ")
			text, _, _ := strings.Cut(body, "\n--\n")
			if i%5 == 0 {
				f.Add(file, text)
			}
		}
	}
	f.Add("fluent-bit.conf", "[OUTPUT]\nName es\nMatch *\nHost \nIndex %\n")
	f.Add("fluent-bit.conf", "[INPUT]\nName forward\n[OUTPUT]\nName es\nMatch *\nLogstash_Format On\nLogstash_DateFormat %\nLogstash_Prefix ${\n")
	f.Fuzz(func(t *testing.T, name, text string) {
		switch name {
		case "fluent-bit.conf", "fluent.conf", "fluent-bit.yaml":
		default:
			name = "fluent-bit.conf"
		}
		if strings.Contains(text, "/") && strings.Contains(strings.ToLower(text), "include") || len(text) > 1<<16 {
			t.Skip() // reads what it likes of this machine
		}
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		k := config.Compiler{Catalogue: catalogue, Lookup: func(string) (string, bool) { return "", false }, KeepGiven: true, Hostname: "host"}
		plan, errs := k.Compile(file)
		s := &check.Subject{Plan: plan, Errors: errs, Now: time.Unix(1_800_000_000, 0)}
		checkFixes(t, s.Run(check.Rules()))
	})
}

// A router without a configuration, and a plan that is wrong, have no findings but what reading found.
func TestRulesTakeASubjectWithoutAPlan(t *testing.T) {
	for _, s := range []*check.Subject{{}, {Task: new(taskdef.Rendered)}, {Plan: new(config.Plan)}, {Plan: new(config.Plan), Errors: []config.Diagnostic{{}}}} {
		if list := s.Run(check.Rules()); len(list) > len(s.Errors) {
			t.Errorf("got %v", list)
		}
	}
}

// A value may be as long as a file; what is told of it may not.
func TestFindingsAreShort(t *testing.T) {
	long := strings.Repeat("Ä", 30_000)
	text := "[INPUT]\n    Name forward\n    Tag " + long + "\n[OUTPUT]\n    Name es\n    Match ^" + long + "\n    Host search\n    Index " + long + "\n    " + long + " x\n"
	file := filepath.Join(t.TempDir(), "fluent-bit.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list := subjectOf(file, func(string) (string, bool) { return "", false }).Run(check.Rules())
	if len(list) < 4 {
		t.Errorf("got %d findings, want those of the tag, the match, the index and the option", len(list))
	}
	for _, f := range list {
		if len(f.Text) > 1100 || len(f.Want) > 1100 || !utf8.ValidString(f.Text) {
			t.Errorf("%s tells %d bytes and wants %d, want at most 1,100 of each, and UTF-8", f.Rule.Number, len(f.Text), len(f.Want))
		}
	}
}

// The rules compare outputs, tags and filters with one another, and read files for fixes: a large configuration may not make that slow.
func TestALargeConfigurationIsCheckedInTime(t *testing.T) {
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, "[INPUT]\n    Name dummy\n    Tag a.%d\n", i)
		fmt.Fprintf(&b, "[FILTER]\n    Name rewrite_tag\n    Match a.%d\n    Rule $log . a.%d false\n", i, (i+1)%300)
		fmt.Fprintf(&b, "[OUTPUT]\n    Name es\n    Host search\n    Match a.%d\n    Logstash_Prefx Web\n", i)
	}
	for range 30_000 {
		b.WriteString("    Unknwon x\n")
	}
	file := filepath.Join(t.TempDir(), "fluent-bit.conf")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	k := config.Compiler{Catalogue: catalogue, Lookup: func(string) (string, bool) { return "", false }, KeepGiven: true, Hostname: "host"}
	plan, errs := k.Compile(file)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	s := &check.Subject{Plan: plan, Now: time.Now()}
	began := time.Now()
	list := s.Run(check.Rules())
	if took := time.Since(began); took > race.Slowdown*20*time.Second {
		t.Errorf("the rules took %s, want less than 20s", took)
	}
	count := map[string]int{}
	for _, f := range list {
		count[f.Rule.Number]++
	}
	if count["F104"] != 1000 || count["F407"] != 1 {
		t.Errorf("got findings %v, want 1000 of F104, its bound, and one of F407", count)
	}
	t.Log(time.Since(began), count)
}
