package router

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/sink/deliver"
)

// A process is the state that outlives a configuration: successive configurations share it.
type process struct {
	begun   time.Time
	current atomic.Pointer[Router] // the running one
	gate    gate                   // closed while another configuration takes over

	passing passing
	holding atomic.Int64  // events that Holders have accepted and that are not in the queues yet
	wake    chan struct{} // wakes releaseHeld: a Holder holds something, or something was left
	lots    atomic.Uint64 // of intakes, so far
	left    left
	refused refusedLots

	memory   *memory
	buffers  buffers
	taps     taps
	refusals refusals
	turn     deliver.Turn

	orphansMu sync.Mutex
	orphans   []Orphan // queues without an output

	// appending ends with the grace period: appends then stop waiting for room.
	appending context.Context

	reloads atomic.Int64 // configurations that have taken over
	// reloading is held while a configuration takes over, and while the router starts or stops.
	reloading sync.Mutex
	running   *running      // nil: the router is starting, is stopping, or has stopped
	started   chan struct{} // closed when the router runs

	exit chan *ExitError // a filter asks the router to stop

	fedByLog outputSet // outputs that events of the router's own log have reached

	retiredMu sync.Mutex
	retired   retired
}

// retired is the parts of earlier configurations that still have work to do.
type retired struct {
	inputs  []*source // with clients connected
	outputs []*output // with records in their queues
}

func newProcess() *process {
	return &process{exit: make(chan *ExitError, 1), begun: time.Now(), started: make(chan struct{}), memory: newMemory(), wake: make(chan struct{}, 1), turn: deliver.NewTurn(), appending: context.Background()}
}

// leftOver returns a copy of the retired parts.
func (p *process) leftOver() retired {
	p.retiredMu.Lock()
	defer p.retiredMu.Unlock()
	return retired{append([]*source(nil), p.retired.inputs...), append([]*output(nil), p.retired.outputs...)}
}

// allInputs returns the inputs of the configuration, and the retired ones.
func (r *Router) allInputs() []*source {
	return append(append([]*source(nil), r.inputs...), r.leftOver().inputs...)
}

// allOutputs returns the outputs of the configuration, and the retired ones.
func (r *Router) allOutputs() []*output {
	return append(append([]*output(nil), r.outputs...), r.leftOver().outputs...)
}

// gateShards is the number of counters of a gate. Intakes that share a counter slow each other down.
const gateShards = 16

// A gate keeps intakes out while another configuration takes over. The zero value is open.
type gate struct {
	inside [gateShards]struct {
		atomic.Int64
		_ [56]byte // a cache line of its own
	}
	next atomic.Uint32                 // shard of the next intake
	shut atomic.Pointer[chan struct{}] // nil while the gate is open; the channel is closed when it opens
	left atomic.Pointer[chan struct{}] // gets a value when the last intake of a shard leaves a shut gate
}

// shard returns the shard for a new intake, in turn.
func (g *gate) shard() int { return int(g.next.Add(1) % gateShards) }

// enter waits until the gate is open. It costs two atomic operations.
func (g *gate) enter(shard int) {
	for {
		g.inside[shard].Add(1)
		shut := g.shut.Load()
		if shut == nil {
			return
		}
		g.leave(shard)
		<-*shut
	}
}

func (g *gate) leave(shard int) {
	if g.inside[shard].Add(-1) == 0 && g.shut.Load() != nil {
		select {
		case *g.left.Load() <- struct{}{}:
		default:
		}
	}
}

// isEmpty reports whether no intake is inside. One that enters a shut gate leaves it at once, and waits outside.
func (g *gate) isEmpty() bool {
	for i := range g.inside {
		if g.inside[i].Load() != 0 {
			return false
		}
	}
	return true
}

// close shuts the gate, and waits until no intake is inside. If ctx ends first, it opens the gate again, and returns false.
func (g *gate) close(ctx context.Context) bool {
	shut, left := make(chan struct{}), make(chan struct{}, 1)
	g.left.Store(&left)
	g.shut.Store(&shut)
	for !g.isEmpty() {
		select {
		case <-left:
		case <-ctx.Done():
			g.open()
			return false
		}
	}
	return true
}

func (g *gate) open() {
	if shut := g.shut.Swap(nil); shut != nil {
		close(*shut)
	}
}
