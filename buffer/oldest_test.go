package buffer

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTheOldestRecordIsThatOfTheFirstBatchThatIsNotCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{})
		defer q.Close()
		begin := time.Now()
		want := func(when string, seconds int) {
			t.Helper()
			got := q.Stats().Oldest
			switch {
			case seconds < 0 && !got.IsZero():
				t.Errorf("%s: got a record that was appended after %v, want none", when, got.Sub(begin))
			case seconds >= 0 && got.Sub(begin) != time.Duration(seconds)*time.Second:
				t.Errorf("%s: got a record that was appended after %v, want %d s", when, got.Sub(begin), seconds)
			}
		}
		next := func() *Chunk {
			c, err := q.Next(t.Context(), 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		fillAfter := func(wait time.Duration) {
			time.Sleep(wait)
			if err := q.Append(t.Context(), []byte("a batch"), 1, nil); err != nil {
				t.Fatal(err)
			}
		}
		want("empty", -1)
		fillAfter(5 * time.Second)
		want("one batch", 5)
		first := next()
		want("one batch, which is taken", 5)
		fillAfter(5 * time.Second)
		want("two batches", 5)
		second := next()
		fillAfter(5 * time.Second)
		q.Commit(second)
		want("the second one is committed", 5)
		q.Commit(first)
		want("the first one, too", 15)
		q.Commit(next())
		want("all are committed", -1)
		fillAfter(time.Hour)
		want("a batch after an idle hour", 15+3600)
	})
}

func TestTheOldestRecordOfAnEarlierProcessIsAsOldAsTheQueueIsOpen(t *testing.T) {
	dir := t.TempDir()
	q := mustOpen(t, Options{Dir: dir, Name: "es.0"})
	fill(t, q, 0, 3)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	q = mustOpen(t, Options{Dir: dir, Name: "es.0"})
	defer q.Close()
	if got := q.Stats().Oldest; got.Before(before) || got.After(time.Now()) {
		t.Errorf("got %v, want the time of the start, %v", got, before)
	}
}
