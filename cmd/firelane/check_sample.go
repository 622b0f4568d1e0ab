package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/firelane/firelane/check/sample"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/router"
)

// sampleFlags are the options of firelane check that take lines through a configuration.
type sampleFlags struct {
	file, expect, tag, at string
	update, json          bool
	explain               string
}

// sampleNames are the names of the flags that ask for one, and for help with all flags.
var sampleNames = []string{"sample", "explain", "expect", "update", "tag", "time", "h", "help"}

func (s *sampleFlags) register(flags *flag.FlagSet) {
	flags.StringVar(&s.file, "sample", "", "show what becomes of each line of `FILE`, written as an application does; - is standard input")
	flags.StringVar(&s.expect, "expect", "", "with -sample: compare what becomes of the lines with `FILE`; exit 2 if it differs")
	flags.BoolVar(&s.update, "update", false, "with -expect: write the file")
	flags.StringVar(&s.tag, "tag", "", "with -sample: the lines' `TAG` (default app-firelens-sample, or one that an output takes)")
	flags.StringVar(&s.at, "time", "", "with -sample: the lines' `TIME`, for example 2026-11-26T12:00:00Z (default: now)")
	flags.StringVar(&s.explain, "explain", "", "show the reference of an `OPTION`, plugin or plugin.option, and nothing else")
}

// sampleCommand is firelane check if one of the flags is among the arguments; otherwise ran is false.
func (c *cli) sampleCommand(args []string) (status int, ran bool) {
	if !slices.ContainsFunc(args, isSampleFlag) {
		return 0, false
	}
	var s sampleFlags
	file := ""
	flags := newFlags("check")
	configOption(flags, &file)
	flags.BoolVar(&s.json, "json", false, "")
	copies := copiesFlag(flags)
	s.register(flags)
	words, status, ok := c.parse("check", flags, args)
	if !ok {
		return status, true
	}
	if file != "" {
		words = append([]string{file}, words...)
	}
	if len(words) > 1 {
		fmt.Fprintf(c.stderr, "firelane check: unexpected %q\n", words[1:])
		return exitUsage, true
	}
	if len(words) == 1 {
		file = words[0]
	}
	if s.explain != "" {
		return c.explain(s.explain), true
	}
	if err := s.check(); err != nil {
		fmt.Fprintln(c.stderr, "firelane check:", err)
		return exitUsage, true
	}
	file, status, ok = findConfig(c, "check", file)
	if !ok {
		return status, true
	}
	plan, ok := c.planOf(file, copies)
	if !ok {
		return exitUsage, true
	}
	return c.sample(plan, &s), true
}

func isSampleFlag(arg string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	return strings.HasPrefix(arg, "-") && slices.Contains(sampleNames, name)
}

// check reports flags that don't go together.
func (s *sampleFlags) check() error {
	switch {
	case s.file == "":
		return errors.New("-expect, -update, -tag and -time need -sample FILE")
	case s.update && s.expect == "":
		return errors.New("-update needs -expect FILE")
	case s.update && s.json, s.expect != "" && s.json:
		return errors.New("-json and -expect don't go together")
	}
	return nil
}

// sampleReport takes the lines of a sample.
type sampleReport interface {
	Line(l *sample.Line) error
	End() error
}

// sample takes lines through a configuration, and reports what becomes of them or how that differs from what is expected.
func (c *cli) sample(plan *config.Plan, s *sampleFlags) int {
	fail := func(err error) int {
		fmt.Fprintln(c.stderr, "firelane check:", err)
		return exitUsage
	}
	want, done, err := s.expectations()
	if err != nil {
		return fail(err)
	}
	defer done()
	o, err := s.options(plan, want)
	if err != nil {
		return fail(err)
	}
	lines, name := io.Reader(os.Stdin), "standard input"
	if s.file != "-" {
		f, err := os.Open(s.file)
		if err != nil {
			return fail(err)
		}
		defer f.Close()
		lines, name = f, s.file
	}
	o.Name = name
	run, diags := sample.New(o)
	for _, d := range diags {
		fmt.Fprintln(c.stderr, printable(d.String()))
	}
	if len(diags) > 0 {
		return exitUsage
	}
	defer run.Close()
	for _, note := range run.Notes() {
		fmt.Fprintln(c.stderr, "note:", printable(note))
	}
	switch {
	case s.update:
		return c.updateExpected(run, lines, plan, s.expect, o.Time)
	case want != nil:
		ok, err := compare(run, lines, sample.NewChecker(c.stdout, plan, want, name))
		if err != nil {
			return fail(err)
		}
		if !ok {
			return exitUsage
		}
		return exitOK
	}
	var report sampleReport = sample.NewText(c.stdout, plan, run.Tag(), o.Time)
	if s.json {
		report = sample.NewJSON(c.stdout, plan)
	}
	if err := errors.Join(run.Read(lines, report.Line), report.End()); err != nil {
		return fail(err)
	}
	return exitOK
}

// compare takes lines, and reports whether they are as expected.
func compare(run *sample.Sample, lines io.Reader, c *sample.Checker) (ok bool, err error) {
	if err := run.Read(lines, c.Line); err != nil {
		return false, err
	}
	return c.End()
}

// options are those of the flags or, where they say nothing, of the file of expectations, which may be nil.
func (s *sampleFlags) options(plan *config.Plan, want *sample.Expectations) (o sample.Options, err error) {
	o = sample.Options{Plan: plan, Version: version, Tag: s.tag, Time: time.Now().Truncate(time.Second)}
	if want != nil && o.Tag == "" {
		o.Tag = want.Tag
	}
	if want != nil && !want.Time.IsZero() {
		o.Time = want.Time
	}
	if s.at != "" {
		if o.Time, err = time.Parse(time.RFC3339Nano, s.at); err != nil {
			err = fmt.Errorf("-time %q is not a time; want, for example, 2026-11-26T12:00:00Z", s.at)
		}
	}
	return o, err
}

// expectations opens the file of -expect; nil if there is none. done closes it.
func (s *sampleFlags) expectations() (want *sample.Expectations, done func(), err error) {
	done = func() {}
	if s.expect == "" {
		return nil, done, nil
	}
	f, err := os.Open(s.expect)
	if err != nil {
		if s.update && errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		return nil, done, err
	}
	want, err = sample.ReadExpectations(f, s.expect)
	if err != nil && s.update { // it is replaced
		want, err = nil, nil
	}
	if err != nil {
		_ = f.Close()
	}
	return want, func() { _ = f.Close() }, err
}

// updateExpected replaces a file of expectations.
func (c *cli) updateExpected(run *sample.Sample, lines io.Reader, plan *config.Plan, file string, at time.Time) int {
	write := func() error {
		f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name()) // fails once it is renamed
		w := sample.NewWriter(f, plan, run.Tag(), at)
		err = errors.Join(run.Read(lines, w.Line), w.End(), f.Chmod(0o644), f.Close())
		if err != nil {
			return err
		}
		return os.Rename(f.Name(), file)
	}
	if err := write(); err != nil {
		fmt.Fprintf(c.stderr, "firelane check: writing %s: %v\n", file, err)
		return exitUsage
	}
	fmt.Fprintf(c.stdout, "%s is written\n", file)
	return exitOK
}

// explain prints the reference of an option or a plugin.
func (c *cli) explain(name string) int {
	var text bytes.Buffer
	if near := config.Explain(&text, router.Catalogue(), name); text.Len() == 0 {
		fmt.Fprintf(c.stderr, "firelane check: no option or plugin is called %s%s\n", printable(name), near)
		return exitUsage
	}
	_, _ = c.stdout.Write(text.Bytes())
	return exitOK
}
