package enrich

// Scratch is the memory in which stages make bodies; each connection has one. It is reset for each event from the input: until
// then all bodies that were kept remain valid.
//
// A body is appended to what Take returns and passed to Keep. A body for which the memory is too small gets memory of its
// own, and the next Reset enlarges the memory, so that nothing is allocated in the steady state.
type Scratch struct {
	buf  []byte // memory; its length is what is in use
	used int    // bytes kept since Reset, including those outside buf
	most int    // the maximum of used since Reset
}

// maxScratch is the most memory, in bytes, that a Scratch keeps for the next event.
const maxScratch = 512 << 10

// Reset invalidates all bodies that were made in s.
func (s *Scratch) Reset() {
	if s.most > cap(s.buf) && cap(s.buf) < maxScratch {
		s.buf = make([]byte, 0, min(s.most+s.most/4, maxScratch))
	}
	s.buf, s.used, s.most = s.buf[:0], 0, 0
}

// Take returns an empty buffer to append a body to. Until the next Keep, Take returns the same memory.
func (s *Scratch) Take() []byte { return s.buf[len(s.buf):] }

// Keep keeps b, which grew out of the last Take, until Reset, and returns it.
func (s *Scratch) Keep(b []byte) []byte {
	if start := cap(s.buf) - cap(b); start >= len(s.buf) {
		s.buf = s.buf[:start+len(b)]
	} // else it outgrew buf
	s.used += len(b)
	s.most = max(s.most, s.used)
	return b[:len(b):len(b)]
}

// A Mark is how much of a Scratch is in use.
type Mark struct{ len, used int }

// Mark returns how much of s is in use now, for Rewind.
func (s *Scratch) Mark() Mark { return Mark{len(s.buf), s.used} }

// Rewind invalidates the bodies that were kept since m. A Step that makes many events of one calls it after each.
func (s *Scratch) Rewind(m Mark) { s.buf, s.used = s.buf[:m.len], m.used }
