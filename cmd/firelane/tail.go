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

// texts are the values of an option that may be repeated.
type texts []string

func (t *texts) String() string { return strings.Join(*t, ", ") }

func (t *texts) Set(s string) error {
	*t = append(*t, s)
	return nil
}

// tailCommand shows records of the router that is running in this container, until it is interrupted.
func tailCommand(c *cli, args []string) int {
	flags := flag.NewFlagSet("firelane tail", flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	var where texts
	stage := flags.String("stage", "out,refused", "`stages` at which records are shown: in, as an input got them; out, as an output's queue got them; refused, those in dead letters")
	match := flags.String("match", "", "only records whose tag matches this `pattern`, in which * is any text")
	flags.Var(&where, "where", "only records with `FIELD=VALUE`, or $FIELD['in']['field']=VALUE; may be repeated")
	text := flags.String("text", "", "only records that contain this `text`")
	rate := flags.Int("rate", 20, "at most so many `records` a second")
	asJSON := flags.Bool("json", false, "lines of JSON")
	pid := flags.Int("pid", 0, "the router's `process`, if there are several")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitOK
	} else if err != nil {
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(c.stderr, "firelane tail: unexpected %q\n", flags.Args())
		return exitUsage
	}
	query := url.Values{"stage": {*stage}, "match": {*match}, "text": {*text}, "where": where, "rate": {strconv.Itoa(*rate)}}
	if err := c.tail(context.Background(), *pid, query, *asJSON); err != nil {
		fmt.Fprintln(c.stderr, "firelane tail:", printable(err.Error()))
		return exitFailed
	}
	return exitOK
}

// tail prints records until the router ends, which is an error.
func (c *cli) tail(ctx context.Context, pid int, query url.Values, asJSON bool) error {
	router, err := findRouter(pid)
	if err != nil {
		return err
	}
	body, err := router.open(ctx, "tail", query)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxTailLine)
	for lines.Scan() {
		if err := printTailLine(c.stdout, lines.Bytes(), asJSON); err != nil {
			return err
		}
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
	case l.Stage == "" && l.Missed == 0: // nothing has happened
	case asJSON:
		_, err = fmt.Fprintf(w, "%s\n", line)
	case l.Missed > 0:
		_, err = fmt.Fprintf(w, "(%s records are not shown: they came too fast; -match, -where or -text selects some, -rate shows more)\n", admin.Count(l.Missed))
	case l.Stage == "refused":
		_, err = fmt.Fprintf(w, "%s refused %s %s: %s %s\n", tailTime(l.Time), printable(l.Part), printable(l.Tag), printable(l.Why()), printable(string(l.Record)))
	default:
		_, err = fmt.Fprintf(w, "%s %s %s %s %s\n", tailTime(l.Time), l.Stage, printable(l.Part), printable(l.Tag), printable(string(l.Record)))
	}
	return err
}

func tailTime(t time.Time) string { return t.UTC().Format("15:04:05.000") }
