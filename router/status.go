package router

import (
	"time"

	"github.com/firelane/firelane/sink/deliver"
)

// Status is where everything is, each output at one moment.
type Status struct {
	Inputs  []InputAccount
	Filters []FilterAccount
	Outputs []OutputStatus
	// Memory is how many bytes buffers take, of MemoryLimit.
	Memory, MemoryLimit int64
}

// OutputStatus is one output at one moment: its account, its delivery and its queue.
type OutputStatus struct {
	Account  Account
	Delivery deliver.Stats // its Queue is the queue
	Trouble  string        // why records don't flow; "" where they do
	Oldest   time.Time     // about when the oldest buffered record was queued, or deferred; zero: nothing is buffered
}

// Status returns a snapshot of everything.
func (r *Router) Status() Status {
	r = r.current.Load()
	s := Status{MemoryLimit: int64(r.memory.total)}
	s.Memory = s.MemoryLimit - int64(r.memory.budget.Free())
	now := time.Now()
	left := r.leftOver()
	for _, in := range r.inputs {
		a := in.account()
		for _, old := range left.inputs {
			if old.accounts == in.accounts { // its clients are still connected
				a.Joining += old.account().Joining
			}
		}
		s.Inputs = append(s.Inputs, a)
	}
	s.Filters = r.filterAccounts()
	for _, o := range r.outputs {
		s.Outputs = append(s.Outputs, o.status(o.id, now))
	}
	for _, o := range left.outputs {
		s.Outputs = append(s.Outputs, o.status(o.name+removedSuffix, now))
	}
	return s
}

// removedSuffix follows the name of a queue in the accounts of an output that the configuration doesn't have any more.
const removedSuffix = " (removed)"

func (in *source) account() InputAccount {
	a := in.accounts.snapshot(in.id)
	if in.joiner != nil {
		a.Joining = int64(in.joiner.Held())
	}
	return a
}

func (o *output) status(id string, now time.Time) (one OutputStatus) {
	o.inspect(func(t tally, d deliver.Stats) {
		one = OutputStatus{Account: o.accountOf(t, d), Delivery: d, Trouble: troubleOf(o.id, &d, now)}
		one.Account.Output = id
		one.Oldest = d.Queue.Oldest
		if at := d.DeferredQueue.Oldest; one.Oldest.IsZero() || !at.IsZero() && at.Before(one.Oldest) {
			one.Oldest = at
		}
	})
	return one
}

// Reloads returns how many configurations have taken over since the start.
func (r *Router) Reloads() int64 { return r.reloads.Load() }

// Accounts is where every record is, at one moment for each output.
func (r *Router) Accounts() (inputs []InputAccount, outputs []Account) {
	s := r.Status()
	for i := range s.Outputs {
		outputs = append(outputs, s.Outputs[i].Account)
	}
	return s.Inputs, outputs
}

// QueueBytes returns the bytes in all queues, those in memory and those on disk.
func (r *Router) QueueBytes() (memory, disk int64) {
	s := r.Status()
	return s.queueBytes()
}

func (s *Status) queueBytes() (memory, disk int64) {
	for i := range s.Outputs {
		o := &s.Outputs[i]
		q := &o.Delivery.Queue
		if n := q.Bytes + o.Delivery.DeferredQueue.Bytes; q.Durable {
			disk += n
		} else {
			memory += n
		}
	}
	return memory, disk
}

// Healthy reports whether records flow to every output, and why not.
func (r *Router) Healthy() (bool, string) {
	for _, o := range r.Status().Outputs {
		if o.Trouble != "" {
			return false, o.Trouble
		}
	}
	return true, ""
}

// Orphans are the queues that the start found without an output.
func (r *Router) Orphans() []Orphan {
	r.orphansMu.Lock()
	defer r.orphansMu.Unlock()
	return append([]Orphan{}, r.orphans...)
}

// AppendMetrics appends what the filters count, in Prometheus's text format.
func (r *Router) AppendMetrics(dst []byte) []byte { return r.current.Load().metrics.AppendText(dst) }
