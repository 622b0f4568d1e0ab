package buffer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// next calls Next, and says how long it took.
func next(t *testing.T, q *Queue, maxBytes int, linger time.Duration) (*Chunk, time.Duration) {
	t.Helper()
	start := time.Now()
	c, err := q.Next(t.Context(), maxBytes, linger)
	if err != nil {
		t.Fatal(err)
	}
	return c, time.Since(start)
}

func checkTook(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got != want {
		t.Errorf("%s after %v, want %v", what, got, want)
	}
}

func TestNextLingersSinceTheFirstAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{})
		defer q.Close()
		go func() {
			for i := range 5 {
				time.Sleep(300 * time.Millisecond)
				fill(t, q, i, i+1)
			}
		}()
		c, took := next(t, q, 1<<20, time.Second)
		checkTook(t, "the chunk", took, 1300*time.Millisecond)
		if len(c.Batches) != 4 {
			t.Errorf("%d batches, want 4", len(c.Batches))
		}
		if age := time.Since(c.Appended); age != time.Second {
			t.Errorf("the oldest is %v old", age)
		}
		q.Commit(c)
		c, took = next(t, q, 1<<20, time.Second) // the fifth comes after 200 ms
		checkTook(t, "the next chunk", took, 1200*time.Millisecond)
		q.Commit(c)
		synctest.Wait()

		fill(t, q, 5, 6)
		time.Sleep(3 * time.Second)
		c, took = next(t, q, 1<<20, time.Second)
		checkTook(t, "what has waited long enough", took, 0)
		q.Commit(c)
	})
}

func TestNextReturnsWhenThereIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{})
		defer q.Close()
		go func() {
			for i := range 10 {
				time.Sleep(10 * time.Millisecond)
				q.Append(t.Context(), make([]byte, 1000), i+1, nil)
			}
		}()
		c, took := next(t, q, 5000, time.Hour)
		checkTook(t, "the chunk", took, 50*time.Millisecond)
		q.Commit(c)
		time.Sleep(time.Second)
	})
}

func TestNextDoesNotLingerForWhatCannotCome(t *testing.T) {
	t.Run("the segment is full", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := mustOpen(t, Options{SegmentSize: 1000})
			defer q.Close()
			go func() {
				time.Sleep(time.Second)
				fill(t, q, 0, 100)
			}()
			_, took := next(t, q, 1<<20, time.Hour)
			checkTook(t, "the chunk", took, time.Second)
			synctest.Wait()
		})
	})
	t.Run("drained", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := mustOpen(t, Options{})
			defer q.Close()
			fill(t, q, 0, 3)
			time.AfterFunc(time.Second, q.Drain)
			c, took := next(t, q, 1<<20, time.Hour)
			checkTook(t, "the chunk", took, time.Second)
			q.Commit(c)
			if _, err := q.Next(t.Context(), 1, time.Hour); !errors.Is(err, ErrClosed) {
				t.Errorf("empty and drained: %v", err)
			}
		})
	})
	t.Run("an Append waits for room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := mustOpen(t, Options{Limit: 2000, SegmentSize: 2000})
			defer q.Close()
			go func() {
				time.Sleep(time.Second)
				for range 3 {
					q.Append(t.Context(), make([]byte, 700), 1, nil)
				}
			}()
			c, took := next(t, q, 1<<20, time.Hour)
			checkTook(t, "the chunk", took, time.Second)
			if len(c.Batches) != 2 {
				t.Errorf("%d batches", len(c.Batches))
			}
			q.Commit(c) // makes room
			c, _ = next(t, q, 700, 0)
			q.Commit(c)
		})
	})
}

func TestEveryWaitOfNextEnds(t *testing.T) {
	for _, filled := range []bool{false, true} {
		t.Run(fmt.Sprint("filled ", filled), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := mustOpen(t, Options{})
				if filled {
					fill(t, q, 0, 1)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := q.Next(ctx, 1<<20, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("after the context's end: %v", err)
				}
				ends := make(chan error)
				for range 5 { // one waits for batches, the others for their turn
					go func() {
						_, err := q.Next(t.Context(), 1<<20, time.Hour)
						ends <- err
					}()
				}
				synctest.Wait()
				q.Close()
				for range 5 {
					if err := <-ends; !errors.Is(err, ErrClosed) {
						t.Errorf("after Close: %v", err)
					}
				}
			})
		})
	}
}

func TestReaderIsNotWokenForEveryBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			for range 40_000 { // in two seconds
				q.Append(t.Context(), make([]byte, 100), 1, nil)
				time.Sleep(50 * time.Microsecond)
			}
		}()
		chunks := 0
		for {
			c, err := q.Next(ctx, math.MaxInt, 250*time.Millisecond)
			if err != nil {
				break
			}
			chunks++
			q.Commit(c)
		}
		if chunks < 7 || chunks > 10 || q.woken > 2*int64(chunks)+2 {
			t.Errorf("%d chunks, and the reader was woken %d times", chunks, q.woken)
		}
		q.Close()
	})
}

func TestAppendWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logged)
		q := mustOpen(t, Options{Limit: 4 << 10, SegmentSize: 1 << 10, Log: log.logger()})
		const clients = 20
		for i := range clients {
			go func() {
				for j := range 10 {
					q.Append(t.Context(), []byte(batchText(i*10+j)), 1, nil)
				}
			}()
		}
		synctest.Wait()
		s := q.Stats()
		if s.Waiting == 0 || q.size > 4<<10 || s.Records == 0 {
			t.Fatalf("%+v", s)
		}
		time.Sleep(time.Minute)
		if after := q.Stats(); after.Records != s.Records {
			t.Fatal("something was appended to a full queue")
		}
		batches := 0
		for batches < clients*10 {
			c, _ := next(t, q, 500, 0)
			batches += len(c.Batches)
			q.Commit(c)
			synctest.Wait()
			checkBalance(t, q)
			if q.size > 4<<10 {
				t.Fatalf("%d bytes of %d", q.size, 4<<10)
			}
		}
		if s := q.Stats(); s.Waiting != 0 || s.Waits == 0 || s.Records != 0 || s.DroppedRecords != 0 {
			t.Errorf("%+v", s)
		}
		if log.String() == "" {
			t.Error("nothing was said")
		}
		q.Close()
	})
}

func TestWaitingAppendEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{Limit: 1 << 10})
		fill(t, q, 0, 10)
		big := make([]byte, 1<<10)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.Append(ctx, big, 1, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the context's end: %v", err)
		}
		if s := q.Stats(); s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		ends := make(chan error)
		for range 3 {
			go func() { ends <- q.Append(t.Context(), big, 1, nil) }()
		}
		synctest.Wait()
		q.Close()
		for range 3 {
			if err := <-ends; !errors.Is(err, ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
	})
}

func TestBatchLargerThanTheLimitIsTakenByAnEmptyQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{Limit: 1 << 10})
		defer q.Close()
		want := fill(t, q, 0, 10)
		go q.Append(t.Context(), make([]byte, 10<<10), 1, nil)
		synctest.Wait()
		late := make(chan []delivery)
		go func() { late <- fill(t, q, 10, 11) }() // must not overtake it
		synctest.Wait()
		if s := q.Stats(); s.Waiting != 2 {
			t.Fatalf("%+v", s)
		}
		var got []delivery
		for len(got) < len(want) {
			c, _ := next(t, q, 100, 0)
			got = append(got, deliveries(c)...)
			q.Commit(c)
		}
		checkDeliveries(t, got, want)
		synctest.Wait()
		c, _ := next(t, q, 100, 0)
		if len(c.Batches) != 1 || len(c.Batches[0]) != 10<<10 {
			t.Errorf("%d batches", len(c.Batches))
		}
		q.Commit(c)
		c, _ = next(t, q, 100, 0)
		checkDeliveries(t, deliveries(c), <-late)
		q.Commit(c)
	})
}

func TestDrainWaitsForAppendsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{Limit: 1 << 10})
		defer q.Close()
		want := fill(t, q, 0, 10)
		go q.Append(t.Context(), []byte(batchText(10)+string(make([]byte, 2000))), 1, nil)
		synctest.Wait()
		q.Drain()
		c, _ := next(t, q, 1<<20, time.Hour)
		got := len(c.Batches)
		time.AfterFunc(time.Second, func() { q.Commit(c) })
		for got < len(want)+1 {
			c, _ := next(t, q, 1<<20, time.Hour)
			got += len(c.Batches)
			q.Commit(c)
		}
		if _, err := q.Next(t.Context(), 1, 0); !errors.Is(err, ErrClosed) {
			t.Errorf("empty: %v", err)
		}
	})
}
