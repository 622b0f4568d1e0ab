package systemd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input/systemd/journaltest"
)

// An input that has read everything looks at its files once more before WaitIdle returns: what was written a moment ago is in the
// queue then. What is written later is not read any more.
func TestWaitIdleReadsWhatTheJournalHasNowAndNoMore(t *testing.T) {
	dir := t.TempDir()
	w := create(t, filepath.Join(dir, "system.journal"), journaltest.Options{})
	add(t, w, 1, "N=1")
	r := run(t, Options{Path: dir, Tag: "j"}, config.FluentBit)
	r.wait(t, 1)
	waitFor(t, "an idle input", func() bool { in := r.in.(*Input); in.mu.Lock(); defer in.mu.Unlock(); return !in.busy })
	for n := range 100 {
		add(t, w, uint64(n+2), fmt.Sprint("N=", n+2))
	}
	r.idle(t)
	if got := r.wait(t, 0); len(got) != 101 {
		t.Errorf("got %d entries when the input is idle, want 101", len(got))
	}
	add(t, w, 200, "N=late")
	time.Sleep(2 * checkTime)
	r.idle(t)
	if got := r.wait(t, 0); len(got) != 101 {
		t.Errorf("got %d entries, want none that was written after the first WaitIdle", len(got))
	}
}

// An input that has read everything when WaitIdle is called isn't idle before it has looked once more, whatever it was about to say.
func TestAnInputInAHurryIsIdleOnlyAfterALastLook(t *testing.T) {
	in := &Input{idle: make(chan struct{}), busy: true}
	idle := func() bool {
		select {
		case <-in.idle:
			return true
		default:
			return false
		}
	}
	if in.setIdle(true, false); !idle() {
		t.Error("it isn't idle, though nobody waits")
	}
	if in.setIdle(false, false); idle() {
		t.Error("it is idle, though it has read something")
	}
	in.hurry.Store(true)
	if in.setIdle(true, false); idle() {
		t.Error("it is idle before the last look")
	}
	if in.setIdle(true, true); !idle() {
		t.Error("it isn't idle after the last look")
	}
}

// What a filter holds isn't in the queue yet.
func TestWaitIdleWaitsForWhatIsHeld(t *testing.T) {
	dir := t.TempDir()
	w := create(t, filepath.Join(dir, "system.journal"), journaltest.Options{})
	r := run(t, Options{Path: dir, Tag: "j"}, config.FluentBit)
	r.mu.Lock()
	r.hold = true
	r.mu.Unlock()
	add(t, w, 1, "N=1")
	ctx, cancel := context.WithTimeout(t.Context(), 2*checkTime)
	defer cancel()
	if err := r.in.WaitIdle(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want a wait", err)
	}
	r.mu.Lock()
	if r.hold = false; len(r.added) != 1 {
		t.Errorf("got %q, want the entry", r.added)
	}
	r.mu.Unlock()
	r.idle(t)
	if got := r.wait(t, 0); len(got) != 1 {
		t.Errorf("got %q when the input is idle, want the entry", got)
	}
}

// Nobody waits for an input that has been closed.
func TestWaitIdleEndsWithTheInput(t *testing.T) {
	r := run(t, Options{Path: t.TempDir(), Tag: "j"}, config.FluentBit)
	r.mu.Lock()
	r.hold = true
	r.mu.Unlock()
	if err := r.in.Close(); err != nil {
		t.Fatal(err)
	}
	r.idle(t)
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatal("no", what)
		}
	}
}
