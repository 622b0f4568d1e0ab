package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/check"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/router"
)

// A ruleCase is one configuration of testdata/rules. Its first line is
//
//	== fluent-bit.conf +F201 -F202 what it shows
//
// with the rules that must tell something about it, and those that must not. After it comes the configuration, and after a line --
// all findings.
type ruleCase struct {
	file, what, text, want string
	fires, quiet           []string
}

func readCases(t *testing.T, name string) (list []ruleCase) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split("\n"+string(data), "\n== ")[1:] {
		head, body, _ := strings.Cut(part, "\n")
		text, want, _ := strings.Cut(body, "\n--\n")
		c := ruleCase{text: strings.TrimRight(text, "\n") + "\n", want: strings.TrimRight(want, "\n")}
		for i, word := range strings.Fields(head) {
			switch {
			case i == 0:
				c.file = word
			case rulePattern.MatchString(word) && word[0] == '+':
				c.fires = append(c.fires, word[1:])
			case rulePattern.MatchString(word):
				c.quiet = append(c.quiet, word[1:])
			default:
				c.what += word + " "
			}
		}
		c.what = strings.TrimSpace(c.what)
		list = append(list, c)
	}
	return list
}

var rulePattern = regexp.MustCompile(`^[+-]F\d{3}$`)

var catalogue = router.Catalogue()

// subjectOf compiles a configuration as firelane check does.
func subjectOf(file string, lookup func(string) (string, bool)) *check.Subject {
	k := config.Compiler{Catalogue: catalogue, Lookup: lookup, KeepGiven: true, Hostname: "host"}
	plan, errs := k.Compile(file)
	if len(errs) == 0 {
		_, errs = router.New(plan, router.Env{Log: zerolog.Nop()})
	}
	return &check.Subject{Name: file, Plan: plan, Errors: errs, Now: time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC)}
}

// findingsText writes findings as a golden file has them.
func findingsText(list []check.Finding, dir string) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%s %s %s:%d: %s\n", f.Rule.Number, f.Severity, strings.TrimPrefix(f.At.File, dir), f.At.Line, f.Text)
		if f.Want != "" {
			fmt.Fprintf(&b, "    want: %s\n", f.Want)
		}
		if f.Fix != nil {
			fmt.Fprintf(&b, "    - %s\n", strings.TrimSpace(f.Fix.Old))
			for line := range strings.SplitSeq(f.Fix.New, "\n") {
				fmt.Fprintf(&b, "    + %s\n", strings.TrimSpace(line))
			}
		}
	}
	return strings.TrimRight(strings.ReplaceAll(b.String(), dir, ""), "\n")
}

func TestRulesFindWhatTheyAreFor(t *testing.T) {
	files, err := filepath.Glob("testdata/rules/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases in testdata/rules")
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, name := range files {
		cases := readCases(t, name)
		for i := range cases {
			c := &cases[i]
			t.Run(filepath.Base(name)+"/"+c.what, func(t *testing.T) {
				dir := t.TempDir() + "/"
				if err := os.WriteFile(dir+c.file, []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
				s := subjectOf(dir+c.file, func(name string) (string, bool) {
					_, value, ok := strings.Cut(c.text, "# environment: "+name+"=")
					value, _, _ = strings.Cut(value, "\n")
					return value, ok
				})
				list := s.Run(check.Rules())
				checkOnce(t, s, list)
				for _, number := range c.fires {
					fires[number] = true
					if !told(list, number) {
						t.Errorf("%s tells nothing, want a finding", number)
					}
				}
				for _, number := range c.quiet {
					quiet[number] = true
					if told(list, number) {
						t.Errorf("%s tells something, want nothing", number)
					}
				}
				got := findingsText(list, dir)
				if got != c.want && !*update {
					t.Errorf("%s\ngot\n%s\nwant\n%s", c.text, got, c.want)
				}
				c.want = got
				checkFixes(t, list)
			})
		}
		if *update {
			writeCases(t, name, cases)
		}
	}
	for _, r := range check.Rules() {
		if !fires[r.Number] || !quiet[r.Number] {
			t.Errorf("%s %s has no case that fires, or none that doesn't: fires %v, quiet %v", r.Number, r.Name, fires[r.Number], quiet[r.Number])
		}
	}
}

// checkOnce fails if something is told twice, or if no rule tells of what the router warns of.
func checkOnce(t *testing.T, s *check.Subject, list []check.Finding) {
	t.Helper()
	seen, others := map[string]bool{}, 0
	for _, f := range list {
		key := fmt.Sprint(f.At, f.Text)
		if seen[key] {
			t.Errorf("told twice: %s", f.Text)
		}
		seen[key] = true
		if f.Rule.Number > "F2" {
			others++
		}
	}
	for _, w := range s.Plan.Warnings {
		there := slices.ContainsFunc(list, func(f check.Finding) bool { return f.At.Pos == w.Pos })
		if w.Code == config.CodeChecked && others == 0 && !there && len(s.Errors) == 0 {
			t.Errorf("no rule tells of: %s", w.Text)
		}
	}
}

func told(list []check.Finding, number string) bool {
	return slices.ContainsFunc(list, func(f check.Finding) bool { return f.Rule.Number == number })
}

// checkFixes fails if a fix isn't one of the line that the file has there.
func checkFixes(t *testing.T, list []check.Finding) {
	t.Helper()
	for _, f := range list {
		if f.Fix == nil {
			continue
		}
		data, err := os.ReadFile(f.Fix.File)
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Split(string(data), "\n"); f.Fix.Line > len(lines) || lines[f.Fix.Line-1] != f.Fix.Old || f.Fix.Old == f.Fix.New {
			t.Errorf("%s: the fix of line %d is for %q, which the file doesn't have there, or changes nothing", f.Rule.Number, f.Fix.Line, f.Fix.Old)
		}
	}
}

func writeCases(t *testing.T, name string, cases []ruleCase) {
	t.Helper()
	var b strings.Builder
	for _, c := range cases {
		fmt.Fprintf(&b, "== %s", c.file)
		for _, n := range c.fires {
			b.WriteString(" +" + n)
		}
		for _, n := range c.quiet {
			b.WriteString(" -" + n)
		}
		fmt.Fprintf(&b, " %s\n%s--\n%s\n", c.what, c.text, c.want)
	}
	if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Numbers are stable: scripts and comments name them.
func TestRulesHaveNumbersOfTheirOwn(t *testing.T) {
	numbers, names := map[string]bool{}, map[string]bool{}
	for _, r := range check.Rules() {
		if numbers[r.Number] || names[r.Name] || !regexp.MustCompile(`^F[1-4]\d\d$`).MatchString(r.Number) || r.Help == "" || strings.HasSuffix(r.Help, ".") {
			t.Errorf("%s %s: want a number and a name of its own, and a help without a full stop", r.Number, r.Name)
		}
		numbers[r.Number], names[r.Name] = true, true
	}
}
