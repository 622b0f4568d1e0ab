package router

import (
	"sync"

	"github.com/firelane/firelane/enrich"
)

// maxKeptBatch is the capacity in bytes up to which a batch is kept for another read; a larger one is left to the garbage
// collector.
const maxKeptBatch = 256 << 10

// buffers are the memory of intakes. A connection has some from its first event after a Flush to the next Flush. Silent
// connections have none, so memory follows the number of busy connections, not the number of connections or what they once
// sent. (What a connection keeps in between, its Lifter and its calls, is small.)
type buffers struct {
	batches   sync.Pool // of *batch
	scratches sync.Pool // of *enrich.Scratch
}

func (b *buffers) batch() *batch {
	if batch, ok := b.batches.Get().(*batch); ok {
		return batch
	}
	return new(batch)
}

// returnBatch takes back a batch, which may be nil, from one of its outputs.
func (b *buffers) returnBatch(batch *batch) {
	if batch == nil {
		return
	}
	if batch.users--; batch.users == 0 && cap(batch.Bytes()) <= maxKeptBatch {
		batch.Reset()
		batch.outputs, batch.others = nil, batch.others[:0]
		b.batches.Put(batch)
	}
}

func (b *buffers) scratch() *enrich.Scratch {
	if s, ok := b.scratches.Get().(*enrich.Scratch); ok {
		return s
	}
	return new(enrich.Scratch)
}

func (b *buffers) returnScratch(s *enrich.Scratch) {
	s.Reset()
	b.scratches.Put(s)
}
