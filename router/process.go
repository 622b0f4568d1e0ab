package router

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/sink/deliver"
)

// A process is what the configurations that run in it, one after the other, have in common.
type process struct {
	begun   time.Time
	current atomic.Pointer[Router] // the one that runs
	gate    gate                   // closed while another one takes over

	holding atomic.Int64  // events that Holders got and that are not in the queues yet
	wake    chan struct{} // to releaseHeld: a Holder holds something

	memory  *memory
	tapped  atomic.Int32 // how many taps are open
	buffers buffers
	turn    deliver.Turn

	orphansMu sync.Mutex
	orphans   []Orphan // queues without an output

	// appending ends when appends must no longer wait for room: at the end of the grace period.
	appending context.Context

	reloads atomic.Int64 // configurations that have taken over
	// reloading is held while one takes over, and while the router starts or stops.
	reloading sync.Mutex
	running   *running      // nil: it starts, has stopped, or is about to
	started   chan struct{} // closed when it runs

	exit chan *ExitError // a filter asks for a stop

	retiredMu sync.Mutex
	retired   retired
}

// retired are parts that the configuration doesn't have any more, and that have something left to do.
type retired struct {
	inputs  []*source // clients are connected to them
	outputs []*output // records are in their queues
}

func newProcess() *process {
	return &process{exit: make(chan *ExitError, 1), begun: time.Now(), started: make(chan struct{}), memory: newMemory(), wake: make(chan struct{}, 1), turn: deliver.NewTurn(), appending: context.Background()}
}

// leftOver returns the retired parts.
func (p *process) leftOver() retired {
	p.retiredMu.Lock()
	defer p.retiredMu.Unlock()
	return retired{append([]*source(nil), p.retired.inputs...), append([]*output(nil), p.retired.outputs...)}
}

// allInputs are those of the configuration, and the retired ones.
func (r *Router) allInputs() []*source {
	return append(append([]*source(nil), r.inputs...), r.leftOver().inputs...)
}

// allOutputs are those of the configuration, and the retired ones.
func (r *Router) allOutputs() []*output {
	return append(append([]*output(nil), r.outputs...), r.leftOver().outputs...)
}

// gateShards is how many counters a gate has: intakes that share one slow each other down.
const gateShards = 16

// A gate keeps intakes from working while another configuration takes over. The zero value is open.
type gate struct {
	inside [gateShards]struct {
		atomic.Int64
		_ [56]byte // a cache line of its own
	}
	next atomic.Uint32                 // shard of the next intake
	shut atomic.Pointer[chan struct{}] // nil: open; closed when it is opened
	left atomic.Pointer[chan struct{}] // gets a value when nobody of a shard is inside a gate that is shut
}

// shard returns the shard of a new intake.
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

// isEmpty reports whether nobody is inside. Who enters a gate that is shut leaves at once.
func (g *gate) isEmpty() bool {
	for i := range g.inside {
		if g.inside[i].Load() != 0 {
			return false
		}
	}
	return true
}

// close shuts the gate, and waits until nobody is inside. If ctx ends first, the gate is open again, and it returns false.
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
