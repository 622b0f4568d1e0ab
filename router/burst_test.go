package router

import (
	"testing"
	"testing/synctest"

	"github.com/firelane/firelane/record"
)

// TestAReloadWaitsForAnEventAndNotForABurst: a burst may have hundreds of events, and a step may take long for each.
func TestAReloadWaitsForAnEventAndNotForABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, nullOutputs("*", "app"))
		i := r.newIntake(r.inputs[0])
		i.Begin()
		i.Add([]byte("app"), record.Time{Sec: 1}, logBody("one"))
		closed, added := false, false
		go func() { closed = r.gate.close(t.Context()) }()
		synctest.Wait()
		if closed {
			t.Error("the gate closed while an intake was inside")
		}
		go func() {
			i.Add([]byte("app"), record.Time{Sec: 1}, logBody("two"))
			added = true
		}()
		synctest.Wait()
		if !closed || added {
			t.Errorf("closed is %v and added is %v, want a closed gate before the next event is added", closed, added)
		}
		r.gate.open()
		synctest.Wait()
		if !added {
			t.Error("the next event isn't added when the gate is open again")
		}
		i.End()
		flush(t, i)
	})
}
