package httpsend

import (
	"errors"
	"io"
	"sync"
)

var errReleased = errors.New("the request's body was released")

// maxParts is the most parts of a Payload.
const maxParts = 3

// A Payload is a request's body. The transport may still read a body after it has returned (when the server answered early,
// or the request was cancelled), but the bytes then belong to the caller again: Release makes such reads fail.
type Payload struct {
	mu       sync.Mutex
	parts    [maxParts][]byte
	off      int // in all parts together
	size     int
	released bool
}

// NewPayload makes a Payload of up to maxParts parts, which it lends until Release. More parts are ignored.
func NewPayload(parts ...[]byte) *Payload {
	p := &Payload{}
	copy(p.parts[:], parts)
	for _, part := range p.parts {
		p.size += len(part)
	}
	return p
}

// Len is the size of all parts together, in bytes.
func (p *Payload) Len() int { return p.size }

// rest returns what is left of the part that is read next; nothing at the end.
func (p *Payload) rest() []byte {
	off := p.off
	for _, part := range p.parts {
		if off < len(part) {
			return part[off:]
		}
		off -= len(part)
	}
	return nil
}

func (p *Payload) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return 0, errReleased
	}
	n := 0
	for n < len(b) && p.off < p.size {
		k := copy(b[n:], p.rest())
		n, p.off = n+k, p.off+k
	}
	if n == 0 && p.off == p.size {
		return 0, io.EOF
	}
	return n, nil
}

// Lend implements dial.Lender: a connection without TLS sends the bytes without copying them.
func (p *Payload) Lend(max int, use func([]byte) int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return errReleased
	}
	rest := p.rest()
	if len(rest) == 0 {
		return io.EOF
	}
	p.off += use(rest[:min(len(rest), max)])
	return nil
}

// Close does nothing: the caller calls Release.
func (p *Payload) Close() error { return nil }

// Release waits for a Read in progress; later ones fail.
func (p *Payload) Release() {
	p.mu.Lock()
	p.parts, p.released = [maxParts][]byte{}, true
	p.mu.Unlock()
}

// Seek implements io.Seeker, for clients that read a body once to sign it.
func (p *Payload) Seek(offset int64, whence int) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += int64(p.off)
	case io.SeekEnd:
		offset += int64(p.size)
	}
	if offset < 0 || offset > int64(p.size) {
		return int64(p.off), errors.New("seeking outside of the request's body")
	}
	p.off = int(offset)
	return offset, nil
}
