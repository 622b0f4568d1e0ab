// Command firelane routes the logs of one task: it receives what containers log through Docker's fluentd driver, adds the
// task's metadata, and delivers each record once.
//
// Without arguments, as in a FireLens container, it runs with the configuration that the ECS agent wrote, in Fluent Bit's
// dialect or in Fluentd's.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "time/tzdata" // the image has no time zone files

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // something went wrong while running
	exitUsage  = 2 // the command line or the configuration is wrong
)

// environment gives commands access to the process's environment variables.
type environment struct {
	lookup   func(name string) (value string, ok bool)
	environ  func() []string
	setenv   func(name, value string) error
	unsetenv func(name string) error
	roots    *sync.Once // of useRoots
}

// cli is one command line.
type cli struct {
	stdout, stderr io.Writer
	environment

	ctx         context.Context // of a command in a shell, which an interrupt ends; nil: nothing but the process's end does
	also        also            // what it adds to the configuration
	asFluentBit bool            // it is fluent-bit's or fluentd's, which don't know the init image's variables
	init        ecs.Init        // the files that the init image's variables name
	task        task
	looking     *looking                                   // not nil: the command line is a task definition's, and isn't to be carried out
	keepGiven   bool                                       // the plan is for a tool that tells about options
	grace       time.Duration                              // where the configuration has none; 0: the default for ECS
	compiled    func() (*config.Plan, []config.Diagnostic) // what prepare has compiled, for the next plan
}

// context ends when the command must.
func (c *cli) context() context.Context {
	if c.ctx == nil {
		return context.Background()
	}
	return c.ctx
}

func main() {
	p := environment{lookup: os.LookupEnv, environ: os.Environ, setenv: os.Setenv, unsetenv: os.Unsetenv, roots: new(sync.Once)}
	c := &cli{stdout: os.Stdout, stderr: os.Stderr, environment: p}
	os.Exit(c.main(filepath.Base(os.Args[0]), os.Args[1:]))
}

// main runs one command line and returns the exit code.
func (c *cli) main(name string, args []string) int {
	if run, ok := c.program(name); ok && name != "firelane" {
		return run(c, args)
	}
	if len(args) == 0 {
		return runCommand(c, nil)
	}
	switch args[0] {
	case "-h", "-help", "--help":
		return c.overview()
	case "-v", "-V", "--version":
		return versionCommand(c, nil)
	}
	for _, cmd := range commands() {
		if cmd.Name == args[0] && c.looking != nil && cmd.Name != "run" {
			return exitUsage
		}
		if cmd.Name == args[0] {
			return cmd.run(c, args[1:])
		}
	}
	if run, ok := c.program(args[0]); ok { // the command of a task definition
		return run(c, args[1:])
	}
	if c.looking != nil {
		return c.looking.script()
	}
	if info, err := os.Stat(args[0]); err == nil && strings.Contains(args[0], "/") && info.Mode().IsRegular() { // a script
		return c.script("sh", args)
	}
	if strings.HasPrefix(args[0], "-") { // fluent-bit's and fluentd's own: -c FILE
		return runCommand(c, args)
	}
	fmt.Fprintf(c.stderr, "firelane: unknown command %q; `firelane help` lists the commands\n", args[0])
	return exitUsage
}
