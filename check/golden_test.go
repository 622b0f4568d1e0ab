package check_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/firelane/firelane/check"
	"github.com/firelane/firelane/cmd/firelane/shell"
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// canRun is what cmd/firelane gives to the rules.
func canRun(command []string) error {
	program := func(name string) bool { return name == "firelane" || name == "fluent-bit" || name == "fluentd" }
	if command[0] == "CMD-SHELL" {
		return shell.CanRun(strings.Join(command[1:], " "), program)
	}
	return shell.CanRunProgram(command[1:], program)
}

// rules are all rules.
func rules() []check.Rule {
	return slices.Concat(check.Rules(), check.ReadRules(), check.TaskRules(canRun), check.DifferenceRules())
}

// report checks an input: task definitions or configurations; files in the container, whose names begin with a slash; and files that
// a configuration reads, whose names begin with a +.
func report(t *testing.T, a *txtar.Archive) *check.Report {
	t.Helper()
	t.Chdir(t.TempDir())
	var paths []string
	options := check.Options{Now: now}
	for _, f := range a.Files {
		name := strings.TrimLeft(f.Name, "/+")
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
		switch f.Name[0] {
		default:
			paths = append(paths, name)
		case '+':
		case '/':
			options.ConfigFiles = append(options.ConfigFiles, f.Name+"="+name)
		}
	}
	subjects, wrong := check.Open(paths, options)
	for _, d := range wrong {
		t.Errorf("got %s, want only files that can be read", d)
	}
	r := &check.Report{Read: func(name string) (string, bool) {
		text, err := os.ReadFile(name)
		return string(text), err == nil
	}}
	for _, s := range subjects {
		r.Add(s, rules())
	}
	return r
}

// Each input has the report beside it. A person who has never seen the code must know from it what to change: read the reports when
// they change.
func TestReports(t *testing.T) {
	inputs, err := filepath.Glob("testdata/report/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, input := range inputs {
		name := strings.TrimSuffix(filepath.Base(input), ".txtar")
		t.Run(name, func(t *testing.T) {
			a, err := txtar.ParseFile(input)
			if err != nil {
				t.Fatal(err)
			}
			golden, err := filepath.Abs(strings.TrimSuffix(input, ".txtar") + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := report(t, a).Text(&got); err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, _ := os.ReadFile(golden)
			if got.String() != string(want) {
				t.Errorf("the report is not that of %s; with -update it is written anew. Got\n%s", golden, &got)
			}
		})
	}
}
