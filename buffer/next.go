package buffer

import (
	"context"
	"fmt"
	"hash/crc32"
	"math/bits"
	"sync"
	"time"
)

const (
	minChunkMemory = 4 << 10
	// maxChunkMemory is the largest chunk whose memory is kept for the next one.
	maxChunkMemory = 8 << 20
)

// chunkMemory is what a chunk's batches are read into.
type chunkMemory struct {
	buf     []byte
	batches [][]byte
}

// A ChunkPool has the memory of chunks that is not in use, for all queues of a process: a queue that nobody reads keeps none.
// The zero value is empty.
type ChunkPool struct {
	pools [32]sync.Pool // of *chunkMemory, by the logarithm of the size
}

// get returns memory for n bytes: a power of two, or exactly n where that isn't kept.
func (p *ChunkPool) get(n int64) *chunkMemory {
	if n > maxChunkMemory {
		return &chunkMemory{buf: make([]byte, n)}
	}
	class := bits.Len64(uint64(max(n, minChunkMemory) - 1))
	m, ok := p.pools[class].Get().(*chunkMemory)
	if !ok {
		m = &chunkMemory{buf: make([]byte, 1<<class)}
	}
	m.buf = m.buf[:n]
	return m
}

// put takes back what get returned.
func (p *ChunkPool) put(m *chunkMemory) {
	if cap(m.buf) > maxChunkMemory {
		return
	}
	clear(m.batches)
	m.batches = m.batches[:0]
	p.pools[bits.Len(uint(cap(m.buf)-1))].Put(m)
}

// A LargeError is NextUpTo's: the next batch has more bytes than the caller wants to take.
type LargeError struct{ Bytes int64 }

func (e *LargeError) Error() string { return fmt.Sprintf("the next batch has %d bytes", e.Bytes) }

// await waits until there is something that Next may take. The caller holds the reader.
func (q *Queue) await(ctx context.Context, maxBytes int64, linger time.Duration) error {
	q.mu.Lock()
	defer q.unlock()
	for {
		if q.isClosed() {
			return ErrClosed
		}
		var timer *time.Timer
		var late <-chan time.Time
		s := q.reading()
		switch {
		case s == nil && q.draining && len(q.waiters) == 0:
			return ErrClosed
		case s == nil:
			q.want = 1
		case q.ready(maxBytes):
			return nil
		default:
			d := time.Until(s.appended(s.read.off).Add(linger))
			if d <= 0 {
				return nil
			}
			q.want = maxBytes
			timer = time.NewTimer(d)
			late = timer.C
		}
		q.parked = true
		q.unlock()
		var err error
		select {
		case <-q.wake:
		case <-late:
		case <-q.closed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if timer != nil {
			timer.Stop()
		}
		q.mu.Lock()
		q.parked = false
		select { // a wake-up that came too late
		case <-q.wake:
		default:
		}
		if err != nil {
			return err
		}
	}
}

// ready reports whether want bytes can be read, or no more will come soon.
func (q *Queue) ready(want int64) bool {
	s := q.reading()
	return s != nil && (s.sealed || s.end.off-s.read.off >= want || q.draining || len(q.waiters) > 0)
}

// wakeReader lets a waiting call of Next check again.
func (q *Queue) wakeReader() {
	if !q.parked {
		return
	}
	q.parked = false
	q.woken++
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// reading is the segment that has the next batch, or nil.
func (q *Queue) reading() *segment {
	for ; q.current < len(q.segs); q.current++ {
		s := q.segs[q.current]
		if s.read.off < s.end.off {
			return s
		}
		if s == q.active {
			return nil
		}
	}
	return nil
}

// take reads a chunk; nil if there is none where one was expected, and Next has to check again. The caller holds the
// reader.
func (q *Queue) take(maxBytes, most int64) (*Chunk, error) {
	q.mu.Lock()
	s := q.reading()
	if s == nil {
		q.unlock()
		return nil, nil
	}
	if s.file == nil {
		f, err := q.fs.Open(s.name(), false)
		if err != nil {
			q.dropUnopenable(s, err)
			q.unlock()
			return nil, nil
		}
		s.file = f
	}
	// From here to the end of the function the file is open and what is read below end doesn't change.
	s.busy++
	r := run{seg: s, file: s.file, from: s.read, end: s.readEnd(), most: most}
	at := s.appended(s.read.off)
	q.unlock()

	m := q.chunks.get(min(r.end.off-r.from.off, max(maxBytes, frameHeader)))
	m = q.fill(&r, m)

	q.mu.Lock()
	defer q.unlock()
	s.busy--
	if s.gone {
		q.closeFile(s)
		q.chunks.put(m)
		return nil, nil
	}
	if r.damage != "" {
		q.skip(&r)
		q.chunks.put(m)
		return nil, nil
	}
	if r.large > 0 {
		q.chunks.put(m)
		return nil, &LargeError{r.large}
	}
	c := &Chunk{Queue: s.id, First: s.own(r.from.pos), Records: int(r.to.pos - r.from.pos), Batches: m.batches, Appended: at,
		seg: s, from: r.from, to: r.to, mem: m}
	s.took(c)
	return c, nil
}

// A run is what take reads: whole frames from one place to another, or else damage.
type run struct {
	seg      *segment
	file     File
	from, to place
	end      place // of the segment when it was read
	most     int64 // the largest first frame that is read
	large    int64 // the size of the first frame, if that is larger
	damage   string
	err      error
}

// fill reads whole frames into the memory, or a larger one if the first frame needs it.
func (q *Queue) fill(r *run, m *chunkMemory) *chunkMemory {
	for {
		n, err := r.file.ReadAt(m.buf, r.from.off)
		need := r.parse(m, m.buf[:n])
		switch {
		case len(m.batches) > 0 || r.damage != "":
			return m
		case n < len(m.buf) || need <= int64(len(m.buf)):
			r.damage, r.err = "can't be read", err // the file is shorter than it was, or EIO
			r.to = r.end
			return m
		}
		if need > r.most {
			r.large = need
			return m
		}
		q.chunks.put(m)
		m = q.chunks.get(need)
	}
}

// parse finds the whole frames in b. If the first one isn't whole, it returns how many bytes it needs. Damage is only
// reported when no frame comes before it; r.to is then where the next one is.
func (r *run) parse(m *chunkMemory, b []byte) (need int64) {
	r.to = r.from
	for len(b) >= frameHeader {
		h, ok := parseFrame(b, r.seg.seed)
		size := h.size()
		if !ok || h.pos != r.to.pos || size > r.end.off-r.to.off {
			if len(m.batches) == 0 {
				r.damage = "a damaged frame header"
				r.search()
			}
			return 0
		}
		if size > int64(len(b)) {
			return size
		}
		next := place{r.to.off + size, h.pos + uint64(h.records)}
		batch := b[frameHeader:size:size]
		if crc32.Checksum(batch, castagnoli) != h.sum {
			if len(m.batches) == 0 {
				r.damage = "a damaged batch"
				r.to = next
			}
			return 0
		}
		m.batches = append(m.batches, batch)
		r.to = next
		b = b[size:]
	}
	return frameHeader
}

// search sets r.to to the next intact frame after the damage, or to the segment's end.
func (r *run) search() {
	w := newWalker(r.file, r.seg.seed, r.end.off)
	off, h, ok := w.find(r.from.off+1, r.from.pos)
	if !ok {
		r.to = r.end
		return
	}
	r.to = place{off, h.pos}
}
