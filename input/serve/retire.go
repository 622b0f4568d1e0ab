package serve

// Retire implements input.Retirer.
func (s *Stream) Retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = true
	s.ln.Close()
}

// awaitLast waits until the last client of a server that is retired has hung up, or it stops.
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
