package check_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/firelane/firelane/check"
	"github.com/firelane/firelane/cmd/firelane/shell"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/router"
)

var update = flag.Bool("update", false, "write the reports")

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// canRun is what cmd/firelane gives to the rules.
func canRun(command []string) error {
	program := func(name string) bool { return name == "firelane" || name == "fluent-bit" || name == "fluentd" }
	if command[0] == "CMD-SHELL" {
		return shell.CanRun(strings.Join(command[1:], " "), program)
	}
	return shell.CanRun("'"+strings.Join(command[1:], "' '")+"'", program)
}

// rules are all rules.
func rules() []check.Rule {
	return append(append([]check.Rule{diagnostics}, check.TaskRules(canRun)...), check.DifferenceRules()...)
}

var diagnostics = check.Rule{Number: "F100", Name: "configuration", Check: func(s *check.Subject, tell func(check.Finding)) {
	for _, d := range s.Errors {
		tell(check.Finding{At: s.Place(d.Pos), Text: d.Text})
	}
	if s.Plan != nil {
		for _, d := range s.Plan.Warnings {
			tell(check.Finding{At: s.Place(d.Pos), Severity: check.Warning, Text: d.Text})
		}
	}
}}

// subjects reads an input: a task definition, or a configuration, and the files that it includes.
func subjects(t *testing.T, a *txtar.Archive) (list []*check.Subject, files map[string]string) {
	files = map[string]string{}
	for _, f := range a.Files {
		files[f.Name] = string(f.Data)
	}
	for _, f := range a.Files {
		c := config.Compiler{Catalogue: router.Catalogue(), KeepGiven: true, Hostname: "host", Files: files, Lookup: func(string) (string, bool) { return "", false }}
		switch {
		case strings.HasPrefix(f.Name, "/"):
		case filepath.Ext(f.Name) == ".json":
			defs, problems, err := taskdef.Read(f.Name, f.Data)
			if err != nil {
				t.Fatal(err)
			}
			_ = problems
			for _, def := range defs {
				s := &check.Subject{Name: f.Name + ", task definition " + def.Family.Text, Now: now, Task: &taskdef.Rendered{Definition: def}}
				list = append(list, s)
				if def.Router() == nil {
					continue
				}
				s.Task = taskdef.Render(def, true, nil)
				s.Task.Files = map[string]string{}
				c.Files = map[string]string{s.Task.File: s.Task.Text}
				for name, text := range files {
					if strings.HasPrefix(name, "/") {
						s.Task.Files[name], c.Files[name] = text, text
					}
				}
				c.Lookup = func(name string) (string, bool) {
					v, ok := s.Task.Environment[name]
					if ok && v == "" {
						v = "secret"
					}
					return v, ok
				}
				s.Plan, s.Errors = c.Compile(s.Task.File)
			}
		case !strings.HasPrefix(f.Name, "inc"):
			s := &check.Subject{Name: f.Name, Now: now}
			s.Plan, s.Errors = c.Compile(f.Name)
			list = append(list, s)
		}
	}
	return list, files
}

// report checks an input.
func report(t *testing.T, a *txtar.Archive) *check.Report {
	list, files := subjects(t, a)
	r := &check.Report{Read: func(name string) (string, bool) { text, ok := files[name]; return text, ok }}
	for _, s := range list {
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
			var got bytes.Buffer
			if err := report(t, a).Text(&got); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(input, ".txtar") + ".txt"
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
