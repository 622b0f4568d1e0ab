package main

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/firelane/firelane/cmd/firelane/shell"
	"github.com/firelane/firelane/config"
)

// A program is one that firelane stands in for, with the names that it has in the entry point or the command of a task definition.
type program struct {
	names string
	run   func(c *cli, args []string) int
}

func programs() []program {
	return []program{
		{"firelane", func(c *cli, args []string) int { return c.main("firelane", args) }},
		{"fluent-bit td-agent-bit", fluentBit},
		{"fluentd td-agent", fluentd},
		{"tini dumb-init", wrapped},
		{"env", env},
		{"entrypoint.sh docker-entrypoint.sh", entryPoint},
		{"fluent_bit_init_entrypoint.sh invoke_fluent_bit.sh", func(c *cli, _ []string) int { return runCommand(c, nil) }},
		{"fluent_bit_init_process", func(*cli, []string) int { return exitOK }}, // runCommand does what it does
		{"sh bash ash", func(c *cli, args []string) int { return c.script("sh", args) }},
		{"nc", func(c *cli, args []string) int { return c.script("nc", args) }},
		{"curl", func(c *cli, args []string) int { return c.script("curl", args) }},
	}
}

// program finds a program by the last part of a path.
func (c *cli) program(name string) (run func(c *cli, args []string) int, ok bool) {
	name = path.Base(name)
	for _, p := range programs() {
		for known := range strings.FieldsSeq(p.names) {
			if known == name {
				return p.run, true
			}
		}
	}
	return nil, false
}

// entryPoint stands in for the entry point of AWS's image, which has no arguments, and that of Fluentd's, whose arguments are a command.
func entryPoint(c *cli, args []string) int {
	if len(args) > 0 && strings.HasPrefix(args[0], "-") { // another image's docker-entrypoint.sh: options for fluentd
		return fluentd(c, args)
	}
	if len(args) > 0 {
		if run, ok := c.program(args[0]); ok {
			return run(c, args[1:])
		}
	}
	return runCommand(c, nil)
}

// wrapped stands in for an init such as tini: it skips the init's options and runs the program after them.
func wrapped(c *cli, args []string) int {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		end := args[0] == "--"
		if args = args[1:]; end {
			break
		}
	}
	return c.main("firelane", args)
}

// env stands in for env(1): it sets variables and runs a program, such as the shell in the first line of a script.
func env(c *cli, args []string) int {
	for len(args) > 0 && strings.Contains(args[0], "=") {
		name, value, _ := strings.Cut(args[0], "=")
		if err := c.setenv(name, value); err != nil {
			fmt.Fprintf(c.stderr, "env: %v\n", err)
			return exitUsage
		}
		args = args[1:]
	}
	return c.main("firelane", args)
}

// script runs a stand-in of the shell's.
func (c *cli) script(name string, args []string) int {
	if c.looking != nil {
		return c.looking.shell(c, name, args)
	}
	return c.shell().Run(name, args)
}

// shell makes the stand-in for sh.
func (c *cli) shell() shell.Shell {
	return shell.Shell{
		Stdout: c.stdout, Stderr: c.stderr, BuiltIn: builtInFile, Lookup: c.lookup, Setenv: c.setenv,
		Program: func(stdout io.Writer, name string, args []string) (int, bool) {
			run, ok := c.program(name)
			if !ok {
				return 0, false
			}
			return run(&cli{stdout: stdout, stderr: c.stderr, environment: c.environment}, args), true
		},
	}
}

// builtInFile returns the text of a file of AWS's image that shell commands print.
func builtInFile(name string) (string, bool) {
	if name == "/AWS_FOR_FLUENT_BIT_VERSION" {
		return "firelane " + version + "\n", true
	}
	return config.BuiltIn(name)
}
