package forward

import (
	"context"

	"github.com/firelane/firelane/input"
)

// restSize is how many bytes of an unfinished message a connection may hold without a read buffer.
const restSize = 2 << 10

// A rest gives the window of a connection a read buffer when there is something to read, and takes it back while the client
// is silent. In the middle of a message of more than restSize the buffer stays, until others need it.
type rest struct {
	ctx    context.Context // ends the wait for a buffer
	memory *input.Memory
	turn   *input.Turn
	known  bool   // the client has sent whole messages
	small  []byte // restSize bytes; nil before they are needed
	paced  poller // nil if the source can't tell when there is something to read
}

// A poller is a source that tells when there is something to read.
type poller interface {
	poll(b []byte) (int, error)
	await() error
	mayWait() bool // whether await may wait
}

// read reads to the end of w's unused bytes.
func (s *rest) read(w *window) (int, error) {
	if s.paced == nil {
		return s.readBlocking(w)
	}
	for {
		if s.paced.mayWait() {
			s.lie(w)
			if err := s.await(w); err != nil {
				return 0, err
			}
		}
		if err := s.ready(w); err != nil {
			return 0, err
		}
		if n, err := s.paced.poll(w.free()); n > 0 || err != nil {
			return n, err
		}
	}
}

// await waits until there is something to read.
func (s *rest) await(w *window) error {
	if w.w > 0 && s.turn.Held() {
		s.turn.Wait()
		defer s.turn.Resume()
	}
	return s.paced.await()
}

// readBlocking is read for a source that needs a buffer to wait in: the small one, where that is enough.
func (s *rest) readBlocking(w *window) (int, error) {
	if w.w <= restSize/2 {
		s.lie(w)
	}
	if w.base == nil && w.w < len(s.useSmall(w)) {
		return w.src.Read(w.free())
	}
	if err := s.ready(w); err != nil {
		return 0, err
	}
	s.turn.Wait()
	defer s.turn.Resume()
	return w.src.Read(w.free())
}

// useSmall makes the small buffer w's, if w has no other, and returns w's buffer.
func (s *rest) useSmall(w *window) []byte {
	if w.buf == nil {
		if s.small == nil {
			s.small = make([]byte, restSize)
		}
		w.buf = s.small
	}
	return w.buf
}

// ready takes a read buffer if w has none, and makes room in it. A client that has sent no whole message yet gets none while the
// small one is enough.
func (s *rest) ready(w *window) error {
	if w.base == nil && !s.known && w.w < len(s.useSmall(w)) {
		return nil
	}
	if w.base == nil {
		if err := s.turn.Take(s.ctx, readSize, s.known); err != nil {
			return err
		}
		w.base = s.memory.Buffer()
		copy(w.base, w.buf[:w.w])
		w.buf = w.base
	}
	return w.makeRoom()
}

// lie returns the read buffer, if at most restSize bytes in it are unused: these move to the small one.
func (s *rest) lie(w *window) {
	if w.base == nil || w.lent || w.w > restSize {
		return
	}
	w.buf = nil
	if w.w > 0 {
		copy(s.useSmall(w), w.base[:w.w])
	}
	s.giveBack(w)
}

// giveBack returns the read buffer, if there is one.
func (s *rest) giveBack(w *window) {
	if w.base != nil {
		s.memory.ReturnBuffer(w.base)
		w.base = nil
		s.turn.Return()
	}
}
