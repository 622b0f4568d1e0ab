package enrich

import (
	"bytes"
	"testing"

	"github.com/firelane/firelane/record"
)

func TestBodiesStayAsTheyAreUntilTheReset(t *testing.T) {
	for _, size := range []int{0, 1, 100, 10_000, maxScratch, maxScratch + 1} {
		var s Scratch
		for round := range 3 {
			s.Reset()
			var kept [][]byte
			for n := range byte(5) {
				b := append(s.Take(), bytes.Repeat([]byte{n}, size)...)
				kept = append(kept, s.Keep(b[size/2:])) // as where there was room for a header
				_ = append(s.Take(), 0xc1)              // not kept
			}
			for n, b := range kept {
				if !bytes.Equal(b, bytes.Repeat([]byte{byte(n)}, size-size/2)) {
					t.Errorf("%d bytes, round %d: got body %d overwritten, want it as it was", size, round, n)
				}
				if cap(b) != len(b) {
					t.Errorf("got room after body %d, want none, as that is another one's", n)
				}
			}
		}
		if cap(s.buf) > maxScratch {
			t.Errorf("got %d bytes kept, want at most %d", cap(s.buf), maxScratch)
		}
	}
}

func TestMakingSeveralBodiesAllocatesNothing(t *testing.T) {
	var s Scratch
	text := bytes.Repeat([]byte{'x'}, 10_000)
	if n := testing.AllocsPerRun(100, func() {
		s.Reset()
		for range 8 {
			s.Keep(append(s.Take(), text...))
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func TestWhatIsMadeAfterAStepIsDroppedWhenNextReturns(t *testing.T) {
	var out *Out
	make10 := func() { out.Keep(append(out.Take(), "ten bytes."...)) }
	out = NewOut(func(*record.Event, int) { make10() }, func(*record.Event, string, int) { make10() })
	out.Scratch = new(Scratch)
	make10()
	used := out.Mark()
	out.Next(&record.Event{})
	out.Reroute(&record.Event{}, "tag")
	if out.Mark() != used {
		t.Errorf("got %d bytes in use, want %d", out.Mark().used, used.used)
	}
}
