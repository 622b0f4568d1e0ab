package input

import (
	"os"
	"sync"
)

// Sockets are the sockets on which the inputs of one configuration listen, by network and address. When another configuration
// takes over, an input that listens where one of the old configuration does gets that one's socket: clients that are about to
// connect notice nothing. A nil *Sockets hands over nothing.
type Sockets struct {
	mu        sync.Mutex
	own       map[string]owned
	before    map[string]owned // of the configuration before
	inherited []string         // keys in both
}

// A Socket is a net.Listener or a net.PacketConn that can be handed over.
type Socket interface {
	File() (*os.File, error)      // a duplicate
	SetUnlinkOnClose(remove bool) // whether Close removes the socket's file, if it has one
}

type owned struct {
	owner  string // Env.ID
	socket Socket
}

// Next returns the sockets of the configuration that takes over, in which the inputs for which kept is true go on.
func (s *Sockets) Next(kept func(id string) bool) *Sockets {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &Sockets{own: make(map[string]owned), before: s.own}
	for key, o := range s.own {
		if kept(o.owner) {
			next.own[key] = o
		}
	}
	return next
}

// Inherit returns a duplicate of the socket that the old configuration has at key; nil if it has none, or another input has it
// already.
func (s *Sockets) Inherit(key string) *os.File {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.before[key]
	if _, taken := s.own[key]; !ok || taken {
		return nil
	}
	f, err := o.socket.File()
	if err != nil { // it is closed
		return nil
	}
	s.inherited = append(s.inherited, key)
	return f
}

// Add notes that the input with this ID listens on a socket.
func (s *Sockets) Add(key, id string, socket Socket) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own == nil {
		s.own = make(map[string]owned)
	}
	s.own[key] = owned{id, socket}
}

// Spare has the old configuration leave the files of sockets that were handed over, or not any more.
func (s *Sockets) Spare(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.inherited {
		s.before[key].socket.SetUnlinkOnClose(!on)
	}
}

// TakeOver makes the sockets that were handed over those of the new configuration: from now on it removes their files.
func (s *Sockets) TakeOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.inherited {
		s.own[key].socket.SetUnlinkOnClose(true)
	}
	s.before, s.inherited = nil, nil
}
