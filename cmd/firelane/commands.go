package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/firelane/firelane/cmd/firelane/manual"
	"github.com/firelane/firelane/config"
)

// A command is a subcommand of firelane. Its options in the table are those that run parses.
type command struct {
	manual.Command
	run func(c *cli, args []string) int
}

// commands is the table of all commands: of it are made the help, the page for man, and the completion of shells.
func commands() []command {
	return append([]command{
		{manual.Command{
			Name: "run", Args: "-c FILE", Short: "run with FILE, in either dialect",
			Long: `Without -c it runs with the configuration that ECS wrote. SIGTERM ends it when the queues are empty or the grace period
is over, SIGHUP reloads the configuration.`,
			Flags: func(flags *flag.FlagSet) { new(runFlags).register(flags) },
		}, runCommand},
		{manual.Command{
			Name: "check", Args: "FILE...", Short: "tell what becomes of each log line, and every mistake",
			Long: `A FILE is a configuration, an ECS task definition, a Terraform plan or state (terraform show -json), a CloudFormation
template, a folder of these, or - for standard input. --sample LINES shows what becomes of lines, --explain OPTION what an
option means.

Exit status: 2 if something is wrong, 1 with --strict if there are warnings.`,
			Flags: func(flags *flag.FlagSet) {
				new(checkFlags).register(flags)
				new(sampleFlags).register(flags)
				flags.Bool("live", false, "do what firelane doctor does")
			},
		}, checkCommand},
		{manual.Command{
			Name: "doctor", Args: "-c FILE", Short: "check with the network whether the configuration works from here",
			Long: `It checks names, connections, TLS, credentials, rights, indices and space.

Exit status: 1 with warnings, 2 with errors.`,
			Flags: func(flags *flag.FlagSet) { new(doctorFlags).register(flags) },
		}, doctorCommand},
		{manual.Command{
			Name: "healthcheck", Args: "-c FILE", Short: "exit with 0 if a running firelane accepts connections",
			Flags: func(flags *flag.FlagSet) { new(runFlags).registerConfig(flags) },
		}, healthCommand},
		{manual.Command{
			Name: "dead", Args: strings.Join(deadActions, "|"), Short: "list, show or send again the records that destinations refused for good",
			Long:  deadLong,
			Words: deadActions,
			Flags: func(flags *flag.FlagSet) { new(deadFlags).register(flags) },
		}, deadCommand},
		{manual.Command{
			Name: "top", Short: "show what the router that is running in this container does",
			Long:  "It shows rates, queues, errors, refused records, and what takes space.",
			Flags: func(flags *flag.FlagSet) { new(topFlags).register(flags) },
		}, topCommand},
		{manual.Command{
			Name: "tail", Short: "show the records of that router as they pass",
			Flags: func(flags *flag.FlagSet) { new(tailFlags).register(flags) },
		}, tailCommand},
		{manual.Command{
			Name: "bootstrap", Args: "-c FILE", Short: "install the index templates and policies of outputs with firelane_bootstrap On",
			Flags: func(flags *flag.FlagSet) { new(bootstrapFlags).register(flags) },
		}, bootstrapCommand},
	}, aboutCommands()...)
}

// aboutCommands are those about firelane itself.
func aboutCommands() []command {
	return []command{
		{manual.Command{Name: "version", Short: "print the version, the commit and its date, and the version of Go"}, versionCommand},
		{manual.Command{
			Name: "completion", Args: strings.Join(manual.Shells(), "|"), Short: "print the script that completes command lines in a shell",
			Long: `bash: source <(firelane completion bash)
zsh:  source <(firelane completion zsh)
fish: firelane completion fish | source`,
			Words: manual.Shells(),
		}, completionCommand},
		{manual.Command{Name: "help", Args: "COMMAND", Short: "describe a command and its options"}, helpCommand},
		{manual.Command{Name: "man", Short: "print the page for man(1): firelane man | man -l -"}, manCommand},
	}
}

// theManual is the table for people and shells.
func theManual() *manual.Manual {
	m := &manual.Manual{Version: version}
	for _, cmd := range commands() {
		m.Commands = append(m.Commands, cmd.Command)
	}
	for _, v := range config.Variables() {
		m.Variables = append(m.Variables, manual.Variable{Name: v.Name, Help: v.Help})
	}
	return m
}

// parse parses a command's options, which may follow its other arguments, the words. ok is false if the command ends with status:
// its help was asked for, or the options are wrong.
func (c *cli) parse(name string, flags *flag.FlagSet, args []string) (words []string, status int, ok bool) {
	flags.SetOutput(io.Discard)
	for {
		switch err := flags.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			theManual().Help(c.stdout, name)
			return nil, exitOK, false
		case err != nil:
			fmt.Fprintf(c.stderr, "firelane %s: %v; `firelane help %s` lists the options\n", name, err, name)
			return nil, exitUsage, false
		}
		args = flags.Args()
		if len(args) == 0 {
			return words, exitOK, true
		}
		words, args = append(words, args[0]), args[1:]
	}
}

// newFlags makes the flag set of a command.
func newFlags(name string) *flag.FlagSet {
	return flag.NewFlagSet("firelane "+name, flag.ContinueOnError)
}

// configOption declares the option for the configuration file.
func configOption(flags *flag.FlagSet, file *string) {
	flags.StringVar(file, "c", "", "configuration `FILE` (default: the one that ECS wrote)")
	flags.StringVar(file, "config", "", "the same as -c `FILE`")
}

// fileOf returns the configuration file of a command that takes no other argument: -c FILE, or FILE alone.
func (c *cli) fileOf(name, file string, words []string) (path string, status int, ok bool) {
	switch {
	case file == "" && len(words) == 1:
		file = words[0]
	case len(words) > 0:
		fmt.Fprintf(c.stderr, "firelane %s: unexpected %q\n", name, words)
		return "", exitUsage, false
	}
	return findConfig(c, name, file)
}

// helpCommand prints what there is, or the help of one command.
func helpCommand(c *cli, args []string) int {
	if len(args) == 0 {
		return c.overview()
	}
	if !theManual().Help(c.stdout, args[0]) {
		fmt.Fprintf(c.stderr, "firelane help: unknown command %q; `firelane help` lists the commands\n", args[0])
		return exitUsage
	}
	return exitOK
}

// overview prints what firelane is, and its commands.
func (c *cli) overview() int {
	if err := theManual().Overview(c.stdout); err != nil {
		return exitFailed
	}
	return exitOK
}

func completionCommand(c *cli, args []string) int {
	if len(args) == 1 {
		if ok, err := theManual().Completion(c.stdout, args[0]); err != nil {
			return exitFailed
		} else if ok {
			return exitOK
		}
	}
	fmt.Fprintf(c.stderr, "firelane completion: want %s\n", strings.Join(manual.Shells(), ", "))
	return exitUsage
}

func manCommand(c *cli, _ []string) int {
	if err := theManual().Man(c.stdout); err != nil {
		return exitFailed
	}
	return exitOK
}
