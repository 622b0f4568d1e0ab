package router

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/sink/bulk/bulktest"
	"github.com/firelane/firelane/sink/dead"
)

func TestARecordThatIsTooLargeAsJSONIsNotQueuedButInTheDeadLetterOfEachOutput(t *testing.T) {
	t.Parallel()
	server, addr := cluster(t, bulktest.Options{})
	dir := t.TempDir()
	tr := start(t, dir, forwardInput+`
[FILTER]
    Name record_modifier
    Match *
    Record cluster demo
[OUTPUT]
    Name es
    Match *
`+addr+`
[OUTPUT]
    Name null
    Match *
`)
	tr.send("app", "before", strings.Repeat("\x00", 4<<20), "after") // acknowledged
	eventually(t, "the two others", func() bool { return len(server.Documents("*")) == 2 && tr.balanced(3).Delivered == 2 })
	_, outs := tr.Accounts()
	for o, a := range outs {
		if a.Dead != 1 || a.Received != 3 || a.Unaccounted != 0 {
			t.Errorf("got %+v, want 3 received and 1 dead-lettered", a)
		}
		if q := tr.Status().Outputs[0].Delivery.Queue; q.Appended != 2 {
			t.Errorf("got %d records queued, want 2", q.Appended)
		}
		n := 0
		for e, err := range dead.Read(tr.outputs[o].file.Path()) {
			body, errBody := e.Body()
			if err != nil || errBody != nil || e.Type != "too_large" || len(body) < 4<<20 || !strings.Contains(string(body[len(body)-40:]), "demo") {
				t.Errorf("got %s: %s of %d bytes, and errors %v and %v, want the whole record", e.Type, e.Reason, len(body), err, errBody)
			}
			n++
		}
		if n != 1 {
			t.Errorf("got %d dead letters of %s, want 1", n, a.Output)
		}
	}
	if s := tr.log.String(); strings.Count(s, "it is in the dead letter") == 0 || !strings.Contains(s, "8388608") {
		t.Errorf("got the log %s, want it to name the record and the limit", s)
	}
}

func TestWhatAFullDeadLetterRemovesIsCountedAsDropped(t *testing.T) {
	t.Parallel()
	_, addr := cluster(t, bulktest.Options{Item: func(string, string, string, []byte) bulktest.ItemFault {
		return bulktest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "no"}
	}})
	dir := t.TempDir()
	conf := forwardInput + "[OUTPUT]\n    Name es\n    Match *\n    dead_letter.limit 64k\n" + addr
	const n = 60
	long := make([]string, n)
	for i := range long {
		long[i] = strings.Repeat("x", 4<<10)
	}
	kept := func() int {
		files, err := dead.Files(filepath.Join(dir, "queue", "dead"))
		if err != nil {
			t.Fatal(err)
		}
		all := 0
		for _, f := range files {
			for range dead.Read(f) {
				all++
			}
		}
		return all
	}
	tr := start(t, dir, conf)
	tr.send("app", long...)
	eventually(t, "dead letters", func() bool { a := tr.balanced(n); return a.Buffered == 0 })
	first := tr.balanced(n)
	left := kept()
	if first.Dropped[deadFull] == 0 || int(first.Dead) != left || int(first.Dropped[deadFull]) != n-left {
		t.Errorf("got the account %+v, and %d records in the dead letter, want the others dropped as %q", first, left, deadFull)
	}
	tr.wait()

	tr = start(t, dir, conf) // what it removes was put there by another process
	tr.send("app", long...)
	eventually(t, "dead letters", func() bool { _, o := tr.Accounts(); return o[0].Buffered == 0 && o[0].Received >= n })
	_, outs := tr.Accounts()
	a := outs[0]
	if a.Unaccounted != 0 || int(a.Dropped[deadFull]) != n+left-kept() || int(a.Received) != n+left || int(a.Dead) != kept() {
		t.Errorf("got the account %+v with %d records kept, want what was there before as received and dropped", a, kept())
	}
}

func TestEachFileOfADeadLetterIsRemovedWhenItIsDelivered(t *testing.T) {
	t.Parallel()
	refuse := make(chan struct{})
	server, addr := cluster(t, bulktest.Options{Item: func(string, string, string, []byte) bulktest.ItemFault {
		select {
		case <-refuse:
			return bulktest.ItemFault{}
		default:
			return bulktest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "no"}
		}
	}})
	dir := t.TempDir()
	conf := forwardInput + "[OUTPUT]\n    Name es\n    Match *\n    dead_letter.limit 64k\n" + addr
	tr := start(t, dir, conf)
	for range 10 {
		tr.send("app", strings.Repeat("x", 4<<10))
	}
	eventually(t, "dead letters", func() bool { return tr.balanced(10).Dead == 10 })
	plan := compilePlan(t, dir, conf)
	files, _, err := DeadFiles(plan)
	if err != nil || len(files["es.0"]) < 3 {
		t.Fatalf("got %v and error %v, want three files at least", files, err)
	}
	close(refuse)
	ctx, cancel := context.WithCancel(context.Background())
	a, err := Resend(ctx, plan, Env{Log: zerolog.Nop()}, "es.0", files["es.0"][:1], nil)
	if left, _, _ := DeadFiles(plan); err != nil || a.Delivered == 0 || slices.Contains(left["es.0"], files["es.0"][0]) {
		t.Errorf("got %+v, error %v and the files %v, want the first one delivered and removed", a, err, left)
	}
	b, err := Resend(ctx, plan, Env{Log: zerolog.Nop()}, "es.0", files["es.0"][1:], nil)
	if left, _, _ := DeadFiles(plan); err != nil || a.Delivered+b.Delivered != 10 || len(left) > 0 || len(server.Documents("*")) != 10 {
		t.Errorf("got %+v, error %v and the files %v, want all delivered and removed", b, err, left)
	}
	cancel()
}

// TestARecordThatIsLargerThanItsQueueMayBeStopsNoInput: it is dropped for that output and counted, those that came with it are
// queued, and it is acknowledged, since sending it again couldn't help.
func TestARecordThatIsLargerThanItsQueueMayBeStopsNoInput(t *testing.T) {
	t.Parallel()
	tr := start(t, t.TempDir(), forwardInput+`
[OUTPUT]
    Name null
    Match *
    storage.total_limit_size 1M
[OUTPUT]
    Name null
    Alias large
    Match *
`)
	tr.send("app", "before", strings.Repeat("x", 2<<20), "after") // acknowledged
	eventually(t, "the two others", func() bool { return tr.balanced(3).Delivered == 2 })
	_, outs := tr.Accounts()
	if a := outs[0]; a.Dropped[notQueued] != 1 || a.Unaccounted != 0 {
		t.Errorf("got %+v, want 1 record that was not queued", a)
	}
	eventually(t, "the other output's", func() bool { _, outs := tr.Accounts(); return outs[1].Delivered == 3 })
	if s := tr.log.String(); !strings.Contains(s, "larger than the queue may be") || !strings.Contains(s, `"output":"null.0"`) {
		t.Errorf("got the log %s, want it to name the output and why", s)
	}
}

func TestRecordsBesideOneThatIsLargerThanTheQueueAreQueued(t *testing.T) {
	t.Parallel()
	tr := start(t, t.TempDir(), forwardInput+`
[OUTPUT]
    Name null
    Match *
    storage.total_limit_size 1M
`)
	in := tr.newIntake(tr.inputs[0])
	in.addLogs("app", "before", strings.Repeat("x", 2<<20), "after")
	if err := in.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "the two others", func() bool { return tr.balanced(3).Delivered == 2 })
}
