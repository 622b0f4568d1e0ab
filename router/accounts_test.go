package router

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// While several connections bring records, a step filters some, items are refused and sent again, and others die, the
// accounts add up whenever they are read.
func TestTheAccountsAddUpAtEveryMoment(t *testing.T) {
	t.Parallel()
	var items atomic.Int32
	_, addr := cluster(t, bulktest.Options{Item: func(_, _, _ string, doc []byte) bulktest.ItemFault {
		switch n := items.Add(1); {
		case n%7 == 0 && n < 1000: // only some, so that all pass after few waits
			return bulktest.ItemFault{Status: 429, Type: "rejected_execution_exception", Reason: "busy"}
		case n%11 == 0:
			return bulktest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "no"}
		}
		return bulktest.ItemFault{}
	}})
	tr := start(t, t.TempDir(), forwardInput+"[FILTER]\n    Name grep\n    Match *\n    Exclude log drop\n[OUTPUT]\n    Name es\n    Match *\n"+addr)
	const connections, flushes, each = 4, 50, 20
	var clients sync.WaitGroup
	for range connections {
		clients.Go(func() {
			i := tr.newIntake(tr.inputs[0])
			for range flushes {
				for n := range each {
					i.Add([]byte("app"), record.Time{Sec: 1_700_000_000}, logBody([...]string{"keep", "keep", "drop"}[n%3]))
				}
				if err := i.Flush(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	flushed := make(chan struct{})
	go func() { clients.Wait(); close(flushed) }()
	reads := 0
	for done := false; !done; reads++ {
		a := tr.Status().Outputs[0].Account
		if a.Unaccounted != 0 {
			t.Fatalf("got %+v, want no record unaccounted", a)
		}
		select {
		case <-flushed:
			done = tr.Status().Outputs[0].Account.Buffered == 0
		case <-time.After(100 * time.Microsecond):
		}
	}
	a := tr.Status().Outputs[0].Account
	if sent := int64(connections * flushes * each); a.Received != sent || a.Filtered == 0 || a.Dead == 0 || a.Delivered == 0 {
		t.Errorf("after %d reads: got %+v, want %d received, and some filtered, dead and delivered", reads, a, sent)
	}
}
