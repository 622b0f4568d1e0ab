package router

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// lateRefused is a cluster that refuses "late" lines, as an index does that is read-only, while refused says so.
func lateRefused(t *testing.T, refused *atomic.Bool) (*bulktest.Server, string) {
	t.Helper()
	return cluster(t, bulktest.Options{Item: func(_, _, _ string, doc []byte) bulktest.ItemFault {
		if refused.Load() && bytes.Contains(doc, []byte("late")) {
			return bulktest.ItemFault{Status: 403, Type: "cluster_block_exception", Reason: "index [logs] blocked by: [FORBIDDEN/5/index read-only (api)];"}
		}
		return bulktest.ItemFault{}
	}})
}

func numbered(what string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"log":"%s %d"}`, what, i))
	}
	return all
}

func TestDeferredRecordsStayInTheAccountsAndArriveAfterARestart(t *testing.T) {
	t.Parallel()
	var refused atomic.Bool
	refused.Store(true)
	server, addr := lateRefused(t, &refused)
	dir := t.TempDir()
	conf := forwardInput + "[OUTPUT]\n    Name es\n    Match *\n    Retry_Limit no_limits\n" + addr
	tr := start(t, dir, conf)
	tr.add("app", numbered("good", 50)...)
	eventually(t, "the good ones", func() bool { return tr.balanced(50).Delivered == 50 })
	tr.add("app", numbered("late", 10)...)
	tr.add("app", numbered("more", 50)...)
	eventually(t, "the late ones to be deferred", func() bool { return tr.balanced(110).Deferred == 10 })
	if a := tr.balanced(110); a.Delivered != 100 || a.Buffered != 10 || a.Unaccounted != 0 {
		t.Errorf("got %+v, want 100 delivered and 10 buffered", a)
	}
	if ok, why := tr.Healthy(); !ok {
		t.Errorf("got unhealthy: %s", why)
	}
	begun := time.Now()
	tr.wait()
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("got the router stopped after %v, want it not to wait for deferred records", took)
	}
	if log := tr.log.String(); !strings.Contains(log, `"buffered":10,"deferred":10`) || !strings.Contains(log, "Elasticsearch has made index ") {
		t.Errorf("got this log, want the 10 in the last line, and what to repair: %s", log)
	}

	refused.Store(false)
	tr = start(t, dir, conf)
	if !strings.Contains(tr.log.String(), `"recovered":10`) {
		t.Errorf("got this log, want 10 recovered: %s", tr.log)
	}
	eventually(t, "the late ones", func() bool { return tr.balanced(10).Delivered == 10 })
	if n := len(server.Documents("*")); n != 110 {
		t.Errorf("got %d documents, want 110", n)
	}
}

// An index that is missing, with auto-create off, concerns all records: none goes to the dead letter.
func TestRecordsForAMissingIndexWaitUntilItIsMade(t *testing.T) {
	t.Parallel()
	server, addr := cluster(t, bulktest.Options{NoNewIndex: true})
	tr := start(t, t.TempDir(), forwardInput+"[OUTPUT]\n    Name es\n    Match *\n    Index logs\n    Retry_Limit 1\n"+addr)
	for range 5 {
		tr.add("app", numbered("line", 200)...)
	}
	eventually(t, "a few attempts", func() bool { return server.Requests() > 2 })
	if a := tr.balanced(1000); a.Buffered != 1000 || a.Dead != 0 {
		t.Errorf("got %+v, want all records buffered", a)
	}
	server.CreateIndex("logs")
	eventually(t, "all records", func() bool { return tr.balanced(1000).Delivered == 1000 })
	if log := tr.log.String(); !strings.Contains(log, "Elasticsearch has no index logs and may not create it: 1,000 records wait") || !strings.Contains(log, "create the index") ||
		!strings.Contains(log, "delivering again after ") {
		t.Errorf("got this log, want the index and what to do: %s", log)
	}
}

// What a queue in memory holds of deferred records at the stop is lost like the rest, and counted.
func TestDeferredRecordsInMemoryAreCountedAsLostAtTheStop(t *testing.T) {
	t.Parallel()
	var refused atomic.Bool
	refused.Store(true)
	_, addr := lateRefused(t, &refused)
	dir := t.TempDir()
	conf := strings.Replace(forwardInput, "storage.path DIR/queue", "storage.path /dev/null/none", 1)
	tr := start(t, dir, conf+"[OUTPUT]\n    Name es\n    Match *\n"+addr)
	tr.add("app", numbered("good", 5)...)
	eventually(t, "the good ones", func() bool { return tr.balanced(5).Delivered == 5 })
	tr.add("app", numbered("late", 3)...)
	eventually(t, "the late ones to be deferred", func() bool { return tr.balanced(8).Deferred == 3 })
	tr.wait()
	if a := tr.balanced(8); a.Dropped[inMemory] != 3 || a.Buffered != 0 {
		t.Errorf("got %+v, want 3 dropped", a)
	}
}

func TestResendGivesUpWhatIsRefusedAgain(t *testing.T) {
	t.Parallel()
	var step atomic.Int32
	server, addr := cluster(t, bulktest.Options{Item: func(_, _, _ string, doc []byte) bulktest.ItemFault {
		late := bytes.Contains(doc, []byte("late"))
		switch {
		case step.Load() == 0:
			return bulktest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "no"}
		case step.Load() == 1 && late:
			return bulktest.ItemFault{Status: 403, Type: "security_exception", Reason: "no permissions"}
		}
		return bulktest.ItemFault{}
	}})
	dir := t.TempDir()
	conf := forwardInput + "[OUTPUT]\n    Name es\n    Match *\n" + addr
	tr := start(t, dir, conf)
	tr.add("app", append(numbered("good", 20), numbered("late", 5)...)...)
	eventually(t, "the dead letter", func() bool { return tr.balanced(25).Dead == 25 })
	tr.wait()
	for step.Add(1); step.Load() <= 2; step.Add(1) {
		plan := compilePlan(t, dir, conf)
		files, _, err := DeadFiles(plan)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		a, err := Resend(ctx, plan, Env{Log: zerolog.Nop()}, "es.0", files["es.0"], nil)
		cancel()
		want := Account{Delivered: 20, Dead: 5}
		if step.Load() == 2 {
			want = Account{Delivered: 5}
		}
		if err != nil || a.Delivered != want.Delivered || a.Dead != want.Dead || a.Buffered != 0 {
			t.Fatalf("resend %d: got %+v, %v; want %d delivered, %d dead again", step.Load(), a, err, want.Delivered, want.Dead)
		}
	}
	if n := len(server.Documents("*")); n != 25 {
		t.Errorf("got %d documents, want 25", n)
	}
}
