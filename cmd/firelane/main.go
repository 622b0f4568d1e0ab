// Command firelane routes the logs of one task: it receives what containers log through Docker's fluentd driver, adds the
// task's metadata, and delivers each record once.
//
// Without arguments, as in a FireLens container, it runs with the configuration that the ECS agent wrote, in Fluent Bit's
// dialect or in Fluentd's.
package main

import (
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

// version is set by the build.
var version = "dev"

const usage = `firelane: a log router for ECS FireLens and for everything else that speaks the forward protocol

usage:
  firelane                 run with the configuration that ECS wrote:
                           /fluent-bit/etc/fluent-bit.conf or /fluentd/etc/fluent.conf
  firelane run -c FILE     run with FILE, in either dialect
  firelane check FILE...   tell what becomes of each log line, and every mistake; exit 2 if something is wrong. A FILE is
                           a configuration, an ECS task definition, a Terraform plan or state (terraform show -json), a
                           CloudFormation template, a folder of these, or -
                           [--config-file FILE] [--strict] [--github | --json | --iam | --plan]
                           --sample LINES shows what becomes of lines, --explain OPTION what an option means
  firelane doctor          check with the network whether the configuration works from here: names, connections, TLS,
                           credentials, rights, indices, space; exit 1 with warnings, 2 with errors
                           [-c FILE] [--json] [--write: store a test document, and delete it]
  firelane healthcheck     exit 0 if a running firelane accepts connections [-c FILE]
  firelane dead list       list the records that destinations refused for good, and why [-c FILE] [-output ID]
  firelane dead resend     send these records again [-c FILE] [-output ID]
  firelane top             show what the router that is running in this container does: rates, queues, errors, refused
                           records, what takes space [-once] [-pid N]
  firelane tail            show its records as they pass [-stage in,out,refused] [-match TAG] [-where FIELD=VALUE]
                           [-text TEXT] [-rate N] [-json] [-pid N]
  firelane bootstrap       install the index templates and policies of outputs with firelane_bootstrap On [-c FILE]
                           --dry-run: only print what would be done; --file FOLDER: write them for curl or Terraform
  firelane version         print the version

As the entry point or command of a task definition it also takes those of the images that it replaces, with their options:
  /fluent-bit/bin/fluent-bit -c FILE, /entrypoint.sh, /init/fluent_bit_init_entrypoint.sh, fluentd -c FILE
`

// A command is a subcommand of firelane.
type command struct {
	name string
	run  func(c *cli, args []string) int
}

func commands() []command {
	return []command{
		{"run", runCommand},
		{"check", checkCommand},
		{"doctor", doctorCommand},
		{"healthcheck", healthCommand},
		{"dead", deadCommand},
		{"bootstrap", bootstrapCommand},
		{"top", topCommand},
		{"tail", tailCommand},
		{"version", versionCommand},
	}
}

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

	also        also     // what it adds to the configuration
	asFluentBit bool     // it is fluent-bit's or fluentd's, which don't know the init image's variables
	init        ecs.Init // the files that the init image's variables name
	task        task
	looking     *looking                                   // not nil: the command line is a task definition's, and isn't to be carried out
	keepGiven   bool                                       // the plan is for a tool that tells about options
	grace       time.Duration                              // where the configuration has none; 0: the default for ECS
	compiled    func() (*config.Plan, []config.Diagnostic) // what prepare has compiled, for the next plan
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
	case "-h", "-help", "--help", "help":
		fmt.Fprint(c.stdout, usage)
		return exitOK
	case "-v", "-V", "--version":
		return versionCommand(c, nil)
	}
	for _, cmd := range commands() {
		if cmd.name == args[0] && c.looking != nil && cmd.name != "run" {
			return exitUsage
		}
		if cmd.name == args[0] {
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
	fmt.Fprintf(c.stderr, "firelane: unknown command %q\n\n%s", args[0], usage)
	return exitUsage
}

func versionCommand(c *cli, _ []string) int {
	fmt.Fprintf(c.stdout, "firelane %s\n", version)
	return exitOK
}
