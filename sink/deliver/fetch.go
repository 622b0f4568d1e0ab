package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
)

const (
	// maxHeld is the most memory in bytes that an output's chunks and encoded bodies take together. No chunk is taken from
	// the queue that would exceed it, unless there is no other chunk.
	maxHeld = 12 << 20
	// queueErrorWait is how long to wait after the queue failed to return a chunk.
	queueErrorWait = time.Second
)

type fetchRequest struct {
	ctx      context.Context
	maxBytes int
	linger   time.Duration
}

type fetchResult struct {
	chunk *buffer.Chunk
	err   error
}

// fetchChunks takes chunks from the queue, one for each request.
func (l *loop) fetchChunks() {
	for r := range l.fetch {
		c, err := l.queue.Next(r.ctx, r.maxBytes, r.linger)
		l.fetched <- fetchResult{c, err}
	}
}

// requestChunk requests another chunk from the queue, if there is memory for it.
func (l *loop) requestChunk(ctx context.Context, now time.Time) {
	if l.fetching || l.drained || now.Before(l.notUntil) {
		return
	}
	r := fetchRequest{maxBytes: l.rawPerBody.of(l.maxBytes), linger: l.o.limits.Linger}
	if l.deferred {
		r.maxBytes = min(r.maxBytes, deferredChunk)
	}
	if l.isFull(r.maxBytes) {
		return
	}
	if l.hurried || l.deferred {
		r.linger = sink.Immediately
	}
	r.ctx, l.cancelFetch = context.WithCancel(ctx)
	l.fetching = true
	l.fetch <- r
}

// isFull reports whether there is no memory for another chunk. There is one chunk of deferred records at a time.
func (l *loop) isFull(size int) bool {
	return l.chunks > 0 && (l.deferred || l.memory()+chunkCost(size)+l.maxBytes > maxHeld)
}

// memory returns the bytes that chunks and parts take.
func (l *loop) memory() int {
	n := l.held
	for _, p := range l.inflight {
		n += p.held
	}
	for _, p := range l.waiting {
		n += p.held
	}
	return n
}

// take handles the queue's reply to requestChunk.
func (l *loop) take(f fetchResult) {
	l.fetching = false
	l.cancelFetch()
	switch {
	case f.err == nil:
		c := &inflightChunk{}
		if n := len(l.spareChunks); n > 0 {
			c, l.spareChunks = l.spareChunks[n-1], l.spareChunks[:n-1]
		}
		c.reset(f.chunk, l.o.limits.Linger)
		if l.deferred {
			c.unmark()
		}
		if c.suspects = l.queue.Interrupted(f.chunk.Queue, f.chunk.First, f.chunk.Records); len(c.suspects) > 0 {
			l.careful++
		}
		l.chunks++
		l.held += c.cost
		l.ready = append(l.ready, c)
	case errors.Is(f.err, buffer.ErrClosed):
		l.drained = true
	case errors.Is(f.err, context.Canceled), errors.Is(f.err, context.DeadlineExceeded): // no record arrived in time
	default:
		l.o.log.Error().Err(f.err).Msg("taking records from the queue failed")
		l.notUntil = time.Now().Add(queueErrorWait)
	}
}
