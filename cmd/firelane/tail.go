package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/admin"
)

// maxTailLine is the longest line of a live tail that is read, in bytes.
const maxTailLine = 1 << 20

// tailTimeout is how long a router may send nothing: it says something every 10 s, even if nothing happens.
const tailTimeout = 30 * time.Second

// texts are the values of an option that may be repeated.
type texts []string

func (t *texts) String() string { return strings.Join(*t, ", ") }

func (t *texts) Set(s string) error {
	*t = append(*t, s)
	return nil
}

// tailFlags are the options of firelane tail.
type tailFlags struct {
	stage, match, text string
	where              texts
	rate, pid          int
	json               bool
}

// register declares the options.
func (f *tailFlags) register(flags *flag.FlagSet) {
	flags.StringVar(&f.stage, "stage", "out,refused", "`STAGES` at which records are shown: in, as an input got them; out, as an output's queue got them; refused, those in dead letters")
	flags.StringVar(&f.match, "match", "", "only records whose tag matches this `PATTERN`, in which * is any text")
	flags.Var(&f.where, "where", "only records with `FIELD=VALUE`, or $FIELD['in']['field']=VALUE; may be repeated")
	flags.StringVar(&f.text, "text", "", "only records that contain this `TEXT`")
	flags.IntVar(&f.rate, "rate", 20, "at most so many `RECORDS` a second")
	flags.BoolVar(&f.json, "json", false, "lines of JSON")
	flags.IntVar(&f.pid, "pid", 0, "the router's `PROCESS`, if there are several")
}

// tailCommand shows records of the router that is running in this container, until it is interrupted.
func tailCommand(c *cli, args []string) int {
	var f tailFlags
	flags := newFlags("tail")
	f.register(flags)
	words, status, ok := c.parse("tail", flags, args)
	if !ok {
		return status
	}
	if len(words) > 0 {
		fmt.Fprintf(c.stderr, "firelane tail: unexpected %q\n", words)
		return exitUsage
	}
	query := url.Values{"stage": {f.stage}, "match": {f.match}, "text": {f.text}, "where": f.where, "rate": {strconv.Itoa(f.rate)}}
	return c.looked("tail", c.tail(c.context(), f.pid, query, f.json))
}

// tail prints records until the router ends, which is an error.
func (c *cli) tail(ctx context.Context, pid int, query url.Values, asJSON bool) error {
	router, err := c.findRouter(ctx, pid)
	if err != nil {
		return err
	}
	return c.tailOf(ctx, router, query, asJSON)
}

// tailOf is tail for a router. One that doesn't answer, or that has stopped sending anything, is an error.
func (c *cli) tailOf(ctx context.Context, router *localRouter, query url.Values, asJSON bool) error {
	if !asJSON {
		var s admin.Status
		if err := router.get(ctx, "status", nil, &s, lookTimeout); err == nil { // without it, records can be shown all the same
			fmt.Fprintf(c.stderr, "(records of %s)\n", router.name(&s))
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unanswered := time.AfterFunc(lookTimeout, func() { cancel(silence(lookTimeout)) })
	body, err := router.open(ctx, "tail", query)
	unanswered.Stop()
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxTailLine)
	silent := time.AfterFunc(tailTimeout, func() { cancel(silence(tailTimeout)) })
	defer silent.Stop()
	for lines.Scan() {
		silent.Stop() // the terminal may take its time
		if err := printTailLine(c.stdout, lines.Bytes(), asJSON); err != nil {
			return err
		}
		silent.Reset(tailTimeout)
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("process %d doesn't answer any longer: %w", router.pid, err)
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return errors.New("the router has ended")
}

// printTailLine prints a line of a live tail. In the form for people, whatever controls a terminal is escaped.
func printTailLine(w io.Writer, line []byte, asJSON bool) error {
	var l admin.TailLine
	if err := json.Unmarshal(line, &l); err != nil {
		return fmt.Errorf("a line of the router can't be read: %w", err)
	}
	var err error
	switch {
	case l.Error != "":
		return errors.New(l.Error)
	case l.Stage == "" && l.Missed == 0 && l.Unexamined == 0: // nothing has happened
	case asJSON:
		_, err = fmt.Fprintf(w, "%s\n", line)
	case l.Stage == "":
		_, err = fmt.Fprintf(w, "(%s)\n", missedText(&l))
	case l.Stage == "refused":
		_, err = fmt.Fprintf(w, "%s refused %s %s: %s %s\n", tailTime(l.Time), printable(l.Part), printable(l.Tag), printable(l.Why()), printable(string(l.Record)))
	default:
		_, err = fmt.Fprintf(w, "%s %s %s %s %s\n", tailTime(l.Time), l.Stage, printable(l.Part), printable(l.Tag), printable(string(l.Record)))
	}
	return err
}

// missedText says what came too fast.
func missedText(l *admin.TailLine) string {
	var parts []string
	if l.Missed > 0 {
		parts = append(parts, admin.Count(l.Missed)+" records are not shown: they came too fast; -match, -where or -text selects some, -rate shows more")
	}
	if l.Unexamined > 0 {
		parts = append(parts, admin.Count(l.Unexamined)+" records were not examined: the filter has more to decode or to show than a viewer may have; narrow it")
	}
	return strings.Join(parts, "; ")
}

func tailTime(t time.Time) string { return t.UTC().Format("15:04:05.000") }
