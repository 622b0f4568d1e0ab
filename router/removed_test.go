package router

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// The queue of an output is full, and its destination is down. When a reload has removed the output, clients go on at once: what
// they have sent for it is queued beyond the limit.
func TestNobodyWaitsForAnOutputThatIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, addr, up := downCluster(t)
	tr := start(t, dir, forwardInput+esOutput("*", addr+"    storage.total_limit_size 64k\n    when_full block\n"))
	t.Cleanup(func() { up.Store(true) }) // or the stop would wait
	c := tr.dial()
	const n = 2000
	written := c.writeMany("app", n)
	eventually(t, "the queue to be full", func() bool { return tr.current.Load().outputs[0].queue.Stats().Waiting > 0 })
	tr.mustReload(dir, forwardInput+"[OUTPUT]\n    Name null\n    Match *\n")
	<-written
	eventually(t, "all records in one of the outputs", func() bool {
		_, outs := tr.Accounts()
		return len(outs) == 2 && outs[0].Delivered+outs[1].Buffered == n && outs[1].Unaccounted == 0 && len(outs[1].Dropped) == 0
	})
}

// A client is in the middle of a message when a reload removes an output. What was added for it comes after its end: that is counted
// as dropped, and is no reason to take nothing more from the client.
func TestWhatComesAfterTheEndOfARemovedOutputIsNoError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tr := start(t, dir, forwardInput+nullOutputs("*"))
	i := tr.newIntake(tr.inputs[0])
	removed := tr.outputs[0]
	i.Add([]byte("app"), record.Time{}, logBody("text"))
	tr.mustReload(dir, forwardInput+toFile)
	eventually(t, "the end of the removed output", func() bool { return len(tr.allOutputs()) == 1 && len(tr.leftOver().outputs) == 0 })
	if err := i.Flush(context.Background()); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	if a := removed.account(); a.Dropped[notQueued] != 1 || a.Unaccounted != 0 {
		t.Errorf("got %+v, want one record that was not queued", a)
	}
}

// An input ends, because a reload has removed it, while a queue is full: what filters have released to it is lost, but nobody waits
// for that before acknowledging other records.
func TestARemovedInputHoldsBackNoAcks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, addr, up := downCluster(t)
	conf := forwardInput + "[FILTER]\n    Name multiline\n    Match app\n    multiline.key_content log\n    multiline.parser java\n    flush_ms 300\n" +
		esOutput("*", addr+"    storage.total_limit_size 64k\n    when_full block\n")
	tr := start(t, dir, conf+"[INPUT]\n    Name dummy\n    Tag other\n    Samples 1\n")
	t.Cleanup(func() { up.Store(true) })
	ended, end := context.WithCancel(t.Context())
	end()
	fill := tr.newIntake(tr.inputs[0])
	for full := false; !full; {
		fill.Add([]byte("full"), record.Time{}, logBody(strings.Repeat("x", 1000)))
		full = fill.Flush(ended) != nil
	}
	i := tr.newIntake(tr.inputs[1])
	for range 2 {
		i.Add([]byte("app"), record.Time{}, logBody(strings.Repeat("x", 2000)))
	}
	if err := i.Flush(ended); err == nil || errors.Is(err, input.ErrHeld) || tr.holding.Load() == 0 {
		t.Fatalf("got %v and %d events that hold back acks, want that the queue is full", err, tr.holding.Load())
	}
	tr.mustReload(dir, conf)
	up.Store(true)
	eventually(t, "acks to be held back no longer", func() bool { return tr.holding.Load() == 0 })
}
