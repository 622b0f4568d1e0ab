package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The soak: one load to ten outputs, of which two are dead, with many attacks and faults at once, in rounds. In the first half of it
// each round begins with a restart; in the second half one process stays, so that what it leaks shows.
const (
	soakRounds  = time.Minute      // a round, or a sixth of a shorter soak
	soakParts   = 6                // rounds in a shorter soak
	soakQuiet   = 4 * time.Second  // without attacks at the start and at the end of a round, to compare what is used
	soakGroup   = 3                // rounds that are compared with as many others
	soakDeadMax = "32M"            // limit of a dead output's queue
	soakLetters = "4G"             // of an output's dead letters: those of earlier processes that are removed for newer ones are counted again
	soakEnd     = 60 * time.Second // for the rest to arrive
)

// A footprint is what a process uses at one moment.
type footprint struct {
	files, goroutines int   // files: descriptors, without those of segments
	segments          int   // open files of queues: they follow the backlogs
	memory            int64 // VmRSS, bytes
}

// footprints are those of equal moments.
type footprints struct {
	starts []footprint // after each restart, before the round's attacks
	ends   []footprint // of the process that stays, after each round's attacks
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
	used := a.rounds(ctx, length)
	res := a.judge()
	problems := slices.Concat(res.problems, grown("after a restart", used.starts), grown("after a round", used.ends))
	if a.err != nil {
		problems = append(problems, a.err.Error())
	}
	fmt.Printf("soak of %v: %d records to each of %d outputs, %d lost, %d duplicated, %.1f MiB, killed %d times\n", length, a.neighbour.sent.Load(),
		1+a.twins, res.lost, res.duplicates, float64(res.peak)/(1<<20), a.deaths)
	for what, all := range map[string][]footprint{"after a restart": used.starts, "after a round of the process that stays": used.ends} {
		if n := len(all); n > 1 {
			fmt.Printf("  %s: first %v; last %v\n", what, all[0], all[n-1])
		}
	}
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
	for _, o := range a.outputs[:1+a.twins] {
		o["dead_letter.limit"] = soakLetters
	}
	for _, o := range a.outputs[1:3] {
		o["storage.total_limit_size"] = soakDeadMax
	}
	return nil
}

// rounds runs the load and the rounds, and returns what the processes used.
func (a *arena) rounds(ctx context.Context, length time.Duration) (used footprints) {
	begin := time.Now()
	a.neighbour.records = 2 * a.attack.load.records
	sent := make(chan error, 1)
	go func() { sent <- a.neighbour.run(ctx) }()
	for round, stays := 0, false; time.Since(begin) < length && ctx.Err() == nil; round++ {
		restart := round > 0 && !stays
		if stays = time.Since(begin) >= length/2; restart {
			a.end()
			a.start(ctx)
		}
		if a.process == nil {
			break // it didn't start: a.err says why
		}
		start := a.quietFootprint(ctx)
		a.hostile(ctx, min(soakRounds, length/soakParts)-2*soakQuiet)
		end := a.quietFootprint(ctx)
		if restart {
			used.starts = append(used.starts, start)
		}
		if stays {
			used.ends = append(used.ends, end)
		}
		fmt.Printf("  %v: %v\n", time.Since(begin).Round(time.Second), end)
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
	return used
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

// quietFootprint ends all attacks but that on the dead outputs, waits for soakQuiet, and returns the least that the process
// uses in the second half of it.
func (a *arena) quietFootprint(ctx context.Context) (least footprint) {
	a.healLive()
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
		least = least.with(here, func(a, b int64) int64 { return min(a, b) })
	}
	return least
}

// healLive makes the destinations work, but for the two dead ones.
func (a *arena) healLive() {
	for i, d := range a.destinations() {
		if i == 1 || i == 2 {
			d.setDown(true)
		} else {
			d.heal()
		}
	}
}

// with joins two footprints, each figure by join.
func (f footprint) with(o footprint, join func(a, b int64) int64) footprint {
	return footprint{
		files: int(join(int64(f.files), int64(o.files))), goroutines: int(join(int64(f.goroutines), int64(o.goroutines))),
		segments: int(join(int64(f.segments), int64(o.segments))), memory: join(f.memory, o.memory),
	}
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
	for _, file := range files {
		if name, err := os.Readlink(filepath.Join(proc, "fd", file.Name())); err == nil && strings.HasPrefix(name, a.dir) && isSegment(name) {
			f.segments++
		} else {
			f.files++
		}
	}
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

// isSegment reports whether a file is a segment of a queue, or a spare for one.
func isSegment(name string) bool {
	return strings.HasSuffix(name, ".seg") || strings.HasSuffix(name, ".spare")
}

// grown reports that more was used in the last rounds than in the first ones: more descriptors, goroutines, or a MiB or more of
// memory. What varies from round to round is no growth, so the least of soakGroup rounds is compared with the most of as many.
func grown(when string, all []footprint) (problems []string) {
	n := min(soakGroup, len(all)/2)
	if n == 0 {
		return []string{"the soak was too short to compare what is used " + when}
	}
	first, last := all[0], all[len(all)-1]
	for i := range n {
		first = first.with(all[i], func(a, b int64) int64 { return max(a, b) })
		last = last.with(all[len(all)-1-i], func(a, b int64) int64 { return min(a, b) })
	}
	if last.files > first.files || last.goroutines > first.goroutines || last.memory >= first.memory+1<<20 {
		problems = append(problems, fmt.Sprintf("more is used %s at the end (%v at least) than at the beginning (%v at most)", when, last, first))
	}
	return problems
}

func (f footprint) String() string {
	return fmt.Sprintf("%d descriptors and %d segments, %d goroutines, %.1f MiB", f.files, f.segments, f.goroutines, float64(f.memory)/(1<<20))
}
