// Package manual renders a table of commands as help, as a page for man(1), and as completion for bash, zsh and fish.
package manual

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A Command is one command of firelane.
type Command struct {
	Name  string
	Args  string              // what follows the name, without options: "list|show|resend"; "" for nothing
	Short string              // what it does: a line without a full stop
	Long  string              // the rest of its help: lines of up to 100 characters; may be empty
	Words []string            // what its first argument may be, for completion; nil: a file, or nothing
	Flags func(*flag.FlagSet) // declares its options; nil: it has none
}

// synopsis is the command line of a command.
func (c *Command) synopsis() string {
	s := "firelane " + c.Name
	if c.Args != "" {
		s += " " + c.Args
	}
	return s
}

// options are the command's options, by name.
func (c *Command) options() (list []*flag.Flag) {
	if c.Flags == nil {
		return nil
	}
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	c.Flags(flags)
	flags.VisitAll(func(f *flag.Flag) { list = append(list, f) })
	return list
}

// takesValue reports whether an option has an argument.
func takesValue(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return !ok || !b.IsBoolFlag()
}

// A Variable is an environment variable that firelane reads.
type Variable struct {
	Name, Help string
}

// A Manual is what there is to say about firelane.
type Manual struct {
	Version   string
	Commands  []Command
	Variables []Variable
}

// find returns the command of that name, nil if there is none.
func (m *Manual) find(name string) *Command {
	for i := range m.Commands {
		if m.Commands[i].Name == name {
			return &m.Commands[i]
		}
	}
	return nil
}

const (
	summary = "a log router for ECS FireLens and for everything else that speaks the forward protocol"
	without = `Without a command it runs with the configuration that ECS wrote: /fluent-bit/etc/fluent-bit.conf or
/fluentd/etc/fluent.conf.`
	programs = `As the entry point or command of a task definition it also takes those of the images that it replaces, with their
options: /fluent-bit/bin/fluent-bit -c FILE, /entrypoint.sh, /init/fluent_bit_init_entrypoint.sh, fluentd -c FILE.`
)

// Overview writes what firelane is, and its commands.
func (m *Manual) Overview(w io.Writer) error {
	fmt.Fprintf(w, "firelane: %s\n\nusage: firelane [COMMAND] [OPTION...]\n\n%s\n\ncommands:\n", summary, without)
	columns := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for i := range m.Commands {
		c := &m.Commands[i]
		fmt.Fprintf(columns, "  %s\t%s\n", c.synopsis(), c.Short)
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n`firelane help COMMAND` describes a command and its options.\n\n%s\n", programs)
	return err
}

// Help writes what a command does, and its options. ok is false if there is no such command.
func (m *Manual) Help(w io.Writer, name string) (ok bool) {
	c := m.find(name)
	if c == nil {
		return false
	}
	usage := c.synopsis()
	if c.Flags != nil {
		usage += " [OPTION...]"
	}
	fmt.Fprintf(w, "usage: %s\n\n%s%s.\n", usage, strings.ToUpper(c.Short[:1]), c.Short[1:])
	if c.Long != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(c.Long))
	}
	if c.Flags != nil {
		fmt.Fprint(w, "\noptions:\n")
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		flags.SetOutput(w)
		c.Flags(flags)
		flags.PrintDefaults()
	}
	return true
}
