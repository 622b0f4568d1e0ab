package kafka

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// While one Send is alone, the client gets nothing from others, also from one that has ended and still gives records to it.
func TestNobodyIsAloneWhileTheClientGetsRecordsOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &destination{turns: newTurns()}
		alone := func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return k.turns.enter(ctx, everybody)
		}
		a := new(attempt)
		a.handing.Add(1)
		if !k.turns.enter(t.Context(), 1) {
			t.Fatal("the first isn't in")
		}
		k.leave(a, 1)
		if alone() {
			t.Error("one is alone while the client gets records of another")
		}
		a.handing.Done()
		if !alone() {
			t.Error("nobody is alone after the client has all records")
		}
	})
}

// Places that were taken in vain are given back.
func TestAWaitThatEndsTakesNoPlace(t *testing.T) {
	turns := newTurns()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	turns.enter(t.Context(), 1)
	for range 2 * everybody {
		if turns.enter(ended, everybody) {
			t.Fatal("one is alone beside another")
		}
	}
	turns.leave(1)
	if !turns.enter(t.Context(), everybody) || len(turns.door) != 0 {
		t.Error("the places weren't given back")
	}
}
