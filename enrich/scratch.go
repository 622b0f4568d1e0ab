package enrich

// Scratch is the memory in which stages make bodies, one for each connection. It is reset with each event that comes in:
// a body that was kept stays as it is until then, however many are made after it.
//
// A body is appended to what Take returns and handed to Keep. Where the memory is too small the body gets memory of its own,
// and the next Reset makes room for as much as was needed, so that in the steady state nothing is allocated.
type Scratch struct {
	buf  []byte // memory; its length is what is in use
	used int    // bytes kept since Reset, also those outside buf
	most int    // the largest used since Reset
}

// maxScratch is the size in bytes that a Scratch keeps at most for the next event. Larger needs are left to the garbage
// collector.
const maxScratch = 512 << 10

// Reset begins anew: whatever was made in s may be overwritten.
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

// Rewind drops what was kept since m, as a Step does that makes many events of one, after each.
func (s *Scratch) Rewind(m Mark) { s.buf, s.used = s.buf[:m.len], m.used }
