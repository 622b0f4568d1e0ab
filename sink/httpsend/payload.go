package httpsend

import (
	"errors"
	"io"
	"sync"
)

var errReleased = errors.New("the request's body was released")

// payload is a request's body. The transport may still read a body after it has returned (when the server answered early,
// or the request was cancelled), but the bytes then belong to the caller again: release makes such reads fail.
type payload struct {
	mu       sync.Mutex
	data     []byte
	off      int
	released bool
}

func (p *payload) Read(b []byte) (int, error) {
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
func (p *payload) Lend(max int, use func([]byte) int) error {
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

// Close does nothing: the caller calls release.
func (p *payload) Close() error { return nil }

// release waits for a Read in progress; later ones fail.
func (p *payload) release() {
	p.mu.Lock()
	p.data, p.released = nil, true
	p.mu.Unlock()
}
