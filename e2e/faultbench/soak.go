package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The soak: one load to ten outputs, of which two are dead, with many attacks and faults at once, and a restart every minute.
const (
	soakRounds  = time.Minute      // from one restart to the next, or a quarter of a shorter soak
	soakQuiet   = 4 * time.Second  // without attacks at the start and at the end of a round, to compare what is used
	soakDeadMax = "32M"            // limit of a dead output's queue
	soakEnd     = 60 * time.Second // for the rest to arrive
)

// How much more a process may use at the end than at the beginning: files of the two dead outputs' queues, requests in
// progress, and memory that the collector hasn't returned. Memory is compared with the end of the first round: a process
// that has just started has used none yet.
const (
	moreFiles      = 24
	moreGoroutines = 16
	moreMemory     = 8 << 20
)

// A footprint is what a process uses at one moment.
type footprint struct {
	files, goroutines int
	memory            int64 // VmRSS, bytes
}

// soak runs the soak and prints its result.
func soak(ctx context.Context, length time.Duration, rt router, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, length+5*time.Minute)
	defer cancel()
	at := attack{
		name: "soak", load: load{rate: 500, conns: 4, size: 250, batch: true, acks: true}, twins: 9,
		setup: soakSetup, promises: attackPromises{poison: true, drops: true},
	}
	a := &arena{attack: at, sc: attackScale{length: length / 2}, poisoned: true, run: &run{
		scenario: scenario{name: at.name, grace: attackGrace}, router: rt, dir: dir, socket: filepath.Join(dir, "in.sock"),
	}}
	defer a.close()
	if a.fail(a.prepare(ctx)); a.err != nil {
		return a.err
	}
	first, last := a.rounds(ctx, length)
	res := a.judge()
	problems := append(res.problems, last.exceeds(first)...)
	if a.err != nil {
		problems = append(problems, a.err.Error())
	}
	fmt.Printf("soak of %v: %d records to each of %d outputs, %d lost, %d duplicated, %.1f MiB, killed %d times\n", length, a.neighbour.sent.Load(),
		1+a.twins, res.lost, res.duplicates, float64(res.peak)/(1<<20), a.deaths)
	fmt.Printf("  at the beginning %v; at the end %v\n", first, last)
	for _, text := range a.remarks {
		fmt.Printf("  %s\n", text)
	}
	for _, text := range problems {
		fmt.Printf("  BROKEN: %s\n", text)
	}
	if len(problems) > 0 {
		return fmt.Errorf("firelane broke %d promises", len(problems))
	}
	return nil
}

// soakSetup adds the inputs that are attacked, and limits the dead outputs' queues.
func soakSetup(a *arena) error {
	for _, f := range []func(*arena) error{secondInput, signedInput, nullOutput, withAdmin} {
		if err := f(a); err != nil {
			return err
		}
	}
	for _, o := range a.outputs[1:3] {
		o["storage.total_limit_size"] = soakDeadMax
	}
	return nil
}

// rounds runs the load and the rounds, and returns what the first process used at its start and the last one at its end.
func (a *arena) rounds(ctx context.Context, length time.Duration) (first, last footprint) {
	end := time.Now().Add(length)
	a.neighbour.records = 2 * a.attack.load.records
	sent := make(chan error, 1)
	go func() { sent <- a.neighbour.run(ctx) }()
	for round := 0; time.Now().Before(end) && ctx.Err() == nil; round++ {
		if round > 0 {
			a.end()
			a.start(ctx)
		}
		if a.process == nil {
			break // it didn't start: a.err says why
		}
		a.heal()
		a.copies[0].setDown(true)
		a.copies[1].setDown(true)
		if here := a.quietFootprint(ctx); round == 0 {
			first = here
		}
		a.hostile(ctx, min(soakRounds, length/4)-2*soakQuiet)
		a.heal()
		a.copies[0].setDown(true)
		a.copies[1].setDown(true)
		if last = a.quietFootprint(ctx); round == 0 {
			first.memory = last.memory
		}
	}
	select {
	case err := <-sent:
		a.fail(err)
	case <-time.After(soakEnd):
		a.fail(fmt.Errorf("the load was not read in time: %d of %d records", a.neighbour.sent.Load(), a.neighbour.records))
	}
	for deadline := time.Now().Add(soakEnd); a.undelivered() && time.Now().Before(deadline) && ctx.Err() == nil; {
		sleep(ctx, 100*time.Millisecond)
	}
	a.end()
	return first, last
}

// undelivered reports whether an output that isn't dead has records to deliver. One of a hundred is a dead letter.
func (a *arena) undelivered() bool {
	for _, d := range append(a.copies[2:len(a.copies):len(a.copies)], a.dest) {
		if a.missingAt(d) > int(a.neighbour.sent.Load())/100+1 {
			return true
		}
	}
	return false
}

// hostile runs many attacks and faults at once, for length.
func (a *arena) hostile(ctx context.Context, length time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	for i, d := range a.destinations() {
		if i != 1 && i != 2 {
			d.setFaults(faults{poison: true, refuse: .05, refuseWith: http.StatusServiceUnavailable, lose: .02})
		}
	}
	refuse := refuseEvery(1000)
	var wg sync.WaitGroup
	for _, attack := range []func(context.Context, *arena){
		refuse, dripLarge, holdZstd, sendPieces, writeSmallNULs,
		func(ctx context.Context, a *arena) { a.dripHandshakes(ctx, 300) },
		func(ctx context.Context, a *arena) { a.holdAdmin(ctx, 200) },
		func(ctx context.Context, a *arena) { a.copies[8].setAnswer(emptyReply); <-ctx.Done() },
	} {
		wg.Go(func() { attack(ctx, a) })
	}
	wg.Wait()
	a.revive(context.Background())
}

// writeSmallNULs sends records of 64 KiB of NUL bytes, whose JSON is six times as long.
func writeSmallNULs(ctx context.Context, a *arena) {
	for ctx.Err() == nil {
		nul := appendNULs(64 << 10)
		conns := a.hold(ctx, 1, "unix", a.socket, nul)
		a.own += len(conns)
		sleep(ctx, time.Second)
		for _, conn := range conns {
			conn.Close()
		}
	}
}

// quietFootprint waits for soakQuiet, and returns the least that the process uses in the second half of it.
func (a *arena) quietFootprint(ctx context.Context) (least footprint) {
	sleep(ctx, soakQuiet/2)
	for range 10 {
		sleep(ctx, soakQuiet/20)
		here, err := a.footprint()
		if err != nil {
			a.fail(fmt.Errorf("reading what the router uses: %w", err))
			return least
		}
		if least.files == 0 {
			least = here
		}
		least = footprint{min(least.files, here.files), min(least.goroutines, here.goroutines), min(least.memory, here.memory)}
	}
	return least
}

// footprint reads what the process uses now.
func (a *arena) footprint() (f footprint, err error) {
	if a.process == nil || !a.process.running() {
		return f, errors.New("the router isn't running")
	}
	proc := filepath.Join("/proc", strconv.Itoa(a.process.cmd.Process.Pid))
	files, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return f, err
	}
	f.files = len(files)
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if _, rest, ok := strings.Cut(string(status), "VmRSS:"); ok && err == nil {
		f.memory, err = strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		f.memory <<= 10
	}
	if err != nil {
		return f, err
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + local(a.admin) + "/metrics")
	if err != nil {
		return f, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	_, rest, _ := strings.Cut(string(text), "\ngo_goroutines ")
	if err == nil {
		f.goroutines, err = strconv.Atoi(strings.TrimSpace(rest))
	}
	return f, err
}

// exceeds returns what f has too much of, compared with first.
func (f footprint) exceeds(first footprint) (problems []string) {
	if f.files > first.files+moreFiles || f.goroutines > first.goroutines+moreGoroutines || f.memory > first.memory+moreMemory {
		problems = append(problems, fmt.Sprintf("more is used at the end (%v) than at the beginning (%v)", f, first))
	}
	return problems
}

func (f footprint) String() string {
	return fmt.Sprintf("%d descriptors, %d goroutines, %.1f MiB", f.files, f.goroutines, float64(f.memory)/(1<<20))
}
