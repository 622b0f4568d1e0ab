package buffer

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A fullLine is a line about a queue that is full, or has room again.
type fullLine struct {
	Message            string
	FullS              float64 `json:"full_s"`
	Delivered, Dropped int64
	Waits, Records     int64
}

func fullLines(t *testing.T, log *logged) (full int, room []fullLine) {
	t.Helper()
	for line := range strings.Lines(log.String()) {
		var l fullLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(l.Message, "the queue has room again"):
			room = append(room, l)
			if strings.Contains(l.Message, "dropped") {
				t.Errorf("%s: an alarm on records that are dropped counts it", l.Message)
			}
		case strings.HasPrefix(l.Message, "the queue is full"):
			full++
		}
	}
	return full, room
}

// TestThatAFullQueueHasRoomAgainIsLoggedOnce: not for each segment that becomes free, but when a quarter of the limit has.
func TestThatAFullQueueHasRoomAgainIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logged)
		q := mustOpen(t, Options{FS: newFolder(), Limit: 10_000, SegmentSize: 500, Log: log.logger()})
		defer q.Close()
		n := fillUp(t, q)
		for range 5 { // a little is delivered, and comes again
			time.Sleep(time.Minute)
			c, _ := next(t, q, 1000, 0)
			q.Commit(c)
			n += fillUp(t, q)
		}
		if full, room := fullLines(t, log); full == 0 || len(room) > 0 {
			t.Fatalf("got %d lines that the queue is full, and %+v, want some, and none that it has room", full, room)
		}
		waits := q.Stats().Waits
		deliver(t, q)
		_, room := fullLines(t, log)
		if len(room) != 1 {
			t.Fatalf("got %+v, want one line", room)
		}
		got := room[0]
		if got.FullS < 300 || got.FullS > 301 || got.Dropped != 0 || got.Waits != waits || !strings.Contains(got.Message, "nothing was lost") {
			t.Errorf("got %+v, want 300 s, nothing dropped and %d waits", got, waits)
		}
		if got.Delivered+got.Records != n {
			t.Errorf("got %d delivered and %d in the queue, want %d in all", got.Delivered, got.Records, n)
		}
		for range 5 {
			fillUp(t, q)
			deliver(t, q)
		}
		full, room := fullLines(t, log)
		if len(room) != 1 {
			t.Errorf("got %+v, want no more lines within a minute", room)
		}
		time.Sleep(time.Minute)
		fillUp(t, q)
		deliver(t, q)
		if again, room := fullLines(t, log); again != full+1 || len(room) != 2 {
			t.Errorf("got %d more lines and %+v, want one line of each a minute later", again-full, room)
		}
	})
}

func TestWhatAFullQueueHasDroppedIsLoggedWhenItHasRoomAgain(t *testing.T) {
	log := new(logged)
	q := mustOpen(t, Options{FS: newFolder(), Limit: 4000, SegmentSize: 500, Full: DropOldest, Log: log.logger()})
	defer q.Close()
	fill(t, q, 0, 500)
	dropped := q.Stats().DroppedNoRoom
	deliver(t, q)
	_, room := fullLines(t, log)
	if len(room) != 1 || room[0].Dropped != dropped || dropped == 0 || room[0].Waits != 0 {
		t.Errorf("got %+v, want one line with %d dropped records", room, dropped)
	}
}

// TestAQueueThatAppendsWaitForHasNoRoomYet: reading goes on when the last one has found room.
func TestAQueueThatAppendsWaitForHasNoRoomYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logged)
		q := mustOpen(t, Options{FS: newFolder(), Limit: 4000, SegmentSize: 500, Log: log.logger()})
		defer q.Close()
		fillUp(t, q)
		ctx, cancel := context.WithCancel(t.Context())
		go q.Append(ctx, make([]byte, 8000), 1, nil) // only an empty queue takes it
		synctest.Wait()
		for q.Stats().Records > 1 {
			c, _ := next(t, q, 100, 0)
			q.Commit(c)
		}
		if _, room := fullLines(t, log); len(room) > 0 {
			t.Errorf("got %+v while an Append waits", room)
		}
		cancel()
		synctest.Wait()
		if _, room := fullLines(t, log); len(room) != 1 {
			t.Errorf("got %+v after the wait, want one line", room)
		}
	})
}

// The queue is over its limit until a reader goes on after another one.
func TestNobodyWaitsForRoomInAQueueThatIsOverfilled(t *testing.T) {
	q := mustOpen(t, Options{Limit: 8 << 10, SegmentSize: 1 << 10})
	defer q.Close()
	done := make(chan error)
	go func() {
		for range 20 {
			if err := q.Append(t.Context(), make([]byte, 1000), 1, nil); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for q.Stats().Waiting == 0 {
		runtime.Gosched()
	}
	q.Overfill()
	if err := <-done; err != nil || q.Stats().Records != 20 {
		t.Errorf("got %v and %d records, want all 20", err, q.Stats().Records)
	}
	q.Rewind()
	ended, end := context.WithCancel(t.Context())
	end()
	if err := q.Append(ended, make([]byte, 1000), 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after Rewind, want that it waits again", err)
	}
}
