package s3

import (
	"errors"
	"io"
	"sync"
)

var errReleased = errors.New("the request's body was released")

// A payload is a request's body of two pieces. The transport may still read a body after it has returned, when the bytes are
// being reused: release makes such reads fail.
type payload struct {
	mu       sync.Mutex
	pieces   [2][]byte
	at       int64
	released bool
}

func newPayload(a, b []byte) *payload { return &payload{pieces: [2][]byte{a, b}} }

func (p *payload) size() int64 { return int64(len(p.pieces[0]) + len(p.pieces[1])) }

func (p *payload) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return 0, errReleased
	}
	at := p.at
	for _, piece := range p.pieces {
		if at < int64(len(piece)) {
			n := copy(b, piece[at:])
			p.at += int64(n)
			return n, nil
		}
		at -= int64(len(piece))
	}
	return 0, io.EOF
}

// Seek implements io.Seeker: the SDK reads a body once to sign it.
func (p *payload) Seek(offset int64, whence int) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += p.at
	case io.SeekEnd:
		offset += p.size()
	}
	if offset < 0 || offset > p.size() {
		return p.at, errors.New("seeking outside of the request's body")
	}
	p.at = offset
	return offset, nil
}

func (p *payload) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pieces, p.released = [2][]byte{}, true
}
