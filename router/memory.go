package router

import (
	"runtime/debug"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/sink/deliver"
	"github.com/firelane/firelane/sink/gather"
)

const (
	// budgetShare is the part of the heap's limit that buffers may take, if that is less than budget.Default: 18 MiB of 33.
	budgetShare = 0.55
	minBudget   = 4 << 20
	// minMemoryQueue is the smallest limit in bytes of a queue in memory for which none is set.
	minMemoryQueue = 1 << 20
)

// memory is what the parts of a router share of its memory.
type memory struct {
	budget  *budget.Budget
	total   int // bytes
	inputs  *input.Memory
	deliver *deliver.Memory
	gather  *gather.Memory
	chunks  buffer.ChunkPool
	joiners enrich.JoinerReserve
}

func newMemory() *memory {
	m := &memory{total: max(min(budget.Default, int(float64(debug.SetMemoryLimit(-1))*budgetShare)), minBudget)}
	m.budget = budget.New(m.total)
	m.inputs = input.NewMemory(m.budget)
	m.deliver = deliver.NewMemory(m.budget)
	m.gather = gather.NewMemory(m.budget)
	return m
}

// queueLimit takes the memory of a queue in memory out of the budget, and returns it and its limit in bytes: half of the budget for
// all of n outputs.
func (m *memory) queueLimit(n int) (*budget.Share, int64) {
	limit := max(m.total/2/n, minMemoryQueue)
	return m.budget.Share(limit), int64(limit)
}
