package budget

import "testing"

// takeAll takes n bytes at a time for as long as there is room.
func takeAll(s *Share, n int) {
	for s.Take(n) {
	}
}

func TestOneShareMayHaveMostOfTheBudget(t *testing.T) {
	b := New(1200)
	s := b.Share(0)
	takeAll(s, 1)
	if s.Held() != 800 {
		t.Errorf("got %d bytes, want 800 of 1200", s.Held())
	}
}

// TestSharesBecomeEqual: whoever comes first has most, until it has returned some.
func TestSharesBecomeEqual(t *testing.T) {
	const floor, total, n = 1000, 1 << 20, 11
	b := New(total + n*floor)
	var shares []*Share
	for range n {
		shares = append(shares, b.Share(floor))
	}
	for range 100 {
		for _, s := range shares {
			takeAll(s, 100)
			s.Add(-s.Held() / 4)
		}
	}
	sum := 0
	for _, s := range shares {
		takeAll(s, 100)
		if want := total / n; s.Held() < want*3/4 || s.Held() > want*5/4 {
			t.Errorf("got %d bytes, want about %d", s.Held(), want)
		}
		sum += s.Held()
	}
	if sum > total+n*floor {
		t.Errorf("got %d bytes in all, want at most the budget", sum)
	}
}

// TestFloorIsAlwaysThere: also when others were forced to take more than there is.
func TestFloorIsAlwaysThere(t *testing.T) {
	b := New(1000)
	greedy, modest := b.Share(100), b.Share(100)
	takeAll(greedy, 1)
	greedy.Add(5000)
	if !modest.Take(100) {
		t.Error("got no room, want the floor")
	}
	if modest.Take(1) {
		t.Error("got more than the floor of a budget that is used up")
	}
	greedy.Set(0)
	modest.Set(0)
	if takeAll(modest, 1); modest.Held() != 100+533 {
		t.Errorf("got %d bytes after all were returned, want the floor and two thirds of the rest", modest.Held())
	}
}

// TestRoomShrinksAsOthersTake: and is back when they have returned it.
func TestRoomShrinksAsOthersTake(t *testing.T) {
	b := New(9000)
	first, second := b.Share(0), b.Share(0)
	before := second.Room()
	first.Take(3000)
	if r := second.Room(); r >= before {
		t.Errorf("got room for %d bytes, want less than %d", r, before)
	}
	first.Add(-3000)
	if r := second.Room(); r != before {
		t.Errorf("got room for %d bytes, want %d again", r, before)
	}
}

func TestCloseReturnsAllThatAShareHas(t *testing.T) {
	b := New(1000)
	s := b.Share(100)
	s.Add(250)
	s.Close()
	s.Close()
	if n := b.Free(); n != 1000 || s.Held() != 0 {
		t.Errorf("got %d bytes free and %d held, want all free", n, s.Held())
	}
}
