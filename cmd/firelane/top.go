package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/firelane/firelane/admin"
)

// topEvery is how often `firelane top` looks: as long as it samples.
const topEvery = 2 * time.Second

// clearScreen is what a terminal clears its screen by.
const clearScreen = "\x1b[H\x1b[2J"

// topFlags are the options of firelane top.
type topFlags struct {
	once bool
	pid  int
}

// register declares the options.
func (f *topFlags) register(flags *flag.FlagSet) {
	flags.BoolVar(&f.once, "once", false, "print the first picture, and end")
	flags.IntVar(&f.pid, "pid", 0, "the router's `PROCESS`, if there are several")
}

// topCommand shows what the router that is running in this container does, until it is interrupted.
func topCommand(c *cli, args []string) int {
	var f topFlags
	flags := newFlags("top")
	f.register(flags)
	words, status, ok := c.parse("top", flags, args)
	if !ok {
		return status
	}
	if len(words) > 0 {
		fmt.Fprintf(c.stderr, "firelane top: unexpected %q\n", words)
		return exitUsage
	}
	return c.looked("top", c.top(c.context(), f.pid, f.once || !isTerminal(c.stdout)))
}

func (c *cli) top(ctx context.Context, pid int, once bool) error {
	router, err := c.findRouter(ctx, pid)
	if err != nil {
		return err
	}
	before, now := new(admin.Status), new(admin.Status)
	if err := router.get(ctx, "status", nil, before, lookTimeout); err != nil {
		return err
	}
	for {
		u := new(admin.Usage) // which takes as long as one picture is shown
		if err := router.get(ctx, "usage", url.Values{"seconds": {fmt.Sprint(int(topEvery.Seconds()))}}, u, topEvery+lookTimeout); err != nil {
			return err
		}
		if err := router.get(ctx, "status", nil, now, lookTimeout); err != nil {
			return err
		}
		picture := topPicture(router, before, now, u)
		if !once {
			picture = clearScreen + picture
		}
		if _, err := io.WriteString(c.stdout, picture); err != nil || once {
			return err
		}
		before, now = now, new(admin.Status)
	}
}

// topPicture is what `firelane top` shows of two looks at a router.
func topPicture(r *localRouter, before, now *admin.Status, u *admin.Usage) string {
	var b strings.Builder
	seconds := max(now.Uptime-before.Uptime, 0.001)
	fmt.Fprintf(&b, "firelane %s, %s, memory %s, CPU %.1f %%\n", now.Version, r.name(now), size(now.Memory), 100*(now.CPU-before.CPU)/seconds)
	fmt.Fprintf(&b, "%s\n\n", printable(now.Verdict.Text))

	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "INPUT\tTYPE\tRECORDS/S\tRECEIVED\tUNROUTED\tREJECTED\n")
	for i := range now.Inputs {
		in := &now.Inputs[i]
		var rejected, earlier int64
		for _, n := range in.Account.Rejected {
			rejected += n
		}
		for j := range before.Inputs {
			if before.Inputs[j].ID == in.ID {
				earlier = before.Inputs[j].Account.Received
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(in.ID), printable(in.Type), rate(in.Account.Received-earlier, seconds),
			admin.Count(in.Account.Received), admin.Count(in.Account.Unrouted), admin.Count(rejected))
	}
	_ = w.Flush()
	if len(now.Steps) > 0 {
		fmt.Fprintf(&b, "\nSTEPS\n")
	}
	for _, s := range now.Steps {
		fmt.Fprintf(w, "%s\tfor %s\n", printable(s.ID), printable(s.Match))
	}
	_ = w.Flush()
	topOutputs(&b, before, now, seconds)
	topUsage(&b, u)
	if len(now.Refused) > 0 {
		fmt.Fprintf(&b, "\nREFUSED FOR GOOD, the newest first\n")
	}
	for i := range min(len(now.Refused), 5) {
		r := &now.Refused[i]
		fmt.Fprintf(&b, "%s %s: %s\n", r.Time.Format("15:04:05"), printable(r.Output), printable(r.Why()))
	}
	return b.String()
}

func topOutputs(b *strings.Builder, before, now *admin.Status, seconds float64) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nOUTPUT\tSTATE\tRECORDS/S\tBYTES/S\tWAITING\tQUEUE\n")
	for i := range now.Outputs {
		o := &now.Outputs[i]
		var earlier admin.OutputStatus
		for j := range before.Outputs {
			if before.Outputs[j].ID == o.ID {
				earlier = before.Outputs[j]
			}
		}
		queue := size(o.Queue.Bytes)
		if o.Queue.Limit > 0 {
			queue += " of " + size(o.Queue.Limit)
		}
		if !o.Queue.Durable {
			queue += ", in memory"
		}
		if o.Queue.Oldest != nil {
			queue += ", oldest " + now.Now.Sub(*o.Queue.Oldest).Round(time.Second).String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(o.ID), o.State, rate(o.Account.Delivered-earlier.Account.Delivered, seconds),
			size(int64(float64(o.SentBytes-earlier.SentBytes)/seconds)), admin.Count(o.Queue.Records), queue)
	}
	_ = w.Flush()
	for i := range now.Outputs {
		o := &now.Outputs[i]
		fmt.Fprintf(b, "\n%s: %s", printable(o.ID), printable(o.Words))
		if o.LastErrorAt != nil {
			fmt.Fprintf(b, "\n  last error, %s: %s", o.LastErrorAt.Format(time.RFC3339), printable(o.LastError))
		}
		fmt.Fprintf(b, "\n  %s\n", account(o))
	}
}

// account says where an output's records are.
func account(o *admin.OutputStatus) string {
	a := &o.Account
	n := admin.Count
	text := fmt.Sprintf("received %s + added %s = delivered %s + filtered %s + merged %s", n(a.Received), n(a.Added), n(a.Delivered), n(a.Filtered), n(a.Merged))
	for _, reason := range slices.Sorted(maps.Keys(a.Dropped)) {
		text += fmt.Sprintf(" + dropped (%s) %s", reason, n(a.Dropped[reason]))
	}
	return text + fmt.Sprintf(" + dead-lettered %s + held %s + waiting %s + unaccounted %s", n(a.Dead), n(a.Held), n(a.Buffered), n(a.Unaccounted))
}

// topUsage shows the largest containers and fields of a sample.
func topUsage(b *strings.Builder, u *admin.Usage) {
	if u.Sampled == 0 {
		return
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(b, "\nWHAT TAKES SPACE, by a sample of %s of %s records\n", admin.Count(u.Sampled), admin.Count(u.Passed))
	for _, list := range [][]admin.Share{u.Containers, u.Fields} {
		for _, s := range list[:min(len(list), 5)] {
			fmt.Fprintf(w, "%.1f %%\t%s a record\t%s\n", 100*float64(s.Bytes)/float64(max(u.Bytes, 1)), size(s.Bytes/max(s.Records, 1)), printable(s.Name))
		}
		fmt.Fprintln(w)
		_ = w.Flush()
	}
}

// rate is n in so many seconds, per second.
func rate(n int64, seconds float64) string { return admin.Count(int64(float64(n)/seconds + 0.5)) }

// size writes a number of bytes: 512 B, 1.5 KiB, 20 MiB.
func size(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if f /= 1 << 10; f < 1<<10 {
			break
		}
	}
	if f < 10 {
		return fmt.Sprintf("%.1f %s", f, unit)
	}
	return fmt.Sprintf("%.0f %s", f, unit)
}
