package input

import (
	"os"
	"sync"
)

// Sockets are the sockets that the inputs of one configuration listen on, by network and address. When another configuration takes
// over, an input that listens on the same address as an old one inherits its socket, so no connection attempt is refused. A nil
// *Sockets hands over nothing. It is safe for concurrent use.
type Sockets struct {
	mu        sync.Mutex
	own       map[string]owned
	before    map[string]owned // of the previous configuration
	inherited []string         // keys of the sockets in before that were handed over
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

// Next returns the Sockets of the configuration that takes over. It has the sockets of the inputs for which kept is true.
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

// Inherit returns a duplicate of the old configuration's socket at key. It returns nil if there is none, if it is closed, or if
// another input of the new configuration has it already.
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

// Add records that the input with this ID listens on socket.
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

// Spare sets whether the old configuration leaves the files of sockets that were handed over in place when it closes them. A reload
// that fails calls it with false.
func (s *Sockets) Spare(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.inherited {
		s.before[key].socket.SetUnlinkOnClose(!on)
	}
}

// TakeOver makes the new configuration the owner of the sockets that were handed over: it removes their files when it closes them.
func (s *Sockets) TakeOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.inherited {
		s.own[key].socket.SetUnlinkOnClose(true)
	}
	s.before, s.inherited = nil, nil
}
