package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/check"
	"github.com/firelane/firelane/cmd/firelane/shell"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/router"
)

// checkFlags are the options of firelane check.
type checkFlags struct {
	file                            string
	plan, json, github, iam, strict bool
	copies                          *[]string
	check.Options
}

// copiesFlag declares the option for local copies of files.
func copiesFlag(flags *flag.FlagSet) *[]string {
	var list []string
	flags.Func("config-file", "a local copy of a configuration `FILE` in the router's container; PATH=FILE says its path there, or its ARN in S3 (repeatable)", func(s string) error {
		list = append(list, s)
		return nil
	})
	return &list
}

// register declares the options.
func (f *checkFlags) register(flags *flag.FlagSet) {
	configOption(flags, &f.file)
	flags.BoolVar(&f.strict, "strict", false, "exit with 1 if there are warnings")
	flags.BoolVar(&f.github, "github", false, "print annotations for GitHub")
	flags.BoolVar(&f.json, "json", false, "print the report as JSON")
	flags.BoolVar(&f.iam, "iam", false, "print the policy document that the task role needs")
	flags.BoolVar(&f.plan, "plan", false, "print how firelane understands the configuration, with all options that are set")
	f.copies = copiesFlag(flags)
}

// checkCommand tells what configurations and task definitions do with each log line, and what is wrong with them.
func checkCommand(c *cli, args []string) int {
	c.uncommand()
	if status, ran := c.sampleCommand(args); ran {
		return status
	}
	if rest, live := liveFlag(args); live {
		return doctorCommand(c, rest)
	}
	var f checkFlags
	flags := newFlags("check")
	f.register(flags)
	files, status, ok := c.parse("check", flags, args)
	if !ok {
		return status
	}
	formats := 0
	for _, set := range []bool{f.plan, f.json, f.github, f.iam} {
		if set {
			formats++
		}
	}
	if formats > 1 {
		fmt.Fprintln(c.stderr, "firelane check: want one of --plan, --json, --github and --iam")
		return exitUsage
	}
	if f.file != "" {
		files = append([]string{f.file}, files...)
	}
	if len(files) == 0 {
		file, status, ok := findConfig(c, "check", "")
		if !ok {
			return status
		}
		files = []string{file}
	}
	c.keepGiven = true
	return c.checkFiles(files, &f)
}

// checkFiles checks the files of the command line.
func (c *cli) checkFiles(files []string, f *checkFlags) int {
	f.Version, f.Now, f.Start, f.ConfigFiles = version, time.Now(), startOf, *f.copies
	f.Compile = func(file string) (*config.Plan, []config.Diagnostic, error) {
		plan, diags, err := c.read(c.context(), file, c.printNote)
		if err != nil {
			err = errors.New(initHint(err))
		}
		return plan, diags, err
	}
	if slices.Contains(files, "-") {
		var err error
		if f.Stdin, err = io.ReadAll(io.LimitReader(os.Stdin, check.MaxOpenSize+1)); err != nil {
			fmt.Fprintf(c.stderr, "firelane check: reading standard input: %v\n", err)
			return exitUsage
		}
	}
	subjects, wrong := check.Open(files, f.Options)
	for _, d := range wrong {
		fmt.Fprintln(c.stderr, printable(d.String()))
		if f.json || f.github { // programs get these findings, too
			at := taskdef.Place{Pos: d.Pos}
			subjects = append(subjects, &check.Subject{
				Name: d.File, Now: f.Now, Task: &taskdef.Rendered{Definition: &taskdef.Definition{Place: at}},
				Written: []taskdef.Problem{{Place: at, Grade: taskdef.Wrong, Text: d.Text}},
			})
		}
	}
	r := &check.Report{Read: readSource(subjects, f.Stdin, named(files, *f.copies))}
	rules := c.checkRules()
	for _, s := range subjects {
		r.Add(s, rules)
	}
	status := r.Status(f.strict)
	if len(wrong) > 0 || slices.ContainsFunc(subjects, func(s *check.Subject) bool { return len(s.Errors) > 0 }) {
		status = exitUsage
	}
	if !f.json && !f.github && !isTerminal(c.stdout) {
		c.tellPlain(r)
	}
	if err := c.writeReport(r, f); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		fmt.Fprintln(c.stderr, "firelane check:", err)
		return max(status, exitFailed)
	}
	return status
}

// planOf returns the plan of a configuration, or of the only task definition of a file, and prints what is wrong with it. ok means that
// a router would start with it.
func (c *cli) planOf(file string, copies *[]string) (plan *config.Plan, ok bool) {
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() || info.Size() > check.MaxOpenSize {
		return c.tested(file) // of a device or a pipe that reads only what a configuration may have
	}
	data, err := os.ReadFile(file)
	if err != nil || !taskdef.Mentions(data) {
		return c.tested(file)
	}
	subjects, wrong := check.Open([]string{file}, check.Options{Version: version, Now: time.Now(), Start: startOf, ConfigFiles: *copies})
	if len(wrong) == 0 && (len(subjects) != 1 || subjects[0].Plan == nil) {
		wrong = []config.Diagnostic{{Pos: config.Pos{File: file}, Text: fmt.Sprintf("has %d task definitions; want one with a log router", len(subjects))}}
	}
	for _, d := range wrong {
		fmt.Fprintln(c.stderr, printable(d.String()))
	}
	if len(wrong) > 0 {
		return nil, false
	}
	s := subjects[0]
	if s.Task == nil {
		return c.tested(file)
	}
	r := check.Report{}
	r.Add(s, slices.Concat(check.Rules(), check.ReadRules()))
	for n := range r.Subjects[0].Findings {
		f := &r.Subjects[0].Findings[n]
		if f.Severity != check.Note {
			fmt.Fprintf(c.stderr, "%s: %s\n", f.Severity, printable(placed(f)))
		}
	}
	return s.Plan, len(s.Errors) == 0
}

// writeReport writes the report in the form that the command line asks for.
func (c *cli) writeReport(r *check.Report, f *checkFlags) error {
	switch {
	case f.json:
		return r.JSON(c.stdout)
	case f.github:
		return r.GitHub(c.stdout)
	case f.iam:
		for i := range r.Subjects { // what is wrong has no permissions in the policy
			c.tellFindings(&r.Subjects[i], check.Warning)
		}
		return r.IAM(c.stdout)
	case f.plan:
		return c.writePlans(r)
	case len(r.Subjects) == 0: // all that is wrong is on stderr
		return nil
	}
	return r.Text(c.stdout)
}

// tellPlain prints what the compiler has found in configurations, one line each on stderr, as the router does when it starts: for
// programs, and for logs of CI. Of a configuration that is wrong nothing else is printed.
func (c *cli) tellPlain(r *check.Report) {
	var kept []check.Checked
	for _, s := range r.Subjects {
		if s.Task != nil {
			kept = append(kept, s)
			continue
		}
		for _, d := range s.Plan.Warnings {
			fmt.Fprintf(c.stderr, "warning: %s\n", printable(d.String()))
		}
		for _, d := range s.Errors {
			fmt.Fprintln(c.stderr, printable(d.String()))
		}
		if len(s.Errors) == 0 {
			kept = append(kept, s)
			continue
		}
		only := check.Report{Subjects: []check.Checked{s}}
		totals := only.Totals()
		r.Elsewhere.Errors += totals.Errors
		r.Elsewhere.Warnings += totals.Warnings
		r.Elsewhere.Notes += totals.Notes
	}
	r.Subjects = kept
}

// tellFindings prints what tellPlain doesn't: the findings of a task definition or, on a terminal, of any subject, one line each on
// stderr, from errors to the mildest.
func (c *cli) tellFindings(s *check.Checked, mildest check.Severity) {
	if s.Task == nil && !isTerminal(c.stdout) {
		return
	}
	for n := range s.Findings {
		if f := &s.Findings[n]; f.Severity <= mildest {
			fmt.Fprintf(c.stderr, "%s: %s\n", f.Severity, printable(placed(f)))
		}
	}
}

// writePlans prints how firelane understands each configuration. What is wrong with a task definition is one line each on stderr.
func (c *cli) writePlans(r *check.Report) error {
	for i := range r.Subjects {
		s := &r.Subjects[i]
		c.tellFindings(s, check.Note)
		if s.Plan == nil || len(s.Errors) > 0 {
			continue
		}
		if len(r.Subjects) > 1 {
			fmt.Fprintf(c.stdout, "# %s\n", printable(s.Name))
		}
		if err := s.Plan.Write(c.stdout); err != nil {
			return err
		}
	}
	return nil
}

// placed is a finding in one line.
func placed(f *check.Finding) string {
	text := f.Text
	if f.At.Path != "" {
		text = f.At.Path + ": " + text
	}
	return config.Diagnostic{Pos: f.At.Pos, Text: text}.String()
}

// maxSource is the largest file, in bytes, of which a report shows lines.
const maxSource = 4 << 20

// named are the files of the command line, also those of --config-file PATH=FILE.
func named(files, copies []string) []string {
	list := slices.Clone(files)
	for _, c := range copies {
		_, file, _ := strings.Cut(c, "=")
		list = append(list, c, file)
	}
	return list
}

// readSource returns the function that reads files for a report. A file that a program has written has no lines for people.
func readSource(subjects []*check.Subject, stdin []byte, named []string) func(string) (string, bool) {
	generated := map[string]bool{}
	for _, s := range subjects {
		if s.Task != nil && s.Task.Definition != nil && s.Task.Generated {
			generated[s.Task.Place.File] = true
		}
	}
	return func(name string) (string, bool) {
		switch {
		case generated[name]:
			return "", false
		case name == "stdin":
			return string(stdin), len(stdin) > 0 && len(stdin) <= maxSource
		}
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			return config.BuiltIn(name)
		}
		if info.Size() > maxSource || check.Private(name, named) {
			return "", false
		}
		data, err := os.ReadFile(name)
		return string(data), err == nil
	}
}

// checkRules are all rules.
func (c *cli) checkRules() []check.Rule {
	return slices.Concat(check.Rules(), check.ReadRules(), check.TaskRules(c.canRun), check.DifferenceRules())
}

// canRun reports why the image can't run the command of a health check.
func (c *cli) canRun(command []string) error {
	program := func(name string) bool {
		_, ok := c.program(name)
		return ok
	}
	if len(command) > 0 && command[0] == "CMD-SHELL" {
		return shell.CanRun(strings.Join(command[1:], " "), program)
	}
	return shell.CanRunProgram(command[min(1, len(command)):], program)
}

// check prints how firelane understands a configuration, including the files that the init image's variables name.
func (c *cli) check(file string) int {
	if c.looking != nil {
		return exitUsage
	}
	plan, ok := c.tested(file)
	if !ok {
		return exitUsage
	}
	if err := plan.Write(c.stdout); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		return exitFailed
	}
	return exitOK
}

// dryRun is the option of that name, of fluent-bit and fluentd.
func (c *cli) dryRun(file string) int {
	if c.looking != nil {
		return exitUsage
	}
	if _, ok := c.tested(file); !ok {
		return exitUsage
	}
	fmt.Fprintln(c.stdout, "configuration test is successful")
	return exitOK
}

// printNote prints what is fetched.
func (c *cli) printNote(warning bool, text string) {
	kind := "note"
	if warning {
		kind = "warning"
	}
	fmt.Fprintf(c.stderr, "%s: %s\n", kind, printable(text))
}

// tested reads a configuration and prints all warnings and mistakes; ok means that a router would start with it.
func (c *cli) tested(file string) (plan *config.Plan, ok bool) {
	plan, diags, err := c.read(c.context(), file, c.printNote)
	if err != nil {
		fmt.Fprintln(c.stderr, initHint(err))
		return nil, false
	}
	if len(diags) == 0 {
		_, diags = router.New(plan, router.Env{Log: zerolog.Nop(), Version: version, Dry: true})
	}
	plan.Warnings, diags = check.WithoutText(plan.Warnings, []string{file}), check.WithoutText(diags, []string{file})
	for _, w := range plan.Warnings {
		fmt.Fprintf(c.stderr, "warning: %s\n", printable(w.String()))
	}
	for _, d := range diags {
		fmt.Fprintln(c.stderr, printable(d.String()))
	}
	return plan, len(diags) == 0
}
