package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// An attackResult is a printed row.
type attackResult struct {
	lost, duplicates, waiting, dead, dropped int
	peak                                     int64
	problems                                 []string
}

// attackTable runs the rows that the flags select and prints them. It returns an error if a promise was broken.
func (f *flags) attackTable(ctx context.Context, root string, rt router) error {
	sc := fullAttack
	if f.short {
		sc = shortAttack
	}
	fmt.Printf("| attack | lost | duplicated | MiB | CPU | neighbour alone | attacked | kept | killed | took |\n|---|---|---|---|---|---|---|---|---|---|\n")
	broken, rows := 0, 0
	for _, at := range attacks() {
		if f.only != "" && !slices.Contains(strings.Split(f.only, ","), at.name) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rows++
		if !runAttack(ctx, at, sc, rt, filepath.Join(root, at.name)) {
			broken++
		}
	}
	if broken > 0 {
		return fmt.Errorf("firelane broke its promises in %d of %d attacks", broken, rows)
	}
	return nil
}

// runAttack runs a row, prints it, and reports whether firelane kept its promises.
func runAttack(ctx context.Context, at attack, sc attackScale, rt router, dir string) bool {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, attackTime)
	defer cancel()
	a := &arena{attack: at, sc: sc, run: &run{
		scenario: scenario{name: at.name, grace: attackGrace}, router: rt, dir: dir, socket: filepath.Join(dir, "in.sock"),
	}}
	defer a.close()
	var res attackResult
	row := func() {
		if a.fail(a.prepare(ctx)); a.process != nil {
			a.execute(ctx)
			res = a.judge()
		}
	}
	if at.network {
		a.fail(inNetwork(row))
	} else {
		row()
	}
	if a.err != nil {
		res.problems = append(res.problems, a.err.Error())
	}
	kept := 0.0
	if a.alone > 0 {
		kept = a.attacked / a.alone
	}
	fmt.Printf("| %s | %d | %d | %.1f | %.0f %% | %.0f/s | %.0f/s | %.0f %% | %d | %.0f s |\n", at.name, res.lost, res.duplicates,
		float64(res.peak)/(1<<20), 100*a.busy, a.alone, a.attacked, 100*kept, a.deaths, time.Since(begin).Seconds())
	if a.newest > 0 {
		a.remark("a new client signed in after %v", a.newest.Round(time.Millisecond))
	}
	for _, text := range a.remarks {
		fmt.Printf("  %s: %s\n", at.name, text)
	}
	for _, text := range res.problems {
		fmt.Printf("  BROKEN: %s: %s\n", at.name, text)
	}
	return len(res.problems) == 0
}

// judge compares the row with the promises.
func (a *arena) judge() attackResult {
	res := attackResult{peak: a.used.peak}
	must := func(ok bool, format string, args ...any) {
		if !ok {
			res.problems = append(res.problems, fmt.Sprintf(format, args...))
		}
	}
	if !a.promises.noLog {
		a.readAccounts(&res, must)
	}
	for _, d := range a.destinations() {
		_, duplicates, foreign := d.tally()
		res.lost += a.missingAt(d)
		res.duplicates += duplicates
		must(foreign == 0, "%d records came to another output's destination", foreign)
	}
	res.lost -= res.waiting
	if a.promises.drops {
		res.lost -= res.dropped
	}
	if a.poisoned {
		res.lost += a.own*(1+a.twins) - res.dead
	}
	must(a.deaths == 0, "the router ended %d times", a.deaths)
	must(res.lost == 0, "%d records lost", res.lost)
	if repeated := int(a.neighbour.unsure.Load()) * (1 + a.twins); res.duplicates > 0 && repeated > 0 {
		a.remark("%d duplicated, in chunks that the client repeated because a restart lost their acks", res.duplicates)
		must(res.duplicates <= repeated, "%d records duplicated, of which the client repeated %d", res.duplicates, repeated)
	} else {
		must(res.duplicates == 0, "%d records duplicated", res.duplicates)
	}
	must(res.peak <= memoryPromise, "%.1f MiB of memory; want at most %d", float64(res.peak)/(1<<20), memoryPromise>>20)
	must(a.promises.busy == 0 || a.busy <= a.promises.busy, "the router used %.0f %% of a core; want at most %.0f %%", 100*a.busy, 100*a.promises.busy)
	must(a.attacked >= a.sc.share*a.alone, "the neighbour's rate fell from %.0f to %.0f records/s", a.alone, a.attacked)
	return res
}

// readAccounts reads the last lines of the processes' log and checks them.
func (a *arena) readAccounts(res *attackResult, must func(bool, string, ...any)) {
	logs, err := readLogs(filepath.Join(a.dir, "log"))
	must(err == nil, "read the log: %v", err)
	silent := -a.deaths
	for i, l := range logs {
		if len(l.outputs) == 0 {
			silent++
		}
		res.waiting = 0 // what an earlier process left is the next one's
		for n, o := range l.outputs {
			must(o.Unaccounted == 0 && o.sum() == o.Received, "process %d, output %d: the accounts don't add up: %+v", i+1, n+1, o)
			res.waiting += o.Buffered + o.Held
			res.dead += o.Dead
			for _, dropped := range o.Dropped {
				res.dropped += dropped
			}
		}
	}
	must(silent <= 0, "%d processes logged no accounts at their end", silent)
	must(res.dead == 0 || a.promises.poison, "%d dead letters", res.dead)
	must(res.dropped == 0 || a.promises.drops, "%d records dropped", res.dropped)
	if res.waiting > 0 {
		a.remark("%d records wait in the queue", res.waiting)
	}
	if res.dead > 0 {
		a.remark("%d dead letters", res.dead)
	}
	if res.dropped > 0 {
		a.remark("%d records dropped, as configured", res.dropped)
	}
}
