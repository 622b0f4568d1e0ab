package buffer

import (
	"testing"
)

// TestCrashAtAnyStepOfAFan crashes before every operation of three queues that are appended to together, and in every write of a
// frame. What was appended to a queue and not committed must be found in it, whole, once, under its id.
func TestCrashAtAnyStepOfAFan(t *testing.T) {
	folders := newLinked(3)
	queues := make([]*Queue, len(folders))
	c := &fanCrash{t: t, folders: folders, appended: make([][]delivery, len(folders)), delivered: make([]int, len(folders))}
	for n, l := range folders {
		disk := &faulty{FS: l}
		queues[n] = mustOpen(t, Options{FS: disk, SegmentSize: 500})
		disk.fault = func(op, _ string, size int) (int, error) {
			if changing(op) || op == "link" {
				c.crash(cloneAll(folders))
			}
			return size, nil
		}
		disk.written = func(name string, p []byte, off int64) {
			if off == 0 && !isSpare(name) {
				return // a new file without a head is set aside
			}
			for cut := 0; cut < len(p); cut += 1 + len(p)/5 {
				left := cloneAll(folders)
				f, err := left[n].Open(name, false)
				if err != nil {
					t.Fatal(err)
				}
				f.WriteAt(p[:cut], off)
				f.Close()
				c.crash(left)
			}
		}
	}
	f := NewFan(queues)
	for i := range 60 {
		if i%20 == 15 { // one queue alone
			c.appending(1, delivery{queues[1].id, queues[1].next, batchRecords(i), batchText(i)})
			if err := queues[1].Append(t.Context(), []byte(batchText(i)), batchRecords(i), nil); err != nil {
				t.Fatal(err)
			}
			c.done[1]++
			continue
		}
		for n, q := range queues {
			c.appending(n, delivery{q.id, q.next, batchRecords(i), batchText(i)})
		}
		took := 0
		f.Append([]byte(batchText(i)), batchRecords(i), func(*Queue) { took++ })
		if took != len(queues) {
			t.Fatalf("got batch %d in %d queues, want all", i, took)
		}
		for n, q := range queues {
			c.done[n]++
			for range i % 20 / (5 + n) {
				if q.Stats().Records == 0 {
					break
				}
				chunk, err := q.Next(t.Context(), 150, 0)
				if err != nil {
					t.Fatal(err)
				}
				c.delivered[n] += len(chunk.Batches)
				q.Commit(chunk)
			}
		}
	}
	for _, q := range queues {
		q.Close()
	}
	t.Log(c.crashes, "crashes")
}

// fanCrash is what is known when a crash comes.
type fanCrash struct {
	t         *testing.T
	folders   []*linked
	appended  [][]delivery // to each queue, the one that is being appended too
	done      [3]int       // how many of these were appended for sure
	delivered []int        // how many were given to Commit
	crashes   int
}

func (c *fanCrash) appending(n int, d delivery) { c.appended[n] = append(c.appended[n], d) }

func (c *fanCrash) crash(left []*linked) {
	c.crashes++
	for n, l := range left {
		q := mustOpen(c.t, Options{FS: l})
		got := deliver(c.t, q)
		if s := q.Stats(); s.Damaged > 0 || s.DroppedRecords > 0 {
			c.t.Fatalf("queue %d, %d appended: %+v", n, c.done[n], s)
		}
		q.Close()
		if names := l.names(); len(names) > 0 {
			c.t.Fatalf("left behind: %v", names)
		}
		if len(got) == 0 && c.delivered[n] >= c.done[n] {
			continue
		}
		first := len(c.appended[n]) - len(got)
		if k := len(got); k > 0 && got[k-1] != c.appended[n][len(c.appended[n])-1] {
			first--
		}
		if first < 0 || first > c.delivered[n] || first+len(got) < c.done[n] {
			c.t.Fatalf("queue %d: %d of %d delivered, found\n%s", n, c.delivered[n], c.done[n], list(got))
		}
		checkDeliveries(c.t, got, c.appended[n][first:first+len(got)])
	}
}
