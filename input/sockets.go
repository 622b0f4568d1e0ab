package input

import (
	"net"
	"sync"

	"github.com/firelane/firelane/config"
)

// EarlyListener is implemented by the options of an input whose socket can be bound before the whole configuration is known:
// clients then wait for the input instead of being refused.
type EarlyListener interface {
	// ListenEarly binds the socket. The constructor takes it from Env.Sockets.
	ListenEarly(d config.Dialect) (Address, net.Listener, error)
}

// Sockets are listening sockets that were bound before their inputs were made. Its methods are safe for concurrent use; those of
// nil are those of none.
type Sockets struct {
	mu  sync.Mutex
	all map[Address]net.Listener
}

// Add adds a socket.
func (s *Sockets) Add(a Address, ln net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[Address]net.Listener)
	}
	if _, taken := s.all[a]; taken { // of two on any free port
		_ = ln.Close()
		return
	}
	s.all[a] = ln
}

// Take returns the socket at an address, and gives it up to the caller; nil if there is none.
func (s *Sockets) Take(a Address) net.Listener {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ln := s.all[a]
	delete(s.all, a)
	return ln
}

// Close closes the sockets that no input has taken.
func (s *Sockets) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ln := range s.all {
		_ = ln.Close()
	}
	s.all = nil
}
