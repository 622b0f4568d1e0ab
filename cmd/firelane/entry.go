package main

import (
	"fmt"
	"os"
	"path"
	"slices"
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
	}
}

// program finds a program by the last part of a path: one of programs, or one of the shell's.
func (c *cli) program(name string) (run func(c *cli, args []string) int, ok bool) {
	name = path.Base(name)
	if shell.Has(name) {
		return func(c *cli, args []string) int { return c.script(name, args) }, true
	}
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
		option := args[0]
		args = args[1:]
		if option == "--" {
			break
		}
		if slices.Contains([]string{"-e", "-p", "-r", "--rewrite"}, option) && len(args) > 0 { // with a value: tini's, and dumb-init's
			args = args[1:]
		}
	}
	return c.main("firelane", args)
}

// env stands in for env(1): it sets variables and runs a program, such as the shell in the first line of a script. Without one it
// prints the variables.
func env(c *cli, args []string) int {
	for len(args) > 0 && strings.Contains(args[0], "=") {
		name, value, _ := strings.Cut(args[0], "=")
		if err := c.setenv(name, value); err != nil {
			fmt.Fprintf(c.stderr, "env: %v\n", err)
			return exitUsage
		}
		args = args[1:]
	}
	if len(args) == 0 && c.looking == nil {
		for _, variable := range c.environ() {
			fmt.Fprintln(c.stdout, variable)
		}
		return exitOK
	}
	return c.main("firelane", args)
}

// script runs the shell, or one of its programs.
func (c *cli) script(name string, args []string) int {
	if c.looking != nil {
		return c.looking.shell(c, name, args)
	}
	return c.shell().Run(name, args)
}

// shell makes the shell.
func (c *cli) shell() shell.Shell {
	return shell.Shell{
		Stdin: os.Stdin, Stdout: c.stdout, Stderr: c.stderr, Environ: c.environ, BuiltIn: builtInFile, Roots: c.useRoots,
		Program: func(p shell.Program) (int, bool) {
			run, ok := c.program(p.Path)
			if !ok {
				return 0, false
			}
			if err := c.adopt(p.Environ); err != nil {
				fmt.Fprintf(p.Stderr, "sh: %v\n", err)
				return exitFailed, true
			}
			return run(&cli{ctx: p.Context, stdout: p.Stdout, stderr: p.Stderr, environment: c.environment}, p.Args), true
		},
	}
}

// adopt makes a script's variables those of the process: the program runs in it.
func (c *cli) adopt(variables []string) error {
	old := map[string]string{}
	for _, v := range c.environ() {
		name, value, _ := strings.Cut(v, "=")
		old[name] = value
	}
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		if before, ok := old[name]; !ok || before != value {
			if err := c.setenv(name, value); err != nil {
				return fmt.Errorf("setting %s: %w", name, err)
			}
		}
		delete(old, name)
	}
	for name := range old {
		if err := c.unsetenv(name); err != nil {
			return fmt.Errorf("unsetting %s: %w", name, err)
		}
	}
	return nil
}

// builtInFile returns the text of a file of AWS's image that shell commands print.
func builtInFile(name string) (string, bool) {
	if name == "/AWS_FOR_FLUENT_BIT_VERSION" {
		return "firelane " + version + "\n", true
	}
	return config.BuiltIn(name)
}
