package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/config/configtest"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// documentsOf returns the lines that a server has got.
func documentsOf(t *testing.T, s *bulktest.Server) (logs []string) {
	t.Helper()
	for _, d := range s.Documents("*") {
		var doc struct{ Log string }
		if err := json.Unmarshal(d.Source, &doc); err != nil {
			t.Fatal(err)
		}
		logs = append(logs, doc.Log)
	}
	slices.Sort(logs)
	return logs
}

// away are the options of a server that isn't there.
const away = "    Host 127.0.0.1\n    Port 1\n"

// esOutput is an output as ECS's agent writes it, for the records of one container.
func esOutput(match, options string) string {
	return "[OUTPUT]\n    Name es\n    Match " + match + "\n" + options
}

// TestABacklogStaysWithItsOutputWhenTheOrderOfOutputsChanges: ECS's agent writes outputs without ids, in a Go map's order.
func TestABacklogStaysWithItsOutputWhenTheOrderOfOutputsChanges(t *testing.T) {
	t.Parallel()
	var up atomic.Bool
	options := bulktest.Options{Request: func(int, *http.Request) bulktest.Fault {
		if !up.Load() {
			return bulktest.Fault{Status: 503}
		}
		return bulktest.Fault{}
	}}
	serverA, addrA := cluster(t, options)
	serverB, addrB := cluster(t, options)
	a, b := esOutput("a-firelens*", addrA), esOutput("b-firelens*", addrB)
	dir := t.TempDir()
	first := start(t, dir, shortGrace+a+b)
	first.send("a-firelens-1", "from a")
	first.send("b-firelens-1", "from b")
	first.wait()
	up.Store(true)
	start(t, dir, shortGrace+b+a)
	for want, server := range map[string]*bulktest.Server{"from a": serverA, "from b": serverB} {
		eventually(t, "the backlog "+want, func() bool { return len(documentsOf(t, server)) > 0 })
		if got := documentsOf(t, server); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want the backlog %q and nothing of another output", got, want)
		}
	}
}

func TestABacklogFollowsItsOutputToAnotherDestination(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, dir, shortGrace+esOutput("app*", away))
	first.send("app", "x")
	first.wait()
	server, addr := cluster(t, bulktest.Options{})
	second := start(t, dir, shortGrace+esOutput("app*", addr))
	eventually(t, "the backlog at the new destination", func() bool { return len(server.Documents("*")) == 1 })
	if !strings.Contains(second.log.String(), "an output has changed") {
		t.Errorf("got this log, want it to say that the output has changed:\n%s", second.log)
	}
	second.wait()
	if names := queuesIn(t, dir); len(names) != 1 {
		t.Errorf("got the queues %q, want one", names)
	}
	// and back: a queue that was left empty doesn't make the output an old one
	third := start(t, dir, shortGrace+esOutput("app*", away))
	third.send("app", "y")
	third.wait()
	start(t, dir, shortGrace+esOutput("app*", addr))
	eventually(t, "the second backlog", func() bool { return len(server.Documents("*")) == 2 })
}

// queuesIn lists the queues in the folder of a test.
func queuesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "queue"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "dead" {
			names = append(names, e.Name())
		}
	}
	return names
}

// backlog starts a configuration whose destinations are away, sends a line with each tag, and stops when the outputs that
// aren't away have delivered.
func backlog(t *testing.T, dir, conf string, tags ...string) {
	t.Helper()
	tr := start(t, dir, shortGrace+conf)
	for _, tag := range tags {
		tr.send(tag, "from "+tag)
	}
	if n := strings.Count(conf, "[OUTPUT]") - strings.Count(conf, "Port 1\n") - strings.Count(conf, "Port 2\n"); n > 0 {
		eventually(t, "what can be delivered", func() bool {
			delivered := 0
			for _, o := range tr.Status().Outputs {
				delivered += int(o.Account.Delivered)
			}
			return delivered >= n
		})
	}
	tr.wait()
}

// TestAQueueWithoutAnOutputIsKeptAndNamed has all changes after which nobody may get a backlog.
func TestAQueueWithoutAnOutputIsKeptAndNamed(t *testing.T) {
	t.Parallel()
	other := strings.Replace(away, "Port 1", "Port 2", 1)
	const up = "UP" // the options of a server that works
	for name, tt := range map[string]struct {
		before string
		tags   []string
		after  string
	}{
		"no output is left for its tags": {esOutput("a*", away), []string{"a1"}, esOutput("b*", up)},
		"an old neighbour on the same tags got its own copy": {
			esOutput("a*", away+"    Index x\n") + esOutput("a*", up), []string{"a1"}, esOutput("a*", up),
		},
		"the new output takes some of its tags": {esOutput("*", away), []string{"a1", "b1"}, esOutput("a*", up)},
		"two new outputs take its tags": {
			esOutput("a*", away), []string{"a1"}, esOutput("a*", up+"    Index x\n") + esOutput("a*", up+"    Index y\n"),
		},
		"the new output takes the tags of two": {
			esOutput("a*", away) + esOutput("a*", other), []string{"a1"}, esOutput("a*", up+"    Index z\n"),
		},
		"a null output would delete it": {esOutput("a*", away), []string{"a1"}, "[OUTPUT]\n    Name null\n    Match a*\n"},
		"only records of dead letters are in it": {
			esOutput("a*", away+"    Dead_Letter index\n"), nil, esOutput("b*", up),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, up := cluster(t, bulktest.Options{})
			tt.before, tt.after = strings.ReplaceAll(tt.before, "UP", up), strings.ReplaceAll(tt.after, "UP", up)
			dir := t.TempDir()
			backlog(t, dir, tt.before, tt.tags...)
			before := len(server.Documents("*"))
			for range 2 { // it is named at each start
				second := start(t, dir, shortGrace+tt.after)
				second.wait()
				log := second.log.String()
				if len(tt.tags) == 0 {
					if strings.Contains(log, "a queue has no output") || len(queuesIn(t, dir)) != 1 {
						t.Errorf("got the queues %q, want empty ones of outputs that are gone removed, and this log:\n%s", queuesIn(t, dir), log)
					}
					continue
				}
				want := `"records":` + fmt.Sprint(len(tt.tags))
				if !strings.Contains(log, "a queue has no output") || !strings.Contains(log, want) || !strings.Contains(log, "plugin es, match ") {
					t.Errorf("got this log, want a line on the queue, what it was for and %s:\n%s", want, log)
				}
				if orphans := second.Orphans(); len(orphans) == 0 || orphans[0].Records == 0 || orphans[0].Reason == "" {
					t.Errorf("got the orphans %+v, want the queue, its records and the reason", orphans)
				}
			}
			if n := len(server.Documents("*")); n != before {
				t.Errorf("got %d documents, want none of the backlog", n-before)
			}
			if len(tt.tags) == 0 {
				return
			}
			third := start(t, dir, shortGrace+tt.before) // as it was: the backlog is found again
			var buffered int64
			for _, a := range third.Status().Outputs {
				buffered += a.Account.Buffered
			}
			if buffered < int64(len(tt.tags)) {
				t.Errorf("got %d buffered records after the old configuration came back, want at least %d", buffered, len(tt.tags))
			}
		})
	}
}

func TestTheSameAliasTellsWhichOutputTakesABacklog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, up := cluster(t, bulktest.Options{})
	backlog(t, dir, esOutput("a*", "    Alias one\n    Index old-one\n"+away)+esOutput("a*", "    Alias two\n    Index old-two\n"+away), "a1")
	start(t, dir, shortGrace+esOutput("a*", "    Alias two\n    Index new-two\n"+up)+esOutput("a*", "    Alias one\n    Index new-one\n"+up))
	eventually(t, "both backlogs", func() bool { return len(server.Documents("*")) == 2 })
	for _, index := range []string{"new-one", "new-two"} {
		if n := len(server.Documents(index)); n != 1 {
			t.Errorf("got %d documents in %s, want 1", n, index)
		}
	}
}

// TestAQueueOfAVersionThatNamedItByPlaceGoesWhereItsTagsLead: such a queue has no description.
func TestAQueueOfAVersionThatNamedItByPlaceGoesWhereItsTagsLead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	backlog(t, dir, esOutput("a*", away)+esOutput("b*", away), "a1", "b1")
	for name, old := range map[string]string{"es-a": "es.0", "es-b": "es.1"} {
		var found string
		for _, q := range queuesIn(t, dir) {
			if strings.HasPrefix(q, name+"-") {
				found = filepath.Join(dir, "queue", q)
			}
		}
		if err := os.Rename(found, filepath.Join(dir, "queue", old)); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "queue", old, "output.txt")); err != nil {
			t.Fatal(err)
		}
	}
	serverA, addrA := cluster(t, bulktest.Options{})
	serverB, addrB := cluster(t, bulktest.Options{})
	start(t, dir, shortGrace+esOutput("b*", addrB)+esOutput("a*", addrA)) // in another order
	for want, server := range map[string]*bulktest.Server{"from a1": serverA, "from b1": serverB} {
		eventually(t, "the backlog "+want, func() bool { return len(documentsOf(t, server)) > 0 })
		if got := documentsOf(t, server); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestNamesOfQueuesNeverChange: a name that changed with a version would leave the backlog behind. If this fails, the
// identity of an output has changed: don't update the golden file, but see to it that the name stays.
func TestNamesOfQueuesNeverChange(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "identity", "*.conf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got no configurations (%v), want some", err)
	}
	for _, file := range files {
		plan, diags := config.Compile(file, Catalogue(), hunter2)
		if len(diags) > 0 {
			t.Fatal(diags)
		}
		r, diags := New(plan, Env{Log: zerolog.Nop()})
		if len(diags) > 0 {
			t.Fatal(diags)
		}
		var got strings.Builder
		for _, o := range r.outputs {
			fmt.Fprintf(&got, "%s\n%s\n", o.name, o.is.about())
			if about := o.is.about(); strings.Contains(about, "hunter2") || strings.Contains(about, "secret") || strings.Contains(about, "sec/ret") {
				t.Errorf("%s: got a secret in the description %q", file, o.is.about())
			}
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		configtest.Compare(t, strings.TrimSuffix(file, ".conf")+".golden", string(text), got.String(), *update)
	}
}

// TestNamesDoNotDependOnTheOrderThatECSWrites has every configuration of the ECS agent.
func TestNamesDoNotDependOnTheOrderThatECSWrites(t *testing.T) {
	t.Parallel()
	names := func(e ecsTask) map[string]string {
		plan, diags := compileTask(t, t.TempDir(), e)
		if len(diags) > 0 {
			t.Fatal(diags)
		}
		r, diags := New(plan, Env{Log: zerolog.Nop()})
		if len(diags) > 0 {
			t.Fatal(diags)
		}
		all := make(map[string]string)
		for n, o := range r.outputs {
			all[r.plan.Outputs[n].Match] = o.name
		}
		return all
	}
	for _, e := range everyTask() {
		if len(e.apps) < 2 || e.network != "bridge" || e.include || e.exclude || e.external != "" { // no filter is part of a name
			continue
		}
		want := names(e)
		slices.Reverse(e.apps)
		for match, got := range names(e) {
			if got != want[match] {
				t.Errorf("%s: got the queue %s for %s, want %s as in another order", e, got, match, want[match])
			}
		}
	}
}

func TestDeadLettersAreSentAgainToTheOutputThatRefusedThemOnly(t *testing.T) {
	t.Parallel()
	_, addr := cluster(t, bulktest.Options{Item: func(_, _, _ string, _ []byte) bulktest.ItemFault {
		return bulktest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "no such field"}
	}})
	dir := t.TempDir()
	a, b := esOutput("a*", addr+"    Index a\n"), esOutput("b*", addr+"    Index b\n")
	tr := start(t, dir, shortGrace+a+b)
	tr.send("a1", "from a")
	eventually(t, "the dead letter", func() bool { return tr.Status().Outputs[0].Account.Dead == 1 })
	tr.wait()
	plan := compilePlan(t, dir, shortGrace+b+a) // a is es.1 now
	own, others, err := DeadFiles(plan)
	if err != nil || len(own["es.1"]) != 1 || len(own) != 1 || len(others) != 0 {
		t.Errorf("got the files %v and %v and error %v, want a's for es.1", own, others, err)
	}
	plan = compilePlan(t, dir, shortGrace+b)
	own, others, err = DeadFiles(plan)
	if err != nil || len(own) != 0 || len(others) != 1 {
		t.Errorf("got the files %v and %v and error %v, want them to be nobody's", own, others, err)
	}
	for _, files := range others {
		if _, err := Resend(context.Background(), plan, Env{Log: zerolog.Nop()}, "es.0", files, nil); err != nil {
			t.Error(err)
		}
	}
}

// TestABacklogOfDeadLettersFollowsItsOutput: they have the tags of other records, and must not go to where those go.
func TestABacklogOfDeadLettersFollowsItsOutput(t *testing.T) {
	t.Parallel()
	refuse := func(_, index, _ string, _ []byte) bulktest.ItemFault {
		if index == "dead" {
			return bulktest.ItemFault{Status: 429, Type: "es_rejected_execution_exception", Reason: "full"}
		}
		return bulktest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "no such field"}
	}
	_, full := cluster(t, bulktest.Options{Item: refuse})
	server, up := cluster(t, bulktest.Options{})
	const options = "    Dead_Letter index\n    Dead_Letter.Index dead\n"
	dir := t.TempDir()
	first := start(t, dir, shortGrace+esOutput("a*", full+options))
	first.send("a1", "x")
	eventually(t, "the dead letter in its queue", func() bool { return first.Status().Outputs[1].Account.Buffered == 1 })
	first.wait()
	start(t, dir, shortGrace+esOutput("a*", up+options))
	eventually(t, "the dead letter", func() bool { return len(server.Documents("dead")) == 1 })
	if n := len(server.Documents("*")); n != 1 {
		t.Errorf("got %d documents, want the dead letter only", n)
	}
}

func TestASecondStartInAnotherOrderChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gone, a, b := esOutput("c*", away), esOutput("a*", away), esOutput("b*", away)
	backlog(t, dir, gone, "c1")
	start(t, dir, shortGrace+a+b)
	before := queuesIn(t, dir)
	conf := strings.Replace(shortGrace+esOutput("c*", away+"    Index x\n")+b+a, "SOCKET", "DIR/other.sock", 1)
	r, _ := New(compilePlan(t, dir, conf), Env{Log: zerolog.Nop()})
	if err := r.Run(context.Background(), context.Background()); err == nil || !strings.Contains(err.Error(), "another router uses this folder") {
		t.Errorf("got error %v from the second start, want that the folder is in use", err)
	}
	if got := queuesIn(t, dir); !slices.Equal(got, before) {
		t.Errorf("got the queues %q after the second start, want %q", got, before)
	}
	if _, err := os.Stat(filepath.Join(dir, "other.sock")); err == nil {
		t.Error("got a socket of the second start, want none")
	}
}

// TestAQueueWithinAQueueGoesWithItIfTheMatchIsTheSame: nobody reads its tags.
func TestAQueueWithinAQueueGoesWithItIfTheMatchIsTheSame(t *testing.T) {
	t.Parallel()
	for match, follows := range map[string]bool{"a*": true, "*": false} {
		dir := t.TempDir()
		backlog(t, dir, esOutput("a*", away), "a1")
		names := queuesIn(t, dir)
		within, err := buffer.Open(buffer.Options{Dir: filepath.Join(dir, "queue", names[0]), Name: "within", Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(within.Append(t.Context(), []byte("no batch of events"), 3, nil), within.Close()); err != nil {
			t.Fatal(err)
		}
		second := start(t, dir, shortGrace+esOutput(match, away+"    Index x\n"))
		if got := strings.Contains(second.log.String(), "an output has changed"); got != follows {
			t.Errorf("with the match %s: got the queue to follow: %v, want %v; the log:\n%s", match, got, follows, second.log)
		}
		if !strings.Contains(second.log.String(), `"records":4`) {
			t.Errorf("with the match %s: got this log, want the records of both queues counted:\n%s", match, second.log)
		}
		second.wait()
		found, err := filepath.Glob(filepath.Join(dir, "queue", "*", "within", "*.seg"))
		if err != nil || len(found) != 1 || strings.Contains(found[0], names[0]) == follows {
			t.Errorf("with the match %s: got the segments %q of the queue within, want them where the queue is", match, found)
		}
	}
}
