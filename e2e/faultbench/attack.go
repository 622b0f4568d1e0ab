package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// An attack is a row of the table of attacks. A neighbour, an application that does nothing wrong, sends its load twice: alone,
// and during the attack. The router is in a cgroup of attackMemory.
type attack struct {
	name, help string
	load       load // the neighbour's, each time
	victim     load // what a second application sends during the attack, to an output of its own; records 0: there is none
	twins      int  // further outputs that get all the neighbour's records, each with its own destination
	promises   attackPromises

	setup   func(a *arena) error                // before the router starts: inputs, options
	between func(ctx context.Context, a *arena) // between the neighbour's two loads
	during  func(ctx context.Context, a *arena) // with the second one, until ctx is cancelled
	after   func(ctx context.Context, a *arena) // when everything has arrived, before the stop
	network bool                                // the row has a network of its own
}

// attackPromises are what differs from row to row. In all rows: the router isn't killed, no record is lost or duplicated,
// the accounts agree, memory stays below memoryPromise, and the neighbour keeps the scale's share of its rate.
type attackPromises struct {
	waits      int           // every waits-th of the neighbour's records may wait until the attack is over; 0: none
	poison     bool          // the attack's own records may be dead letters
	drops      bool          // records of twins may be dropped
	noLog      bool          // nobody reads the log: there are no accounts
	stopWithin time.Duration // of a SIGTERM; 0: attackGrace and its margin
	during     bool          // everything arrives although the attack goes on
	busy       float64       // the largest share of a core that the router may use during the attack; 0: no limit
}

// An attackScale is how long the rows are.
type attackScale struct {
	length   time.Duration // of each of the neighbour's loads
	patience time.Duration // for them to arrive
	share    float64       // of its rate that the neighbour must keep during the attack
}

var (
	fullAttack  = attackScale{length: 4 * time.Second, patience: 8 * time.Second, share: .8}
	shortAttack = attackScale{length: time.Second, patience: 6 * time.Second, share: .5} // in a load of a second, half of that is noise
)

const (
	attackMemory = 64 << 20         // bytes
	attackTime   = 29 * time.Second // of a row, before it is aborted
	attackGrace  = 4 * time.Second  // of the router's stop
	exitMargin   = 4 * time.Second  // beyond attackGrace, before the router is killed
	drainTime    = 6 * time.Second  // for the rest to arrive when the attack is over
	maxDeaths    = 5                // after which a router isn't started again
)

// An arena is one attack on one router.
type arena struct {
	*run
	attack
	sc        attackScale
	neighbour *sender
	second    *sender        // of the victim's load; nil: none
	other     *destination   // of the victim's output; nil: none
	copies    []*destination // of twins
	outputs   []map[string]string
	external  string              // more of the configuration
	text      func(*arena) string // the whole configuration, instead
	file      string              // its name
	service   string              // more of [SERVICE]
	port      int                 // of a further input
	admin     int                 // port of the HTTP server
	pipe      *os.File            // the log, if it is a pipe
	asked     *atomic.Int64       // requests that the proxy got
	cleanUp   []func()
	newest    time.Duration // in which a new client signed in; 0: none tried
	poisoned  bool          // some of the neighbour's records are refused for good
	own       int           // the attack's own records to all outputs, which are refused, too
	deaths    int
	alone     float64 // the neighbour's rate, records/s
	attacked  float64
	busy      float64 // share of a core that the router uses during the attack
}

// close ends what the row has started.
func (a *arena) close() {
	a.neighbour.close()
	if a.second != nil {
		a.second.close()
	}
	if a.process != nil && a.process.running() {
		_, _ = a.process.stop(syscall.SIGKILL)
	}
	for _, f := range a.cleanUp {
		f()
	}
	for _, d := range a.destinations() {
		d.close()
	}
	a.group.remove()
}

// destinations returns all destinations, the neighbour's first.
func (a *arena) destinations() []*destination {
	all := append([]*destination{a.dest}, a.copies...)
	if a.other != nil {
		all = append(all, a.other)
	}
	return all
}

// prepare makes the destinations and starts the router.
func (a *arena) prepare(ctx context.Context) (err error) {
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return err
	}
	a.attack.load.records = int(float64(a.attack.load.rate) * a.sc.length.Seconds())
	total := 2 * a.attack.load.records
	if a.dest, err = newDestination(total, faults{}); err != nil {
		return err
	}
	a.outputs = append(a.outputs, a.optionsOf(a.dest, "app0*"))
	for range a.twins {
		d, err := newDestination(total, faults{})
		if err != nil {
			return err
		}
		a.copies = append(a.copies, d)
		a.outputs = append(a.outputs, a.optionsOf(d, "app0*"))
	}
	a.neighbour = &sender{load: a.attack.load, socket: a.socket}
	a.neighbour.tag = "app0"
	if a.victim.records > 0 {
		a.second = &sender{load: a.victim, socket: a.socket}
		a.second.tag = "app1"
		a.second.records += total
		a.second.next.Store(int64(total))
		if a.other, err = newDestination(total+a.victim.records, faults{}); err != nil {
			return err
		}
		a.other.first = int64(total)
		a.outputs = append(a.outputs, a.optionsOf(a.other, "app1*"))
	}
	if a.group, err = newCgroup(filepath.Base(filepath.Dir(a.dir))+"-"+a.attack.name, attackMemory); err != nil {
		return err
	}
	if a.setup != nil {
		if err := a.setup(a); err != nil {
			return err
		}
	}
	a.configure()
	a.start(ctx)
	return a.err
}

func (a *arena) optionsOf(d *destination, match string) map[string]string {
	options := a.output(d)
	options["Match"] = match
	return options
}

// configure writes the configuration.
func (a *arena) configure() {
	external := fmt.Sprintf("[SERVICE]\n    storage.path %s\n    Grace %d\n", filepath.Join(a.dir, "queue"), int(a.grace.Seconds())) + a.service + a.external
	var err error
	if a.config, err = writeConfig(a.dir, a.socket, a.outputs, nil, external); err == nil && a.text != nil {
		a.config = filepath.Join(a.dir, a.file)
		err = os.WriteFile(a.config, []byte(a.text(a)), 0o644)
	}
	a.fail(err)
}

// execute runs the row.
func (a *arena) execute(ctx context.Context) {
	a.alone = a.sendLoad(ctx, 0)
	if a.between != nil {
		a.between(ctx, a)
	}
	attackCtx, stop := context.WithTimeout(ctx, a.sc.length+a.sc.patience)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if a.during != nil {
			a.during(attackCtx, a)
		}
	}()
	victim := make(chan error, 1)
	go func() { victim <- a.sendVictims(attackCtx) }()
	used, begin := a.used.cpu+a.cpuNow(), time.Now()
	a.attacked = a.sendLoad(attackCtx, a.attack.load.records)
	a.busy = (a.used.cpu + a.cpuNow() - used).Seconds() / time.Since(begin).Seconds()
	select {
	case <-victim:
	case <-time.After(a.sc.length):
	}
	stop()
	<-done
	if !a.promises.during {
		a.heal()
	}
	a.drain(ctx)
	if n := a.missing(); a.promises.during && n > 0 {
		a.fail(fmt.Errorf("%d records did not arrive while the attack went on", n))
	}
	a.heal()
	if a.after != nil {
		a.after(ctx, a)
	}
	a.end()
	if a.missing() > 0 && !a.promises.drops && ctx.Err() == nil {
		a.start(ctx) // what is left is in the queue
		a.drain(ctx)
		a.end()
	}
}

func (a *arena) sendVictims(ctx context.Context) error {
	if a.second == nil || a.between != nil { // between has sent them
		return nil
	}
	return a.second.run(ctx)
}

// sendLoad has the neighbour send its load, beginning with record first, and returns the rate at which it arrives.
func (a *arena) sendLoad(ctx context.Context, first int) float64 {
	ctx, cancel := context.WithTimeout(ctx, a.sc.length+a.sc.patience)
	defer cancel()
	a.neighbour.next.Store(int64(first))
	a.neighbour.records = first + a.attack.load.records
	seen := a.dest.distinct()
	want := seen + a.attack.load.records
	if a.promises.waits > 0 && first > 0 {
		want -= a.attack.load.records / a.promises.waits
	}
	begin := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.neighbour.run(ctx) // an error shows in the rate: what isn't sent doesn't arrive
	}()
	for a.dest.distinct() < want && ctx.Err() == nil {
		a.revive(ctx)
		sleep(ctx, 10*time.Millisecond)
	}
	took := time.Since(begin)
	<-done
	return float64(a.dest.distinct()-seen) / took.Seconds()
}

// revive starts the router again if it has been killed, as ECS and Docker do.
func (a *arena) revive(ctx context.Context) {
	if a.deaths <= maxDeaths && a.died() {
		a.start(ctx)
	}
}

// died reports whether the router has ended by itself, and counts that.
func (a *arena) died() bool {
	if a.process == nil || a.process.running() {
		return false
	}
	a.deaths++
	a.remark("the router ended: %v", a.process.cmd.ProcessState)
	_, _ = a.process.stop(syscall.SIGKILL) // closes its log
	a.account()
	a.process = nil
	return true
}

// heal makes the destinations work.
func (a *arena) heal() {
	for _, d := range a.destinations() {
		d.heal()
	}
}

// drain waits until everything has arrived, or drainTime.
func (a *arena) drain(ctx context.Context) {
	limit := drainTime
	if a.promises.drops {
		limit /= 3 // it never has everything
	}
	for deadline := time.Now().Add(limit); a.missing() > 0 && time.Now().Before(deadline) && ctx.Err() == nil; {
		a.revive(ctx)
		sleep(ctx, 50*time.Millisecond)
	}
}

// missing returns how many records have been sent and not arrived.
func (a *arena) missing() (n int) {
	for _, d := range a.destinations() {
		n += a.missingAt(d)
	}
	return n
}

func (a *arena) missingAt(d *destination) int {
	sent := a.neighbour.sent.Load()
	if d == a.other {
		sent = a.second.sent.Load()
	}
	return max(0, int(sent)-d.distinct())
}

// end stops the router.
func (a *arena) end() {
	if a.died() || a.process == nil {
		return
	}
	a.process.within = cmp.Or(a.promises.stopWithin, a.grace+exitMargin)
	took, err := a.process.stop(syscall.SIGTERM)
	a.fail(err)
	a.used.stop = max(a.used.stop, took)
	if state := a.process.cmd.ProcessState; err == nil && !state.Success() {
		a.fail(fmt.Errorf("the stop ended with %v", state))
	}
	a.account()
}

// account adds what an ended process has used.
func (a *arena) account() {
	a.used.cpu += a.process.cpu()
	a.used.peak = max(a.used.peak, a.process.peak.Load())
}

// cpuNow returns the CPU time of the process so far.
func (a *arena) cpuNow() time.Duration {
	if a.process == nil || !a.process.running() {
		return 0
	}
	used, _ := cpuOf(a.process.cmd.Process.Pid) // 0 if it ends at this moment
	return used
}

// hold opens n connections, writes payload to each, and keeps them open until ctx ends.
func (a *arena) hold(ctx context.Context, n int, network, address string, payload []byte) []net.Conn {
	conns := make([]net.Conn, 0, n)
	for range n {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, address)
		if err != nil {
			break // the server refuses more, as it may
		}
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second)) // it may refuse to read more, too
		_, _ = conn.Write(payload)
		_ = conn.SetWriteDeadline(time.Time{})
		conns = append(conns, conn)
	}
	context.AfterFunc(ctx, func() {
		for _, conn := range conns {
			conn.Close()
		}
	})
	return conns
}
