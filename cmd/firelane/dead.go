package main

import (
	"errors"
	"flag"
	"fmt"
	"iter"
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
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
	"github.com/firelane/firelane/sink/httpsend"
)

// deadActions are what firelane dead can do.
var deadActions = []string{"list", "show", "resend"}

const deadLong = `list prints a line for each record: when it was given up, the output, the index, the status, the reason, the record.
show prints all that is known of each record, or of those with the IDs that are its arguments.
resend delivers the records once more, to the same output, without the filters, which have been applied already. What is
delivered is removed from the dead letter; what is refused again is back in it.

The options select records; with resend, too. A TIME is one such as 2026-11-27T06:00:00Z or 2026-11-27, or how long ago
that was, such as 2h.`

// deadFlags are the options of firelane dead.
type deadFlags struct {
	file, output, from string
	since, until       string
	dead.Filter
}

// register declares the options.
func (f *deadFlags) register(flags *flag.FlagSet) {
	configOption(flags, &f.file)
	flags.StringVar(&f.output, "output", "", "only the records of the output `ID`, such as es.0")
	flags.StringVar(&f.Index, "index", "", "only what was to go to the index `NAME`; * and ? stand for any characters and any one")
	flags.StringVar(&f.Reason, "reason", "", "only where the error type or the reason has this `TEXT` in it, in any case")
	flags.StringVar(&f.Field, "field", "", "only where the destination refused the field `NAME`, such as user.id")
	flags.StringVar(&f.since, "since", "", "only what was given up at this `TIME` or later")
	flags.StringVar(&f.until, "until", "", "only what was given up before this `TIME`")
	flags.StringVar(&f.from, "from", "", "with resend and -output: send the dead letters in `NAME`, which belong to no output of the configuration, to that output")
}

// filter completes the filter.
func (f *deadFlags) filter(now time.Time) error {
	var err error
	if f.Since, err = parseMoment(f.since, now); err != nil {
		return fmt.Errorf("-since %w", err)
	}
	if f.Until, err = parseMoment(f.until, now); err != nil {
		return fmt.Errorf("-until %w", err)
	}
	if err := f.Check(); err != nil {
		return fmt.Errorf("-index %q: %w", f.Index, err)
	}
	return nil
}

// parseMoment reads a time, or how long ago it was; "" is the zero time.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	ago, err := config.ParseDuration(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time; want one such as 2026-11-27T06:00:00Z or 2026-11-27, or how long ago, such as 2h", text)
	}
	return now.Add(-ago), nil
}

// deadCommand lists or shows the records in the dead letters, or sends them again.
func deadCommand(c *cli, args []string) int {
	var f deadFlags
	flags := newFlags("dead")
	f.register(flags)
	words, status, ok := c.parse("dead", flags, args)
	if !ok {
		return status
	}
	if len(words) == 0 || !slices.Contains(deadActions, words[0]) || len(words) > 1 && words[0] != "show" {
		fmt.Fprintln(c.stderr, "usage: firelane dead list|show|resend [OPTION...]; `firelane help dead` lists the options")
		return exitUsage
	}
	if err := f.filter(time.Now()); err != nil {
		fmt.Fprintln(c.stderr, "firelane dead:", err)
		return exitUsage
	}
	f.IDs = words[1:]
	name, status, ok := findConfig(c, "dead", f.file)
	if !ok {
		return status
	}
	plan, diags, err := c.read(c.context(), name, func(bool, string) {})
	if err != nil {
		fmt.Fprintln(c.stderr, "firelane dead:", err)
		return exitFailed
	}
	if len(diags) > 0 {
		fmt.Fprintln(c.stderr, diags[0])
		return exitUsage
	}
	d := deadLetters{cli: c, plan: plan, action: words[0], deadFlags: &f}
	if d.own, d.others, err = router.DeadFiles(plan); err == nil {
		err = d.choose()
	}
	if err != nil {
		fmt.Fprintln(c.stderr, "firelane dead:", printable(err.Error()))
		return exitFailed
	}
	return d.each()
}

// deadLetters are the dead letters that a command is about.
type deadLetters struct {
	*cli
	*deadFlags
	plan        *config.Plan
	action      string
	own, others map[string][]string // files, by output, and by the names of those that belong to no output of the plan

	seen, chosen int // entries
}

// choose applies the options that choose an output.
func (d *deadLetters) choose() error {
	if d.from != "" {
		if d.action != "resend" || d.output == "" || d.others[d.from] == nil {
			return fmt.Errorf("-from %s: want resend, -output ID, and the name of dead letters that belong to no output; these are %q", d.from, slices.Sorted(maps.Keys(d.others)))
		}
		d.own, d.others = map[string][]string{d.output: d.others[d.from]}, nil
		return nil
	}
	if d.output == "" {
		return nil
	}
	ids := slices.Collect(maps.Keys(d.own))
	for i := range d.plan.Outputs {
		ids = append(ids, d.plan.Outputs[i].ID)
	}
	if !slices.Contains(ids, d.output) && d.others[d.output] == nil {
		slices.Sort(ids)
		return fmt.Errorf("-output %s: there is no such output; want one of %q", d.output, slices.Compact(ids))
	}
	other := func(name string, _ []string) bool { return name != d.output }
	maps.DeleteFunc(d.own, other)
	maps.DeleteFunc(d.others, other)
	return nil
}

// each lists, shows or sends the records of each output, and then those that belong to none.
func (d *deadLetters) each() (status int) {
	status = exitOK
	fail := func(name string, err error) {
		fmt.Fprintf(d.stderr, "firelane dead: %s: %s\n", printable(name), printable(err.Error()))
		status = exitFailed
	}
	do := func(name string, files []string) error {
		switch d.action {
		case "list":
			return d.list(name, files)
		case "show":
			return d.show(name, files)
		}
		return d.resend(name, files)
	}
	for _, output := range slices.Sorted(maps.Keys(d.own)) {
		if err := do(output, d.own[output]); err != nil {
			fail(output, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.others)) {
		if d.action == "resend" {
			d.chosen++
			fail(name, errors.New("these records belong to no output of the configuration: they are kept; -output ID -from "+name+" sends them to another"))
		} else if err := do(name, d.others[name]); err != nil {
			fail(name, err)
		}
	}
	if d.chosen == 0 && status == exitOK {
		fmt.Fprintln(d.stderr, d.nothing())
	}
	return status
}

// nothing says why there is nothing to list, show or send.
func (d *deadLetters) nothing() string {
	if d.seen > 0 {
		return fmt.Sprintf("no dead letter matches; there are %d in all: `firelane dead list` without other options lists them", d.seen)
	}
	text := "no dead letters: no record was refused for good, or all of them have been sent again"
	if logged := d.logged(); len(logged) > 0 {
		text += "; those of " + strings.Join(logged, ", ") + " are lines of the router's log"
	}
	return text
}

// logged returns the outputs whose dead letters have no files.
func (d *deadLetters) logged() (ids []string) {
	for i := range d.plan.Outputs {
		out := &d.plan.Outputs[i]
		if opts, ok := out.Options.(sink.OutputOptioner); ok {
			if o := opts.Output(); o.DeadLetter == "log" || o.DeadLetterPath == "" && router.QueueDir(d.plan, o) == "" {
				ids = append(ids, out.ID)
			}
		}
	}
	return ids
}

// entries yields the entries that the options choose.
func (d *deadLetters) entries(files []string) iter.Seq[dead.Entry] {
	return func(yield func(dead.Entry) bool) {
		for _, file := range files {
			for e, err := range dead.Read(file) {
				if d.context().Err() != nil {
					return
				}
				if err != nil {
					fmt.Fprintln(d.stderr, "firelane dead:", printable(err.Error()))
					continue
				}
				if d.seen++; !d.Match(&e) {
					continue
				}
				if d.chosen++; !yield(e) {
					return
				}
			}
		}
	}
}

const (
	// alignedRows is how many rows of a list are aligned with one another, which are in memory at the same time.
	alignedRows = 500
	// maxListed is how many bytes of a record are listed.
	maxListed = 64 << 10
	// maxListedReason is how many bytes of a reason are listed: a column is as wide as its longest one.
	maxListedReason = 1 << 10
)

// list prints a line for each record: the time, the output or dead letter, the index, the reason, and the record. It doesn't print
// the output's name at the time, which may be another output's name now.
func (d *deadLetters) list(name string, files []string) error {
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	rows := 0
	for e := range d.entries(files) {
		reason := e.Reason
		if c, ok := e.Conflict(); ok {
			reason += " (" + c.String() + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s: %s\t%s\n", e.Time.UTC().Format(time.RFC3339), printable(name), printable(e.Index),
			e.Status, printable(e.Type), printable(httpsend.Clip(reason, maxListedReason)), printable(recordText(&e)))
		if rows++; rows%alignedRows == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return w.Flush()
}

// show prints all that is known of each record.
func (d *deadLetters) show(name string, files []string) error {
	for e := range d.entries(files) {
		if d.chosen > 1 {
			fmt.Fprintln(d.stdout)
		}
		row := func(what, text string) { fmt.Fprintf(d.stdout, "%-9s %s\n", what, printable(text)) }
		row("id", e.ID)
		row("time", e.Time.UTC().Format(time.RFC3339))
		row("output", name)
		row("index", e.Index)
		row("status", strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, e.Type)))
		row("reason", e.Reason)
		if c, ok := e.Conflict(); ok {
			row("conflict", c.String())
		}
		row("tag", e.Tag)
		row("received", e.RecordTime.UTC().Format(time.RFC3339Nano))
		if _, err := fmt.Fprintf(d.stdout, "%-9s %s\n", "record", printable(recordText(&e))); err != nil {
			return err
		}
	}
	return nil
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

// resend sends the records of an output again.
func (d *deadLetters) resend(output string, files []string) error {
	found := false
	for range d.entries(files) {
		found = true
		break
	}
	if !found {
		return nil
	}
	ctx, stop := signal.NotifyContext(d.context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d.useRoots()
	env := router.Env{Log: newLogger(d.stderr, isTerminal(d.stderr)), Version: version}
	a, err := router.Resend(ctx, d.plan, env, output, files, &d.Filter)
	fmt.Fprintf(d.stdout, "%s: delivered %d, dead-lettered again %d, left %d\n", printable(output), a.Delivered, a.Dead, a.Buffered)
	return err
}
