package router

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// A reload removes an output whose destination is down. Another output is new and could take over its queue, but doesn't take the
// tags of its records: the removed one goes on. What its destination refuses then is in the index for dead letters, whether or not
// that index has been down with others waiting for it.
func TestARemovedOutputKeepsTheIndexOfItsDeadLetters(t *testing.T) {
	t.Parallel()
	for _, waiting := range []bool{false, true} {
		var up, full atomic.Bool
		full.Store(waiting)
		server, addr := cluster(t, bulktest.Options{
			Request: func(int, *http.Request) bulktest.Fault {
				if !up.Load() && !full.Load() {
					return bulktest.Fault{Status: 503}
				}
				return bulktest.Fault{}
			},
			Item: func(_, index, _ string, _ []byte) bulktest.ItemFault {
				switch {
				case index != "dead":
					return bulktest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "no such field"}
				case full.Load():
					return bulktest.ItemFault{Status: 429, Type: "es_rejected_execution_exception", Reason: "full"}
				}
				return bulktest.ItemFault{}
			},
		})
		dir := t.TempDir()
		const options = "    Dead_Letter index\n    Dead_Letter.Index dead\n"
		tr := start(t, dir, forwardInput+esOutput("a*", addr+options))
		want := 1
		if tr.send("a1", "refused"); waiting {
			eventually(t, "a dead letter that waits", func() bool { return tr.Status().Outputs[1].Account.Buffered == 1 })
			full.Store(false)
			want = 2
			tr.send("a1", "also refused")
		}
		eventually(t, "records that wait", func() bool { return tr.Status().Outputs[0].Account.Buffered == 1 })
		tr.mustReload(dir, forwardInput+esOutput("b*", away+options))
		up.Store(true)
		eventually(t, "the dead letters in their index", func() bool { return len(server.Documents("dead")) == want })
		eventually(t, "the end of the removed outputs", func() bool {
			_, outs := tr.Accounts()
			return !slices.ContainsFunc(outs, func(a Account) bool { return strings.Contains(a.Output, removedSuffix) })
		})
	}
}

// refusing is a cluster that is down until up is set, and then refuses for good what isn't for the index dead.
func refusing(t *testing.T) (server *bulktest.Server, addr string, up *atomic.Bool) {
	up = new(atomic.Bool)
	server, addr = cluster(t, bulktest.Options{
		Request: func(int, *http.Request) bulktest.Fault {
			if !up.Load() {
				return bulktest.Fault{Status: 503}
			}
			return bulktest.Fault{}
		},
		Item: func(_, index, _ string, _ []byte) bulktest.ItemFault {
			if index != "dead" {
				return bulktest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "no such field"}
			}
			return bulktest.ItemFault{}
		},
	})
	return server, addr, up
}

// The output of the dead letters has nothing to do while the records wait, and must not end before the one that needs it: also where
// another reload takes both back, or would have.
func TestAnOutputThatComesBackKeepsTheIndexOfItsDeadLetters(t *testing.T) {
	t.Parallel()
	const options = "    Dead_Letter index\n    Dead_Letter.Index dead\n"
	gone, other, fails := nullOutputs("*"), esOutput("b*", away+options), "[INPUT]\n    Name tcp\n    Listen 192.0.2.1\n    Port 1\n"
	for name, reloads := range map[string][]string{
		"not at all":                 {gone},
		"by a reload that fails":     {gone, "ES" + fails},
		"by a reload":                {gone, "ES", gone, "ES"},
		"after one that fails":       {gone, "ES" + fails, "ES"},
		"after a change":             {other, "ES"},
		"after two changes":          {other, gone, "ES"},
		"not after a change, either": {other, "ES" + fails, other},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, addr, up := refusing(t)
			dir := t.TempDir()
			es := esOutput("a*", addr+options)
			tr := start(t, dir, forwardInput+es)
			tr.send("a1", "refused")
			eventually(t, "a record that waits", func() bool { return tr.Status().Outputs[0].Account.Buffered == 1 })
			for _, conf := range reloads {
				failed := tr.reload(dir, forwardInput+strings.Replace(conf, "ES", es, 1))
				if (failed == "[]") == strings.Contains(conf, fails) {
					t.Fatalf("got %s from the reload to %s", failed, conf)
				}
			}
			up.Store(true)
			eventually(t, "the dead letter in its index", func() bool { return len(server.Documents("dead")) == 1 })
			if len(tr.Status().Outputs) > 2 {
				eventually(t, "the end of the removed outputs", func() bool { return len(tr.leftOver().outputs) == 0 })
			}
		})
	}
}
