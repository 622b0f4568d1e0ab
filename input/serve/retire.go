package serve

// Retire implements input.Retirer: it closes the listener, and leaves the connections open.
func (s *Stream) Retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = true
	s.ln.Close()
}

// awaitLast waits until the last client of a retired server has disconnected, or the server stops. Otherwise it returns at once.
func (s *Stream) awaitLast() {
	s.mu.Lock()
	retired, idle := s.retired, s.idle
	s.mu.Unlock()
	if !retired {
		return
	}
	select {
	case <-idle:
	case <-s.stopped:
	}
}
