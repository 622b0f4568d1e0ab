package router

import (
	"testing"

	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// TestABacklogGivesWayOnAFullDiskIfItsOptionsAllowThat has three outputs that are dead, of which one may not drop records, and
// one that works. Their queues are far from full.
func TestABacklogGivesWayOnAFullDiskIfItsOptionsAllowThat(t *testing.T) {
	t.Parallel()
	server, up := cluster(t, bulktest.Options{})
	dead := func(index, options string) string {
		return esOutput("app*", away+"    storage.total_limit_size 2M\n    Index "+index+"\n"+options)
	}
	tr := startFull(t, shortGrace+dead("a", "    when_full yield\n")+dead("b", "    when_full block\n")+dead("c", "    Retry_Limit no_limits\n")+
		esOutput("*", up))
	const sent = 8000
	tr.sendAsync("app", sent)
	working := tr.outputs[3]
	eventually(t, "all records at the output that works", func() bool { return len(server.Documents("*")) == sent })
	gaveWay := 0
	eventually(t, "the backlogs to have given way", func() bool {
		for tr.makeRoomFor(working) {
			gaveWay++
		}
		outs := tr.Status().Outputs
		return outs[0].Account.Dropped[noRoom] > 0 && outs[2].Account.Dropped[noRoom] > 0
	})
	for n, o := range tr.Status().Outputs {
		a := o.Account
		may := n == 0 || n == 2
		if a.Unaccounted != 0 || may != (a.Dropped[noRoom] > 0) || may == (a.Buffered+a.Delivered == sent) {
			t.Errorf("got the account %+v of output %d, want records dropped: %v", a, n, may)
		}
		if may && a.Buffered == 0 {
			t.Errorf("got the account %+v of output %d, want the newest records kept", a, n)
		}
	}
	if gaveWay < 4 {
		t.Errorf("got room made %d times, want several times of both backlogs", gaveWay)
	}
}
