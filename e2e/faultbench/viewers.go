package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/firelane/firelane/internal/freeport"
)

// What viewers cost: one router under a constant load, watched and not watched in turns. What the machine does meanwhile is in both
// halves of a ratio. Several viewers of a kind look at once: what one costs is less than what the slots differ by.

const (
	viewersRate = 10_000           // records a second
	viewersSlot = 10 * time.Second // that is measured
	viewersRest = time.Second      // between two slots: a viewer comes, or goes
	// viewersTries is how often a slot is measured in which too few records are sent, or too many, since those of a pause follow it.
	viewersTries   = 5
	viewersOfAKind = 8 // that look at once
)

// A viewing is one or more viewers of the router.
type viewing struct {
	name, help string
	page       bool     // the status page is open
	tail       []string // queries of live tails
}

var viewings = []viewing{
	{name: "tail", help: "a live tail", tail: []string{"stage=out,refused"}},
	{name: "tail-in", help: "a live tail of what inputs got", tail: []string{"stage=in"}},
	{name: "rare", help: "a live tail of a value that no record has", tail: []string{"where=source%3Dstderr"}},
	{name: "rare-in", help: "the same, of what inputs got", tail: []string{"stage=in&where=source%3Dstderr"}},
	{name: "rare-number", help: "a live tail of a number that no record has", tail: []string{"where=status%3D500"}},
	{name: "fourth", help: "a live tail of one container of four", tail: []string{"where=container_name%3D/ecs-web-7-app-00000000000000000001"}},
	{name: "all", help: "a live tail with a filter that takes all records", tail: []string{"where=source%3Dstdout"}},
	{name: "match", help: "a live tail of tags, which all records have", tail: []string{"match=app*"}},
	{name: "text", help: "a live tail of records with a text that none has", tail: []string{"text=OutOfMemoryError"}},
	{name: "page", help: "the status page", page: true},
	{name: "page-tail", help: "the status page with a live tail and a filter", page: true, tail: []string{"where=source%3Dstdout"}},
}

// viewersTable measures, and prints a row for each kind of viewer.
func (f *flags) viewersTable(ctx context.Context, root string, rt router, rounds int) error {
	rows := slices.DeleteFunc(slices.Clone(viewings), func(v viewing) bool {
		return f.only != "" && !slices.Contains(strings.Split(f.only, ","), v.name)
	})
	slots := 2 * (2*len(rows)*rounds + 2) // as many again that are tried again
	l := load{records: int((viewersSlot+viewersRest).Seconds()+1) * slots * viewersRate, rate: viewersRate, conns: 4, size: 250}
	r := &run{scenario: scenario{name: "viewers", load: l, noFaults: true}, router: rt, dir: filepath.Join(root, "viewers")}
	r.socket = filepath.Join(r.dir, "in.sock")
	defer r.close()
	var err error
	if r.port, err = freeport.Next(); err != nil {
		return err
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var loading sync.WaitGroup
	send := &sender{load: l, socket: r.socket}
	loading.Go(func() { _ = send.run(ctx) })
	w := &viewersMeter{run: r, send: send, watched: map[string][]float64{}, alone: map[string][]float64{}}
	err = w.measure(ctx, rows, rounds)
	cancel()
	loading.Wait()
	send.close()
	_, stopErr := r.process.stop(unix.SIGTERM)
	if err != nil {
		return err
	}
	fmt.Printf("| viewer | CPU µs a record, without | with %d of them | more, for each of them | rounds |\n|---|---|---|---|---|\n", viewersOfAKind)
	for _, v := range rows {
		w.printRow(&v)
	}
	return stopErr
}

// A viewersMeter measures one router.
type viewersMeter struct {
	run            *run
	send           *sender
	watched, alone map[string][]float64 // µs a record, by kind and slot
}

// measure measures each kind in each round, before it and after it without a viewer.
func (w *viewersMeter) measure(ctx context.Context, rows []viewing, rounds int) error {
	if _, err := w.slot(ctx); err != nil { // the start
		return err
	}
	before, err := w.slot(ctx)
	if err != nil {
		return err
	}
	for range rounds {
		for _, v := range rows {
			end := w.begin(ctx, &v)
			watched, err := w.slot(ctx)
			if failed := end(); failed != nil {
				return fmt.Errorf("%s: %w", v.name, failed)
			}
			if err != nil {
				return err
			}
			after, err := w.slot(ctx)
			if err != nil {
				return err
			}
			w.watched[v.name] = append(w.watched[v.name], watched)
			w.alone[v.name] = append(w.alone[v.name], (before+after)/2)
			before = after
		}
	}
	return nil
}

// slot measures the CPU time that the router uses for a record. If the machine was too busy for the load, it tries again.
func (w *viewersMeter) slot(ctx context.Context) (micros float64, err error) {
	for range viewersTries {
		if micros, err = w.try(ctx); err == nil || ctx.Err() != nil {
			break
		}
	}
	return micros, err
}

func (w *viewersMeter) try(ctx context.Context) (micros float64, err error) {
	sleep(ctx, viewersRest)
	sent, before := w.send.sent.Load(), w.cpu()
	sleep(ctx, viewersSlot)
	n := w.send.sent.Load() - sent
	used := w.cpu() - before
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if want := int64(viewersSlot.Seconds() * viewersRate); n < want*9/10 || n > want*11/10 {
		return 0, fmt.Errorf("%d records in %v, want %d: this machine is too busy", n, viewersSlot, want)
	}
	return float64(used.Nanoseconds()) / 1000 / float64(n), nil
}

// cpu returns the CPU time of the running router.
func (w *viewersMeter) cpu() time.Duration {
	const scheduled = 2 // CPUCLOCK_SCHED of a process
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^w.run.process.cmd.Process.Pid<<3|scheduled), &t); err != nil {
		w.run.fail(err)
	}
	return time.Duration(t.Nano())
}

// begin lets viewers come. They have gone when end returns.
func (w *viewersMeter) begin(ctx context.Context, v *viewing) (end func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	watch := func(look func(context.Context) error) {
		wg.Go(func() {
			if err := look(ctx); err != nil && ctx.Err() == nil {
				errs <- err
			}
		})
	}
	for range viewersOfAKind {
		for _, query := range v.tail {
			watch(func(ctx context.Context) error { return w.get(ctx, "tail?"+query) })
		}
		if v.page { // as page.js does
			watch(func(ctx context.Context) error { return w.again(ctx, "status", 2*time.Second) })
			watch(func(ctx context.Context) error { return w.again(ctx, "usage?seconds=2", 8*time.Second) })
		}
	}
	return func() error {
		cancel()
		wg.Wait()
		close(errs)
		return <-errs
	}
}

// again gets a page again and again.
func (w *viewersMeter) again(ctx context.Context, page string, pause time.Duration) error {
	for ctx.Err() == nil {
		if err := w.get(ctx, page); err != nil {
			return err
		}
		sleep(ctx, pause)
	}
	return nil
}

// get reads a page to its end.
func (w *viewersMeter) get(ctx context.Context, page string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/api/firelane/%s", w.run.port, page), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", page, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// printRow prints medians, and what one viewer costs by each round.
func (w *viewersMeter) printRow(v *viewing) {
	with, without := w.watched[v.name], w.alone[v.name]
	var more []float64
	var each []string
	for n := range with {
		more = append(more, 100*(with[n]/without[n]-1)/viewersOfAKind)
		each = append(each, fmt.Sprintf("%+.1f", more[n]))
	}
	fmt.Printf("| %s: %s | %.2f | %.2f | %+.1f %% | %s |\n", v.name, v.help, medianOf(without), medianOf(with), medianOf(more), strings.Join(each, " "))
}

func medianOf(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
