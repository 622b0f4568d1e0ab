package input

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/budget"
)

func testLine(limit int) *Line { return newLine(budget.New(budget.Default).Share(0), limit) }

// takeTurn makes a Turn with n bytes; closed tells that they were asked for.
func takeTurn(t *testing.T, l *Line, n int, isKnown bool) (turn *Turn, closed chan struct{}) {
	t.Helper()
	closed = make(chan struct{}, 1)
	turn = l.Turn(func() { closed <- struct{}{} })
	if err := turn.Take(t.Context(), n, isKnown); err != nil {
		t.Fatal(err)
	}
	return turn, closed
}

// TestNewcomersLeaveHalf: those who are known find memory at once, however many newcomers there are.
func TestNewcomersLeaveHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testLine(100)
		var first *Turn
		for range 5 {
			first, _ = takeTurn(t, l, 10, false)
		}
		served := 0
		for range 20 {
			go func() {
				turn := l.Turn(func() {})
				if turn.Take(t.Context(), 10, false) == nil {
					served++
					turn.Return()
				}
			}()
		}
		synctest.Wait()
		if served > 0 || l.Lent() != 50 {
			t.Errorf("got %d bytes lent to newcomers and %d more served, want 50 and none", l.Lent(), served)
		}
		for range 5 {
			takeTurn(t, l, 10, true)
		}
		first.Return()
		if synctest.Wait(); served != 20 {
			t.Errorf("got %d newcomers served after one returned its memory, want all 20", served)
		}
	})
}

// TestWhoWaitsForItsClientGivesWay: after patience, if others wait for memory, and only as many as must.
func TestWhoWaitsForItsClientGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testLine(20)
		slow, slowAsked := takeTurn(t, l, 10, true)
		busy, busyAsked := takeTurn(t, l, 10, true)
		slow.Wait()
		busy.Wait()
		busy.Resume()
		time.Sleep(time.Hour)
		if len(slowAsked) > 0 {
			t.Fatal("got memory asked for while nobody waits for it")
		}
		go func() {
			<-slowAsked
			slow.Return()
		}()
		begun := time.Now()
		takeTurn(t, l, 10, true)
		if took := time.Since(begun); took > patience || len(busyAsked) > 0 {
			t.Errorf("got memory after %v, want it within %v of that which waits", took, patience)
		}
		synctest.Wait()
	})
}

// TestWaitForMemoryEnds: by its limit, and with the server.
func TestWaitForMemoryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testLine(10)
		holder, _ := takeTurn(t, l, 10, true)
		if err := l.Turn(func() {}).Take(t.Context(), 10, true); !errors.Is(err, ErrNoMemory) {
			t.Errorf("got %v, want ErrNoMemory", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := l.Turn(func() {}).Take(ctx, 10, true); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that the context ended", err)
		}
		holder.Return()
		holder.Return() // once is enough
		if takeTurn(t, l, 10, false); l.Lent() != 10 {
			t.Errorf("got %d bytes lent, want 10", l.Lent())
		}
	})
}

// TestUnsentAnswersAreBounded: in all, whoever they are for.
func TestUnsentAnswersAreBounded(t *testing.T) {
	m := NewMemory(budget.New(budget.Default))
	n := 0
	for m.TakeUnsent(32 << 10) {
		n++
	}
	if n != maxUnsent>>15 {
		t.Errorf("got %d answers of 32 KiB, want %d", n, maxUnsent>>15)
	}
	if m.ReturnUnsent(32 << 10); !m.TakeUnsent(32 << 10) {
		t.Error("got no room after one was returned")
	}
}
