package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
)

// queueErrorWait is how long to wait after the queue failed to return a chunk.
const queueErrorWait = time.Second

type fetchRequest struct {
	ctx      context.Context
	maxBytes int
	most     int // bytes of the first batch
	linger   time.Duration
}

type fetchResult struct {
	chunk *buffer.Chunk
	err   error
}

// fetchChunks takes chunks from the queue, one for each request.
func (l *loop) fetchChunks() {
	for r := range l.fetch {
		c, err := l.queue.NextUpTo(r.ctx, r.maxBytes, r.most, r.linger)
		l.fetched <- fetchResult{c, err}
	}
}

// requestChunk requests another chunk from the queue: of the size that fills a request, or of a smaller one if there is
// less memory.
func (l *loop) requestChunk(ctx context.Context, now time.Time) {
	if l.fetching || l.drained || l.suspended || now.Before(l.notUntil) {
		return
	}
	r := fetchRequest{linger: l.o.limits.Linger}
	if l.nextLarge > 0 {
		r.maxBytes = l.requestLarge(now)
		r.most = r.maxBytes
	} else {
		r.maxBytes = l.reserve(now)
		r.most = largeChunk
	}
	if r.maxBytes == 0 {
		return
	}
	if l.hurried || l.deferred {
		r.linger = sink.Immediately
	}
	r.ctx, l.cancelFetch = context.WithCancel(ctx)
	l.fetching = true
	l.fetch <- r
}

// take handles the queue's reply to requestChunk.
func (l *loop) take(f fetchResult) {
	l.fetching, l.reserved = false, 0
	l.cancelFetch()
	if f.err != nil && l.token {
		l.token = false
		<-l.o.memory.token
	}
	var large *buffer.LargeError
	switch {
	case f.err == nil:
		c := l.o.memory.newChunk()
		c.reset(f.chunk, l.o.limits.Linger)
		l.taken++
		c.number = l.taken
		if l.deferred {
			c.unmark()
		}
		if c.suspects = l.queue.Interrupted(f.chunk.Queue, f.chunk.First, f.chunk.Records); len(c.suspects) > 0 {
			l.careful++
		}
		if l.nextLarge > 0 {
			l.takeLargeChunk(c)
		}
		l.chunks++
		l.held += c.cost
		if l.suspended {
			l.parked = append(l.parked, c)
		} else {
			l.ready = append(l.ready, c)
		}
	case errors.As(f.err, &large):
		l.nextLarge = int(large.Bytes)
	case errors.Is(f.err, buffer.ErrClosed):
		l.drained = true
	case errors.Is(f.err, context.Canceled), errors.Is(f.err, context.DeadlineExceeded): // no record arrived in time
	default:
		l.o.log.Error().Err(f.err).Msg("taking records from the queue failed")
		l.notUntil = time.Now().Add(queueErrorWait)
	}
}
