package main

import (
	"bytes"
	"context"
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
	"github.com/firelane/firelane/router"
)

// checkFlags are the options of firelane check.
type checkFlags struct {
	file                            string
	plan, strict, github, json, iam bool
	check.Options
}

// checkCommand tells what configurations and task definitions do with each log line, and what is wrong with them.
func checkCommand(c *cli, args []string) int {
	var f checkFlags
	flags := flag.NewFlagSet("firelane check", flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	flags.StringVar(&f.file, "c", "", "configuration file (default: the one that ECS wrote)")
	flags.StringVar(&f.file, "config", "", "the same as -c")
	flags.BoolVar(&f.plan, "plan", false, "print how firelane understands the configuration, and nothing else")
	flags.BoolVar(&f.strict, "strict", false, "exit 1 if there are warnings")
	flags.BoolVar(&f.github, "github", false, "print the findings as workflow commands of GitHub Actions")
	flags.BoolVar(&f.json, "json", false, "print the report as JSON")
	flags.BoolVar(&f.iam, "iam", false, "print the policy document that the task role needs")
	flags.Func("config-file", "a local copy of a configuration `FILE` in the router's container; PATH=FILE says its path, or its ARN in S3 (repeatable)", func(s string) error {
		f.ConfigFiles = append(f.ConfigFiles, s)
		return nil
	})
	var files []string
	for len(args) > 0 { // flags may come after the files
		if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			return exitOK
		} else if err != nil {
			return exitUsage
		}
		if args = flags.Args(); len(args) > 0 {
			files, args = append(files, args[0]), args[1:]
		}
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
	f.Stdin, f.Version, f.Now, f.Start = os.Stdin, version, time.Now(), startOf
	f.Compile = func(file string) (*config.Plan, []config.Diagnostic, error) {
		plan, diags, err := c.read(context.Background(), file, c.printNote)
		if err != nil {
			err = errors.New(initHint(err))
		}
		return plan, diags, err
	}
	var stdin []byte
	if slices.Contains(files, "-") { // it is read once, and its lines are shown
		stdin, _ = io.ReadAll(io.LimitReader(f.Stdin, check.MaxOpenSize+1))
		f.Stdin = bytes.NewReader(stdin)
	}
	subjects, wrong := check.Open(files, f.Options)
	status := exitOK
	for _, d := range wrong {
		fmt.Fprintln(c.stderr, d)
		status = exitUsage
	}
	if !f.plan {
		return max(status, c.report(subjects, stdin, f))
	}
	for _, s := range subjects {
		if len(subjects) > 1 {
			fmt.Fprintf(c.stdout, "%s\n\n", printable(s.Name))
		}
		if !c.subject(s) {
			status = exitUsage
		}
	}
	return status
}

// report prints what the rules find in subjects.
func (c *cli) report(subjects []*check.Subject, stdin []byte, f *checkFlags) int {
	if len(subjects) == 0 {
		return exitOK // what is wrong has been said
	}
	r := check.Report{Read: func(name string) (string, bool) {
		if name == "stdin" {
			return string(stdin), true
		}
		text, err := os.ReadFile(name)
		return string(text), err == nil
	}}
	rules := slices.Concat(check.ReadRules(), check.TaskRules(c.canRun), check.DifferenceRules())
	for _, s := range subjects {
		r.Add(s, rules)
	}
	write := r.Text
	switch {
	case f.iam:
		write = r.IAM
	case f.json:
		write = r.JSON
	case f.github:
		write = r.GitHub
	}
	if err := write(c.stdout); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		fmt.Fprintf(c.stderr, "firelane check: %v\n", err)
		return exitFailed
	}
	return r.Status(f.strict)
}

// canRun reports why the image can't run the command of a health check.
func (c *cli) canRun(command []string) error {
	program := func(name string) bool { _, ok := c.program(name); return ok }
	if command[0] == "CMD-SHELL" {
		return shell.CanRun(strings.Join(command[1:], " "), program)
	}
	return shell.CanRunProgram(command[1:], program)
}

// subject prints what is wrong with a subject, and its plan if nothing is.
func (c *cli) subject(s *check.Subject) bool {
	ok := true
	for _, f := range s.Run(check.ReadRules()) {
		kind := f.Severity.String() + ": "
		if f.Severity == check.Error {
			kind, ok = "", false
		}
		fmt.Fprintf(c.stderr, "%s%s\n", kind, placed(f.At.File, f.At.Line, f.At.Path, f.Text))
	}
	if s.Plan == nil {
		return ok
	}
	tell := func(kind string, d config.Diagnostic) {
		at := s.Place(d.Pos)
		fmt.Fprintf(c.stderr, "%s%s\n", kind, placed(at.File, at.Line, at.Path, d.Text))
	}
	for _, w := range s.Plan.Warnings {
		tell("warning: ", w)
	}
	for _, d := range s.Errors {
		tell("", d)
		ok = false
	}
	if ok {
		_ = s.Plan.Write(c.stdout) // an error is one of the pipe
	}
	return ok
}

// placed is a diagnostic with the path of the value.
func placed(file string, line int, path, text string) string {
	if path != "" {
		text = path + ": " + text
	}
	return config.Diagnostic{Pos: config.Pos{File: file, Line: line}, Text: text}.String()
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
	fmt.Fprintf(c.stderr, "%s: %s\n", kind, text)
}

// tested reads a configuration and prints all warnings and mistakes; ok means that a router would start with it.
func (c *cli) tested(file string) (plan *config.Plan, ok bool) {
	plan, diags, err := c.read(context.Background(), file, c.printNote)
	if err != nil {
		fmt.Fprintln(c.stderr, initHint(err))
		return nil, false
	}
	if len(diags) == 0 {
		_, diags = router.New(plan, router.Env{Log: zerolog.Nop(), Version: version})
	}
	for _, w := range plan.Warnings {
		fmt.Fprintf(c.stderr, "warning: %s\n", w)
	}
	for _, d := range diags {
		fmt.Fprintln(c.stderr, d)
	}
	return plan, len(diags) == 0
}
