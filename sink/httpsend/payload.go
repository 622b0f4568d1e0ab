package httpsend

import (
	"errors"
	"io"
	"sync"
)

var errReleased = errors.New("the request's body was released")

// A Payload is a request's body. The transport may still read a body after it has returned (when the server answered early,
// or the request was cancelled), but the bytes then belong to the caller again: Release makes such reads fail.
type Payload struct {
	mu       sync.Mutex
	pieces   [][]byte
	piece    int // the one that is read next
	off      int // in it
	released bool
}

// NewPayload makes a Payload of one piece of data after another. It lends them until Release.
func NewPayload(pieces ...[]byte) *Payload { return &Payload{pieces: pieces} }

// Len is the size of all pieces together, in bytes; 0 after Release.
func (p *Payload) Len() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, piece := range p.pieces {
		n += len(piece)
	}
	return n
}

// rest returns what is left of the current piece; nothing at the end.
func (p *Payload) rest() []byte {
	for ; p.piece < len(p.pieces); p.piece, p.off = p.piece+1, 0 {
		if rest := p.pieces[p.piece][p.off:]; len(rest) > 0 {
			return rest
		}
	}
	return nil
}

func (p *Payload) Read(b []byte) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return 0, errReleased
	}
	for n < len(b) {
		rest := p.rest()
		if len(rest) == 0 {
			break
		}
		k := copy(b[n:], rest)
		p.off += k
		n += k
	}
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// WriteTo implements io.WriterTo, for a hash: it gets the bytes without a copy. w must not block.
func (p *Payload) WriteTo(w io.Writer) (n int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return 0, errReleased
	}
	for rest := p.rest(); len(rest) > 0 && err == nil; rest = p.rest() {
		var k int
		k, err = w.Write(rest)
		p.off += k
		n += int64(k)
	}
	return n, err
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
	p.pieces, p.released = nil, true
	p.mu.Unlock()
}

// Seek implements io.Seeker, for clients that read a body once to sign it.
func (p *Payload) Seek(offset int64, whence int) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, size := int64(p.off), int64(0)
	for i, piece := range p.pieces {
		size += int64(len(piece))
		if i < p.piece {
			at += int64(len(piece))
		}
	}
	switch whence {
	case io.SeekCurrent:
		offset += at
	case io.SeekEnd:
		offset += size
	}
	if offset < 0 || offset > size {
		return at, errors.New("seeking outside of the request's body")
	}
	p.piece, p.off = 0, int(offset)
	for p.piece < len(p.pieces) && p.off > len(p.pieces[p.piece]) {
		p.off -= len(p.pieces[p.piece])
		p.piece++
	}
	return offset, nil
}
