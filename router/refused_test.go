package router

import (
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
)

// A client that gets 503 sends the whole request again.
func TestWhatAHolderHoldsOfARefusedRequestIsntQueued(t *testing.T) {
	request := []string{"one", "java.lang.Error: two", "\tat three"}
	for _, how := range []string{"when it is due", "when the client sends it again"} {
		t.Run(how, func(t *testing.T) {
			m, err := enrich.NewMultiline(&enrich.MultilineOptions{Mode: "parser", Parsers: []string{"java"}, Key: "log"}, config.FluentBit, enrich.Env{})
			if err != nil {
				t.Fatal(err)
			}
			r := opened(t, placeholder+nullOutputs("*"), m)
			all := r.expiries()
			empty := r.outputs[0].fill(t)
			failing, again := r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0])
			failing.addLogs("app", request...)
			flushInVain(t, failing)
			empty()
			if how == "when it is due" {
				r.releaseAll(all)
				wantQueued(t, r.outputs[0])
			}
			again.addLogs("app", request...)
			_ = again.Flush(t.Context())
			r.releaseAll(all)
			flush(t, again)
			wantQueued(t, r.outputs[0], "app: one", "app: java.lang.Error: two\n\tat three")
			if n := refused(t, r.outputs[0]); n != 2 || r.holding.Load() != 0 {
				t.Errorf("got %d refused and %d events that hold back acks, want 2 records and none", n, r.holding.Load())
			}
		})
	}
}

func TestRefusedLotsAreLimited(t *testing.T) {
	var r refusedLots
	for l := range enrich.Lot(maxRefused + 1) {
		r.add(l + 1)
	}
	if r.has(0) || r.has(1) || !r.has(2) || !r.has(maxRefused+1) || r.has(maxRefused+2) {
		t.Errorf("want the newest %d", maxRefused)
	}
}
