package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
)

// TestOutputsShareABatch: a record is copied once for all outputs that get the same ones.
func TestOutputsShareABatch(t *testing.T) {
	r := opened(t, nullOutputs("*", "*", "*"))
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "one", "two")
	b := i.pending[0].batch
	if b == nil || b != i.pending[1].batch || b != i.pending[2].batch || b.Records() != 2 {
		t.Errorf("got batches of their own, want one for the three outputs")
	}
	flush(t, i)
	for _, o := range r.outputs {
		wantQueued(t, o, "app: one", "app: two")
		wantTally(t, o, tally{received: 2})
	}
}

// TestOutputsPartWhereRecordsDiffer: what they got before stays with both.
func TestOutputsPartWhereRecordsDiffer(t *testing.T) {
	r := opened(t, nullOutputs("*", "a", "*"))
	i := r.newIntake(r.inputs[0])
	i.addLogs("a", "1")
	i.addLogs("b", "2")
	i.addLogs("a", "3")
	flush(t, i)
	i.addLogs("b", "4")
	i.addLogs("a", "5")
	flush(t, i)
	for n, want := range []int64{5, 3, 5} {
		if got := r.outputs[n].queue.Stats().Appended; got != want {
			t.Errorf("output %d: got %d records, want %d", n, got, want)
		}
		wantTally(t, r.outputs[n], tally{received: want})
	}
	wantQueued(t, r.outputs[1], "a: 1", "a: 3", "a: 5")
	wantQueued(t, r.outputs[0], "a: 1", "b: 2", "a: 3", "b: 4", "a: 5")
}

// TestASmallQueueTakesWhatAConnectionSendsAtOnce: nothing is refused because a batch is larger than the queue.
func TestASmallQueueTakesWhatAConnectionSendsAtOnce(t *testing.T) {
	const records = 2000 // of 100 bytes
	r := opened(t, nullOutputs("*"))
	r.outputs[0].queue.Close()
	if err := r.openIn(r.outputs[0], buffer.Options{Limit: 64 << 10, Full: buffer.DropOldest, Log: zerolog.Nop()}, ""); err != nil {
		t.Fatal(err)
	}
	i, body := r.newIntake(r.inputs[0]), logBody(strings.Repeat("x", 90))
	for range records {
		i.Add([]byte("app"), record.Time{}, body)
	}
	flush(t, i)
	if s := r.outputs[0].queue.Stats(); s.Appended != records || s.Records == 0 || s.DroppedNoRoom+s.Records != records {
		t.Errorf("got %d records appended, %d dropped for newer ones and %d queued, want all %d appended, and the latest queued",
			s.Appended, s.DroppedNoRoom, s.Records, records)
	}
	wantTally(t, r.outputs[0], tally{received: records})
}

// TestMadeUpTagsTakeBoundedMemory: 100 connections send 1,000 tags each.
func TestMadeUpTagsTakeBoundedMemory(t *testing.T) {
	r := opened(t, nullOutputs("app*"))
	body := logBody("x")
	for c := range 100 {
		i := r.newIntake(r.inputs[0])
		for n := range 1000 {
			i.Add(fmt.Appendf(nil, "app.%d.%d", c, n), record.Time{Sec: 1}, body)
		}
		if n := i.pending[0].tally.received; n != 1000 {
			t.Fatalf("got %d events, want 1,000", n)
		}
		flush(t, i)
	}
	if n := len(r.routes); n == 0 || n > maxRouteBytes/routeCost || r.routeBytes > maxRouteBytes {
		t.Errorf("got %d routes of %d bytes kept, want %d bytes at most", n, r.routeBytes, maxRouteBytes)
	}
}

// TestManyTagsOfAConnectionCostNoAllocation: those that an aggregator sends, whose routes it finds among those of all.
func TestManyTagsOfAConnectionCostNoAllocation(t *testing.T) {
	r := opened(t, nullOutputs("*"))
	i := r.newIntake(r.inputs[0])
	body := logBody("x")
	var tags [][]byte
	for n := range 10 * recentTags {
		tags = append(tags, fmt.Appendf(nil, "app.%d", n))
	}
	add := func() {
		for _, tag := range tags {
			i.Add(tag, record.Time{Sec: 1}, body)
		}
	}
	add()
	if n := testing.AllocsPerRun(100, func() {
		i.pending[0].batch.Reset()
		add()
	}); n != 0 {
		t.Errorf("got %v allocations for %d tags, want none", n, len(tags))
	}
}

// TestQueuesInMemoryShareTheBudget: ten don't take ten times what one does.
func TestQueuesInMemoryShareTheBudget(t *testing.T) {
	m := newMemory()
	free, sum := m.budget.Free(), int64(0)
	for range 10 {
		_, limit := m.queueLimit(10)
		sum += limit
	}
	if sum > int64(m.total)*6/10 || free-m.budget.Free() != int(sum) {
		t.Errorf("got %d bytes for ten queues of a budget of %d, and %d taken", sum, m.total, free-m.budget.Free())
	}
}
