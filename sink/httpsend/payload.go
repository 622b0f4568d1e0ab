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
	data     []byte
	off      int
	released bool
}

// NewPayload makes a Payload of data, which it lends until Release.
func NewPayload(data []byte) *Payload { return &Payload{data: data} }

func (p *Payload) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return 0, errReleased
	}
	if p.off == len(p.data) {
		return 0, io.EOF
	}
	n := copy(b, p.data[p.off:])
	p.off += n
	return n, nil
}

// Lend implements dial.Lender: a connection without TLS sends the bytes without copying them.
func (p *Payload) Lend(max int, use func([]byte) int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return errReleased
	}
	rest := p.data[p.off:]
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
	p.data, p.released = nil, true
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
		offset += int64(len(p.data))
	}
	if offset < 0 || offset > int64(len(p.data)) {
		return int64(p.off), errors.New("seeking outside of the request's body")
	}
	p.off = int(offset)
	return offset, nil
}
