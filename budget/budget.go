// Package budget divides the memory of a process's buffers among those that need some: outputs and inputs. Each has a Share.
// A Share's floor is always there for it. Beyond its floor it may have twice what is free, so that a Share that needs much
// gets most of what the others don't need, and whoever comes later still finds some. Nobody waits here: a Share that gets
// less works in smaller pieces.
package budget

import "sync"

// Default is the size in bytes of a process's Budget: with it a router stays below 50 MiB, whatever it is sent, and however
// many outputs it has.
const Default = 20 << 20

// greed is how many times what stays free a Share may hold beyond its floor: n Shares that take all they can get hold
// 1/(n+1/greed) each.
const greed = 2

// A Budget is a number of bytes. It is safe for concurrent use.
type Budget struct {
	mu   sync.Mutex
	free int // of the total, less the floors and what is held beyond them; below 0 if Add or Set took more
}

// New makes a Budget of total bytes.
func New(total int) *Budget { return &Budget{free: total} }

// A Share is what one part of the process holds of a Budget.
type Share struct {
	b           *Budget
	floor, held int
}

// Share makes a Share that always may hold floor bytes.
func (b *Budget) Share(floor int) *Share {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free -= floor
	return &Share{b: b, floor: floor}
}

// Room returns how many bytes more the Share may hold now.
func (s *Share) Room() int {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	return s.room()
}

func (s *Share) room() int {
	beyond := max(s.held-s.floor, 0)
	return max(s.floor-s.held, 0) + max((greed*s.b.free-beyond)/(greed+1), 0)
}

// Take takes n bytes, or nothing and returns false if there is no room for them.
func (s *Share) Take(n int) bool {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if n > s.room() {
		return false
	}
	s.set(s.held + n)
	return true
}

// Add takes n bytes that can't be done without, or returns -n of those that were taken. The others get less for it.
func (s *Share) Add(n int) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.set(s.held + n)
}

// Set makes the Share hold n bytes, as Add does: without asking whether there is room.
func (s *Share) Set(n int) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.set(n)
}

func (s *Share) set(n int) {
	s.b.free -= max(n-s.floor, 0) - max(s.held-s.floor, 0)
	s.held = n
}

// Close returns all that the Share holds, and its floor. From then on it has no floor.
func (s *Share) Close() {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.set(0)
	s.b.free += s.floor
	s.floor = 0
}

// Free returns how many bytes nobody holds and no floor needs; below 0 if Add or Set took more.
func (b *Budget) Free() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.free
}

// Held returns how many bytes the Share holds.
func (s *Share) Held() int {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	return s.held
}
