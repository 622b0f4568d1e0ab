package main

import (
	"context"
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
		fmt.Fprintln(c.stderr, "usage: firelane dead list|resend [-c FILE] [-output ID]")
		return exitUsage
	}
	flags := flag.NewFlagSet("firelane dead "+args[0], flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	file := flags.String("c", "", "configuration file (default: the one that ECS wrote)")
	only := flags.String("output", "", "only this output's")
	if err := flags.Parse(args[1:]); err != nil {
		return exitUsage
	}
	name, status, ok := findConfig(c, "dead", *file)
	if !ok {
		return status
	}
	plan, diags := config.Compile(name, router.Catalogue(), c.lookup)
	if len(diags) > 0 {
		fmt.Fprintln(c.stderr, diags[0])
		return exitUsage
	}
	files, err := router.DeadFiles(plan)
	if err != nil {
		fmt.Fprintln(c.stderr, "firelane dead:", err)
		return exitFailed
	}
	status = exitOK
	for _, output := range slices.Sorted(maps.Keys(files)) {
		if *only != "" && output != *only {
			continue
		}
		if args[0] == "list" {
			err = c.listDead(files[output])
		} else {
			err = c.resendDead(plan, output, files[output])
		}
		if err != nil {
			fmt.Fprintf(c.stderr, "firelane dead: %s: %s\n", printable(output), printable(err.Error()))
			status = exitFailed
		}
	}
	return status
}

const (
	// alignedRows is how many rows of a list are aligned with one another: more are not kept in memory.
	alignedRows = 500
	// maxListed is how much of a record is listed, in bytes.
	maxListed = 64 << 10
)

// listDead prints a line for each record: time, output, index, status, type and reason, and the record itself.
func (c *cli) listDead(files []string) error {
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	rows := 0
	for _, file := range files {
		for e, err := range dead.Read(file) {
			if err != nil {
				fmt.Fprintln(c.stderr, "firelane dead:", printable(err.Error()))
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s: %s\t%s\n", e.Time.UTC().Format(time.RFC3339), printable(e.Output), printable(e.Index),
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

// recordText is the record of an entry, or as much of it as is listed.
func recordText(e *dead.Entry) string {
	if e.Packed != nil {
		return fmt.Sprintf("a record of %d bytes, too large to be listed", len(e.Packed))
	}
	return dead.Cut(string(e.Record), maxListed)
}

// printable escapes characters that control a terminal or would begin another line or column: control characters (C0 and C1),
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
	a, err := router.Resend(ctx, plan, router.Env{Log: newLogger(c.stderr, isTerminal(c.stderr)), Version: version}, output, files)
	fmt.Fprintf(c.stdout, "%s: delivered %d, dead-lettered again %d, left %d\n", printable(output), a.Delivered, a.Dead, a.Buffered)
	return err
}
