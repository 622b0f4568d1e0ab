package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/router"
	"github.com/firelane/firelane/sink/dead"
)

// deadCommand lists the records in the dead letters, or sends them again.
func deadCommand(c *cli, args []string) int {
	if len(args) == 0 || args[0] != "list" && args[0] != "resend" {
		fmt.Fprintln(c.stderr, "usage: firelane dead list|resend [-c FILE] [-output ID] [-from NAME]")
		return exitUsage
	}
	flags := flag.NewFlagSet("firelane dead "+args[0], flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	file := flags.String("c", "", "configuration file (default: the one that ECS wrote)")
	only := flags.String("output", "", "only this output's")
	from := flags.String("from", "", "with resend and -output: send the dead letters in NAME, which belong to no output of the configuration, to that output")
	if err := flags.Parse(args[1:]); err != nil {
		return exitUsage
	}
	name, status, ok := findConfig(c, "dead", *file)
	if !ok {
		return status
	}
	plan, diags, err := c.read(context.Background(), name, func(bool, string) {})
	if err != nil {
		fmt.Fprintln(c.stderr, "firelane dead:", err)
		return exitFailed
	}
	if len(diags) > 0 {
		fmt.Fprintln(c.stderr, diags[0])
		return exitUsage
	}
	files, others, err := router.DeadFiles(plan)
	if err == nil && *from != "" {
		if args[0] != "resend" || *only == "" || others[*from] == nil {
			err = fmt.Errorf("-from %s: want resend, -output ID, and the name of dead letters that belong to no output; these are %q", *from, slices.Sorted(maps.Keys(others)))
		}
		files, others = map[string][]string{*only: others[*from]}, nil
	}
	if err != nil {
		fmt.Fprintln(c.stderr, "firelane dead:", err)
		return exitFailed
	}
	return c.eachDead(args[0], plan, *only, files, others)
}

// eachDead lists or resends the files of one output, or of all if only is "". It also lists the others, which belong to no output of
// the plan.
func (c *cli) eachDead(command string, plan *config.Plan, only string, files, others map[string][]string) (status int) {
	status = exitOK
	fail := func(name string, err error) {
		fmt.Fprintf(c.stderr, "firelane dead: %s: %s\n", printable(name), printable(err.Error()))
		status = exitFailed
	}
	for _, output := range slices.Sorted(maps.Keys(files)) {
		if only != "" && output != only {
			continue
		}
		var err error
		if command == "list" {
			err = c.listDead(output, files[output])
		} else {
			err = c.resendDead(plan, output, files[output])
		}
		if err != nil {
			fail(output, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(others)) {
		switch {
		case only != "":
		case command == "resend":
			fail(name, errors.New("these records belong to no output of the configuration: they are kept; -output ID -from "+name+" sends them to another"))
		default:
			if err := c.listDead(name, others[name]); err != nil {
				fail(name, err)
			}
		}
	}
	return status
}

const (
	// alignedRows is how many rows of a list are aligned with one another, which are in memory at the same time.
	alignedRows = 500
	// maxListed is how many bytes of a record are listed.
	maxListed = 64 << 10
)

// listDead prints a line for each record: the time, the output or dead letter, the index, the reason, and the record. It doesn't print
// the output's name at the time, which may be another output's name now.
func (c *cli) listDead(name string, files []string) error {
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	rows := 0
	for _, file := range files {
		for e, err := range dead.Read(file) {
			if err != nil {
				fmt.Fprintln(c.stderr, "firelane dead:", printable(err.Error()))
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s: %s\t%s\n", e.Time.UTC().Format(time.RFC3339), printable(name), printable(e.Index),
				e.Status, printable(e.Type), printable(e.Reason), printable(recordText(&e)))
			if rows++; rows%alignedRows == 0 {
				if err := w.Flush(); err != nil {
					return err
				}
			}
		}
	}
	return w.Flush()
}

// recordText returns the record of an entry, cut to maxListed bytes.
func recordText(e *dead.Entry) string {
	if e.Packed != nil {
		return fmt.Sprintf("a record of %d bytes, too large to list", len(e.Packed))
	}
	return dead.Cut(string(e.Record), maxListed)
}

// printable escapes characters that control a terminal or would start a new line or column: control characters (C0 and C1),
// direction marks, line separators, and bytes that aren't UTF-8.
func printable(s string) string {
	var b []byte
	for i, size := 0, 0; i < len(s); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = fmt.Appendf(b, `\x%02x`, s[i])
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			escaped := strconv.QuoteRuneToASCII(r)
			if r <= 0xffff {
				escaped = fmt.Sprintf(`\u%04x`, r) // as in JSON
			}
			b = append(b, strings.Trim(escaped, "'")...)
		default:
			b = append(b, s[i:i+size]...)
		}
	}
	return string(b)
}

func (c *cli) resendDead(plan *config.Plan, output string, files []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c.useRoots()
	a, err := router.Resend(ctx, plan, router.Env{Log: newLogger(c.stderr, isTerminal(c.stderr)), Version: version}, output, files)
	fmt.Fprintf(c.stdout, "%s: delivered %d, dead-lettered again %d, left %d\n", printable(output), a.Delivered, a.Dead, a.Buffered)
	return err
}
