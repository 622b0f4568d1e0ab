package router

import (
	"strings"
	"testing"

	"github.com/firelane/firelane/record"
)

// TestSilentConnectionsHoldNoBuffers: 200 clients that each once sent a long line must not keep its memory each.
func TestSilentConnectionsHoldNoBuffers(t *testing.T) {
	t.Parallel()
	tr := start(t, t.TempDir(), forwardInput+"[FILTER]\n    Name parser\n    Match *\n    Key_Name log\n    Parser json\n"+
		"[FILTER]\n    Name record_modifier\n    Match *\n    Record a b\n[OUTPUT]\n    Name null\n    Match *\n")
	body, err := record.AppendFromJSON(nil, []byte(`{"log":"{\"k\":\"`+strings.Repeat("x", 100_000)+`\"}"}`))
	if err != nil {
		t.Fatal(err)
	}
	i := tr.newIntake(tr.inputs[0])
	for range 2 {
		i.Add([]byte("app"), record.Time{Sec: 1}, body)
		if i.scratch == nil || i.pending[0].batch == nil {
			t.Fatal("got no memory for the event, want some: otherwise the test shows nothing")
		}
		if err := i.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i.scratch != nil || i.pending[0].batch != nil || i.pending[0].complete != nil || i.event.Body != nil {
			t.Error("got memory held after a Flush, want none")
		}
	}
	eventually(t, "both records", func() bool {
		_, outs := tr.Accounts()
		return outs[0].Delivered == 2
	})
}
