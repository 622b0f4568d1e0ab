package router

import (
	"sync"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
)

// maxKeptBatch is the capacity in bytes up to which a batch is kept for another read; a larger one is left to the garbage
// collector.
const maxKeptBatch = 256 << 10

// buffers are the memory of intakes. A connection has some from its first event after a Flush to the next Flush. Silent
// connections have none, so memory follows the number of busy connections, not the number of connections or what they once
// sent. (What a connection keeps in between, its Lifter and its calls, is small.)
type buffers struct {
	batches   sync.Pool // of *record.Batch
	scratches sync.Pool // of *enrich.Scratch
}

func (b *buffers) batch() *record.Batch {
	if batch, ok := b.batches.Get().(*record.Batch); ok {
		return batch
	}
	return new(record.Batch)
}

func (b *buffers) returnBatch(batch *record.Batch) {
	if cap(batch.Bytes()) <= maxKeptBatch {
		batch.Reset()
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
