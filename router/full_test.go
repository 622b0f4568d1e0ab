package router

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"

	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// fanOut is a configuration with two outputs for the records of app: one to a server that is away, with a queue of 64 KiB,
// and one that works.
func fanOut(whenFull, up string) string {
	dead := away + "    storage.total_limit_size 64k\n    when_full " + whenFull + "\n"
	return shortGrace + esOutput("app*", dead) + esOutput("*", up)
}

// copyOut is the same in Fluentd's dialect.
func copyOut(overflow, up string) string {
	host, port, _ := strings.Cut(strings.TrimPrefix(up, "    Host "), "\n    Port ")
	return `
<system>
  root_dir DIR/queue
  grace 50ms
</system>
<source>
  @type unix
  path SOCKET
</source>
<match **>
  @type copy
  <store>
    @type elasticsearch
    port 1
    <buffer>
      total_limit_size 64k` + overflow + `
    </buffer>
  </store>
  <store>
    @type elasticsearch
    host ` + host + `
    port ` + port + `
    <buffer>
      flush_interval 10ms
    </buffer>
  </store>
</match>
`
}

// startFull starts a router whose queues will be full, and which waits less for them than usual.
func startFull(t *testing.T, conf string) *testRouter {
	t.Helper()
	env := Env{stalledAfter: 200 * time.Millisecond, flushTime: 500 * time.Millisecond, joinTime: 2 * time.Second}
	return startIn(t, t.TempDir(), conf, env)
}

// sendAsync sends records on a connection of their own, which may have to wait.
func (tr *testRouter) sendAsync(tag string, n int) { tr.t.Helper(); tr.sendMixed(n, tag) }

// sendMixed is the same with several tags, in turn.
func (tr *testRouter) sendMixed(n int, tags ...string) {
	tr.t.Helper()
	conn, err := net.Dial("unix", tr.socket)
	if err != nil {
		tr.t.Fatal(err)
	}
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `["%s",%d,{"log":"%d%s"}]`, tags[i%len(tags)], 1_700_000_000, i, strings.Repeat("x", 100))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer conn.Close()
		_, _ = conn.Write([]byte(text.String())) // fails if the router stops first
	}()
	tr.t.Cleanup(func() {
		conn.Close()
		<-done
	})
}

// TestAFullQueueStopsItsNeighboursOnlyIfTheUserWantsIt has 2,000 records, of which the dead output's queue holds some hundreds.
func TestAFullQueueStopsItsNeighboursOnlyIfTheUserWantsIt(t *testing.T) {
	t.Parallel()
	const sent = 2000
	for whenFull, all := range map[string]bool{
		"yield": true, "drop_oldest": true, "block": false,
		"Fluentd's default": true, "\n      overflow_action drop_oldest_chunk": true, "\n      overflow_action block": false,
	} {
		t.Run(strings.TrimSpace(whenFull), func(t *testing.T) {
			t.Parallel()
			server, up := cluster(t, bulktest.Options{})
			conf := fanOut(whenFull, up)
			if whenFull == "Fluentd's default" {
				conf = copyOut("", up)
			} else if strings.Contains(whenFull, "overflow") {
				conf = copyOut(whenFull, up)
			}
			tr := startFull(t, conf)
			tr.sendAsync("app", sent)
			dead := func() Account { return tr.Status().Outputs[0].Account }
			if all {
				eventually(t, "all records at the healthy neighbour", func() bool { return len(server.Documents("*")) == sent })
			} else {
				eventually(t, "the dead output's queue to be full", func() bool { return strings.Contains(tr.log.String(), "reading stops until there is room") })
			}
			tr.wait()
			a := dead()
			if a.Unaccounted != 0 || (a.Dropped[noRoom] > 0) != all {
				t.Errorf("got the account %+v of the dead output, want records dropped for lack of room: %v, and all accounted for", a, all)
			}
			if all && a.Received != sent || !all && len(server.Documents("*")) == sent {
				t.Errorf("got the account %+v of the dead output and %d documents at its neighbour, want all of %d: %v", a, len(server.Documents("*")), sent, all)
			}
		})
	}
}

// TestOutputsThatAreAllFullLoseNothing: there is nobody to give way to.
func TestOutputsThatAreAllFullLoseNothing(t *testing.T) {
	t.Parallel()
	conf := shortGrace
	for _, index := range []string{"x", "y"} {
		conf += esOutput("app*", away+"    storage.total_limit_size 64k\n    when_full yield\n    Index "+index+"\n")
	}
	tr := startFull(t, conf)
	tr.sendAsync("app", 2000)
	eventually(t, "one queue to stand still", func() bool { return tr.outputs[0].queue.Stalled() || tr.outputs[1].queue.Stalled() })
	time.Sleep(2 * time.Second) // longer than a waiting append takes to look again
	for _, o := range tr.Status().Outputs {
		if o.Account.Dropped[noRoom] > 0 {
			t.Errorf("got the account %+v, want nothing dropped", o.Account)
		}
	}
}

// TestAFullQueueStopsNoOtherConnection has two tags, each with a connection and an output of its own.
func TestAFullQueueStopsNoOtherConnection(t *testing.T) {
	t.Parallel()
	server, up := cluster(t, bulktest.Options{})
	tr := startFull(t, shortGrace+
		esOutput("app*", away+"    storage.total_limit_size 64k\n    when_full block\n")+esOutput("web*", up))
	tr.sendAsync("app", 2000)
	eventually(t, "the queue to be full", func() bool { return strings.Contains(tr.log.String(), "reading stops until there is room") })
	tr.sendAsync("web", 500)
	eventually(t, "the records of the other connection", func() bool { return len(server.Documents("*")) == 500 })
	if a := tr.Status().Outputs[0].Account; a.Dropped[noRoom] > 0 {
		t.Errorf("got the account %+v, want nothing dropped", a)
	}
}

// TestAFullQueueGivesWayToAnotherTagOfItsConnection: a connection is one stream, so that one tag waits for the other.
func TestAFullQueueGivesWayToAnotherTagOfItsConnection(t *testing.T) {
	t.Parallel()
	server, up := cluster(t, bulktest.Options{})
	tr := startFull(t, shortGrace+
		esOutput("app*", away+"    storage.total_limit_size 64k\n    when_full yield\n")+esOutput("web*", up))
	tr.sendMixed(4000, "app", "web")
	eventually(t, "all records of the other tag", func() bool { return len(server.Documents("*")) == 2000 })
	if a := tr.Status().Outputs[0].Account; a.Unaccounted != 0 || a.Dropped[noRoom] == 0 {
		t.Errorf("got the account %+v, want the oldest records dropped and all accounted for", a)
	}
}

// TestALineThatIsHeldForAFullQueueHoldsUpNoOther: one goroutine releases what all connections of an input hold.
func TestALineThatIsHeldForAFullQueueHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	server, up := cluster(t, bulktest.Options{})
	tr := startFull(t, shortGrace+
		esOutput("app*", away+"    storage.total_limit_size 64k\n    when_full block\n")+esOutput("web*", up))
	part := map[string]string{"container_id": "c1", "container_name": "/app", "source": "stdout", "log": "begin", "partial_message": "true", "partial_id": "1", "partial_ordinal": "1", "partial_last": "false"}
	post := func(tag string) {
		client, err := fluent.New(fluent.Config{FluentNetwork: "unix", FluentSocketPath: tr.socket, RequestAck: true})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if err := client.Post(tag, part); err != nil || tr.inputs[0].joiner.Held() != 1 {
			t.Fatalf("got %d held lines and the error %v, want 1", tr.inputs[0].joiner.Held(), err)
		}
	}
	post("app")
	tr.sendAsync("app", 2000)
	eventually(t, "the queue to be full", func() bool { return strings.Contains(tr.log.String(), "reading stops until there is room") })
	eventually(t, "the first line to be released", func() bool { return tr.inputs[0].joiner.Held() == 0 })
	post("web")
	eventually(t, "the second line", func() bool { return len(server.Documents("*")) == 1 })
	if a := tr.Status().Outputs[0].Account; a.Unaccounted != 0 || a.Dropped[noRoom] > 0 {
		t.Errorf("got the account %+v, want nothing dropped and all accounted for", a)
	}
}
