package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// downCluster is a cluster that answers 503 until up is set.
func downCluster(t *testing.T) (s *bulktest.Server, addr string, up *atomic.Bool) {
	t.Helper()
	up = new(atomic.Bool)
	s, addr = cluster(t, bulktest.Options{Request: func(int, *http.Request) bulktest.Fault {
		if up.Load() {
			return bulktest.Fault{}
		}
		return bulktest.Fault{Status: 503}
	}})
	return s, addr, up
}

// texts are the logs of a cluster's documents, sorted.
func texts(s *bulktest.Server) []string {
	var all []string
	for _, d := range s.Documents("*") {
		_, text, _ := strings.Cut(string(d.Source), `"log":"`)
		text, _, _ = strings.Cut(text, `"`)
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// TestReloadWhileADestinationIsDown: whatever changes, it doesn't wait for the destination, and what is in the queue arrives once,
// where a restart would have sent it.
func TestReloadWhileADestinationIsDown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		next   func(one, two string) string // the configuration, of the addresses of two clusters
		twoHas int                          // of ten records that wait
	}{
		"nothing changes": {func(one, _ string) string { return forwardInput + esOutput("*", one) }, 0},
		"an option":       {func(one, _ string) string { return forwardInput + esOutput("*", one+"    Workers 3\n") }, 0},
		"a filter":        {func(one, _ string) string { return forwardInput + seenByAll + esOutput("*", one) }, 0},
		"the match":       {func(one, _ string) string { return forwardInput + esOutput("app*", one) }, 0},
		"the destination": {func(_, two string) string { return forwardInput + esOutput("*", two) }, 10},
		"another output": {func(one, two string) string {
			return forwardInput + esOutput("*", two+"    Index other\n") + esOutput("*", one)
		}, 0},
		"the output is removed": {func(_, two string) string { return forwardInput + esOutput("other*", two) }, 0},
		"the flush": {func(one, _ string) string {
			return strings.Replace(forwardInput, "10ms", "20ms", 1) + esOutput("*", one)
		}, 0},
		"the queue's limit": {func(one, _ string) string {
			return forwardInput + esOutput("*", one+"    storage.total_limit_size 1M\n    Alias other\n")
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			one, first, up := downCluster(t)
			two, second := cluster(t, bulktest.Options{})
			tr := start(t, dir, forwardInput+esOutput("*", first))
			all := lines(10)
			tr.send("app", all...)
			eventually(t, "attempts", func() bool { return one.Requests() > 1 })
			begin := time.Now()
			tr.mustReload(dir, c.next(first, second))
			if took := time.Since(begin); took > flightTime {
				t.Errorf("got it take %v, want it not to wait for the destination", took)
			}
			tr.mustReload(dir, c.next(first, second)) // nothing changes
			up.Store(true)
			slices.Sort(all)
			want := [2][]string{all, nil}
			if c.twoHas > 0 {
				want = [2][]string{nil, all}
			}
			eventually(t, "the records", func() bool { return slices.Equal(texts(one), want[0]) && slices.Equal(texts(two), want[1]) })
			if n := one.Conflicts() + two.Conflicts(); n > 0 {
				t.Errorf("got %d records sent twice, want none", n)
			}
			if n := len(tr.Orphans()); n > 0 {
				t.Errorf("got %d queues without an output, want none", n)
			}
			eventually(t, "the accounts to add up, and nothing to be left", func() bool {
				_, outs := tr.Accounts()
				return !slices.ContainsFunc(outs, func(a Account) bool {
					return a.Unaccounted != 0 || a.Buffered != 0 || strings.Contains(a.Output, removedSuffix)
				})
			})
			tr.send("app", "later")
		})
	}
}

// TestAnOutputThatComesBackTakesItsQueue: it was removed while its destination was down.
func TestAnOutputThatComesBackTakesItsQueue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, first, up := downCluster(t)
	tr := start(t, dir, forwardInput+esOutput("*", first))
	all := lines(10)
	tr.send("app", all...)
	eventually(t, "attempts", func() bool { return one.Requests() > 1 })
	null := forwardInput + "[OUTPUT]\n    Name null\n    Match *\n"
	for range 3 {
		tr.mustReload(dir, null)
		_, outs := tr.Accounts()
		if len(outs) != 2 || !strings.HasSuffix(outs[1].Output, removedSuffix) || outs[1].Buffered != 10 {
			t.Errorf("got %+v, want the removed output and its ten records", outs)
		}
		if failed := tr.reload(dir, null+"[OUTPUT]\n    Name nosuch\n    Match *\n"); failed == "[]" {
			t.Error("got no error")
		}
		tr.mustReload(dir, forwardInput+esOutput("*", first))
	}
	up.Store(true)
	slices.Sort(all)
	eventually(t, "the records", func() bool { return slices.Equal(texts(one), all) })
	eventually(t, "one output that has received and delivered ten", func() bool {
		_, outs := tr.Accounts()
		return len(outs) == 1 && outs[0].Received == 10 && outs[0].Delivered == 10 && outs[0].Unaccounted == 0
	})
}

// TestARemovedOutputDeliversToItsOwnDestination: also where its place in the configuration had changed before.
func TestARemovedOutputDeliversToItsOwnDestination(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, first, up := downCluster(t)
	two, second := cluster(t, bulktest.Options{})
	a, b := esOutput("app*", first+"    Alias a\n"), esOutput("app*", second+"    Alias b\n")
	tr := start(t, dir, forwardInput+b+a)
	tr.send("app", "text")
	tr.mustReload(dir, forwardInput+a+b)
	tr.mustReload(dir, forwardInput+b+esOutput("other", second+"    Index new\n"))
	up.Store(true)
	eventually(t, "the record", func() bool { return len(texts(one)) == 1 && len(texts(two)) == 1 })
	eventually(t, "the end of the removed output", func() bool {
		_, outs := tr.Accounts()
		return len(outs) == 2
	})
	if n := len(texts(two)); n != 1 {
		t.Errorf("got %d records at the other destination, want 1", n)
	}
}

// TestReloadWhileReadingHasStopped: the queue is full, and a client waits. Neither the reload nor the other outputs wait, and the
// client's records go on to where the new configuration has their queue.
func TestReloadWhileReadingHasStopped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, first, up := downCluster(t)
	full := first + "    storage.total_limit_size 64k\n    when_full block\n"
	tr := start(t, dir, forwardInput+esOutput("*", full))
	c := tr.dial()
	const n = 2000
	written := c.writeMany("app", n)
	isFull := func() bool { return tr.current.Load().outputs[0].queue.Stats().Waiting > 0 }
	eventually(t, "the queue to be full", isFull)
	for _, text := range []string{
		forwardInput + esOutput("*", full+"    Workers 3\n"),
		forwardInput + esOutput("*", full) + "[OUTPUT]\n    Name null\n    Match *\n    Alias n\n",
		forwardInput + "    Buffer_Max_Size 2M\n" + esOutput("*", full),
	} {
		begin := time.Now()
		tr.mustReload(dir, text)
		if took := time.Since(begin); took > flightTime {
			t.Errorf("got it take %v, want it not to wait for the destination", took)
		}
		eventually(t, "the client to wait again", isFull)
	}
	up.Store(true)
	<-written
	eventually(t, "all records", func() bool { return len(one.Documents("*")) == n })
	if n := one.Conflicts(); n > 0 {
		t.Errorf("got %d records sent twice, want none", n)
	}
}

// TestReloadKeepsWhatIsInMemory: where no folder is writable.
func TestReloadKeepsWhatIsInMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "queue"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	one, first, up := downCluster(t)
	tr := start(t, dir, forwardInput+esOutput("*", first))
	all := lines(10)
	tr.send("app", all...)
	free := tr.memory.budget.Free()
	for i := range 5 {
		tr.mustReload(dir, forwardInput+esOutput("*", first+fmt.Sprintf("    Workers %d\n", 1+i%2))+"[OUTPUT]\n    Name null\n    Match n\n")
		tr.mustReload(dir, forwardInput+esOutput("*", first))
	}
	eventually(t, "the memory of removed outputs", func() bool { return tr.memory.budget.Free() >= free-(1<<20) })
	up.Store(true)
	slices.Sort(all)
	eventually(t, "the records", func() bool { return slices.Equal(texts(one), all) })
	if n := one.Conflicts(); n > 0 {
		t.Errorf("got %d records sent twice, want none", n)
	}
}

// TestAReloadThatFailsGivesItsMemoryBack: also that of queues in memory which it has opened.
func TestAReloadThatFailsGivesItsMemoryBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "queue"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tr := start(t, dir, forwardInput+nullOutputs("*"))
	free := tr.memory.budget.Free()
	for range 3 {
		failed := tr.reload(dir, forwardInput+"[INPUT]\n    Name forward\n    Unix_Path DIR/missing/in.sock\n"+nullOutputs("*", "more"))
		if !strings.Contains(failed, "missing") {
			t.Fatalf("got %q, want that the socket can't be made", failed)
		}
	}
	if now := tr.memory.budget.Free(); now < free-(4<<20) { // the output that runs takes some
		t.Errorf("got %d bytes less than before, want those of the queues back", free-now)
	}
}

// TestReloadOfInputs: a new one listens, one that is removed queues what it was sent, and one that changes keeps its socket.
func TestReloadOfInputs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, addr := cluster(t, bulktest.Options{})
	const more = "[INPUT]\n    Name syslog\n    Path DIR/log.sock\n    Mode unix_udp\n    Parser p\n[PARSER]\n    Name p\n    Format regex\n    Regex ^(?<log>.*)$\n"
	parsers := filepath.Join(dir, "parsers.conf")
	_, parser, _ := strings.Cut(more, "[PARSER]")
	if err := os.WriteFile(parsers, []byte("[PARSER]"+parser), 0o600); err != nil {
		t.Fatal(err)
	}
	service := strings.Replace(forwardInput, "[SERVICE]\n", "[SERVICE]\n    Parsers_File "+parsers+"\n", 1)
	input, _, _ := strings.Cut(more, "[PARSER]")
	tr := start(t, dir, service+esOutput("*", addr))
	c := tr.dial()
	c.write("app", "one")
	tr.mustReload(dir, service+input+esOutput("*", addr))
	log, err := net.Dial("unixgram", filepath.Join(dir, "log.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	say := func(text string) {
		t.Helper()
		if _, err := log.Write([]byte(text)); err != nil {
			t.Errorf("got %v, want the socket to stay open", err)
		}
	}
	say("two")
	for n := range 4 { // the socket is handed over
		tr.mustReload(dir, service+input+fmt.Sprintf("    Buffer_Max_Size %d\n", 65000+n)+esOutput("*", addr))
		say(fmt.Sprint("three", n))
		again, err := net.Dial("unixgram", filepath.Join(dir, "log.sock"))
		if err != nil {
			t.Fatal(err)
		}
		again.Close()
	}
	say("four") // and removed
	tr.mustReload(dir, service+esOutput("*", addr))
	if _, err := os.Lstat(filepath.Join(dir, "log.sock")); !os.IsNotExist(err) {
		t.Errorf("got %v, want the file of the socket to be removed", err)
	}
	c.write("app", "one more")
	want := []string{"four", "one", "one more", "three0", "three1", "three2", "three3", "two"}
	eventually(t, "all records", func() bool { return slices.Equal(texts(server), want) })
	// The socket of the input that was there from the start is handed over to others, and its file is removed by the last.
	for n := range 3 {
		tr.mustReload(dir, service+fmt.Sprintf("    Buffer_Max_Size %dM\n", n+1)+esOutput("*", addr))
		tr.send("app", fmt.Sprint("z", n))
	}
	c.write("app", "zz")
	want = append(want, "z0", "z1", "z2", "zz")
	eventually(t, "all records", func() bool { return slices.Equal(texts(server), want) })
	tr.wait()
	if _, err := os.Lstat(tr.socket); !os.IsNotExist(err) {
		t.Errorf("got %v, want the file of the socket to be removed", err)
	}
}

// TestReloadOfTail: offsets are kept, and each line is read once, whether the input goes on, or changes, or comes back.
func TestReloadOfTail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "app.log")
	tail := "[INPUT]\n    Name tail\n    Path " + file + "\n    Tag app\n    Read_from_Head On\n    DB DIR/offsets\n"
	write := func(from, to int) {
		t.Helper()
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i := from; i < to; i++ {
			fmt.Fprintln(f, i)
		}
	}
	write(0, 100)
	tr := start(t, dir, forwardInput+tail+toFile)
	for n, text := range []string{
		forwardInput + tail + toFile,
		forwardInput + tail + "    Buffer_Max_Size 64k\n" + toFile,
		forwardInput + toFile,
		forwardInput + tail + toFile,
		forwardInput + tail + "    Path_Key p\n" + toFile,
		forwardInput + "[INPUT]\n    Name tail\n    Path " + file + "\n    Tag app\n    DB DIR/app.log/offsets\n" + toFile,
	} {
		write(100*(n+1), 100*(n+2))
		if failed := tr.reload(dir, text); (failed != "[]") != strings.Contains(text, "app.log/offsets") {
			t.Errorf("%s: got %s", text, failed)
		}
	}
	write(700, 800) // the configuration that is wrong has left the input in place
	out := filepath.Join(dir, "out")
	count := func() map[int]int {
		all := make(map[int]int)
		b, _ := os.ReadFile(out)
		for line := range bytes.Lines(b) {
			_, text, _ := bytes.Cut(line, []byte(`"log":"`))
			text, _, _ = bytes.Cut(text, []byte(`"`))
			n, _ := strconv.Atoi(string(text))
			all[n]++
		}
		return all
	}
	eventually(t, "all lines", func() bool { return len(count()) >= 800 })
	onceEach(t, count(), 800)
}

// TestReloadReleasesWhatStepsHold, and what joiners hold goes on: the two halves of a line that Docker has split are one line.
func TestReloadReleasesWhatStepsHold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, addr := cluster(t, bulktest.Options{})
	multiline := "[FILTER]\n    Name multiline\n    Match app\n    multiline.key_content log\n    multiline.parser java\n    flush_ms 60000\n"
	tr := startIn(t, dir, forwardInput+multiline+esOutput("*", addr), Env{joinTime: time.Minute})
	tr.send("web", "first")
	tr.add("other", `{"container_id":"c1","source":"stdout","log":"half ","partial_message":"true","partial_id":"x","partial_ordinal":"1","partial_last":"false"}`)
	c := tr.dial()
	c.write("app", "java.lang.Exception: x", "\tat a.b(C.java:1)")
	eventually(t, "a held record", func() bool {
		_, outs := tr.Accounts()
		return outs[0].Held == 2
	})
	tr.mustReload(dir, forwardInput+seenByAll+esOutput("*", addr))
	eventually(t, "the held record", func() bool { return len(server.Documents("*")) == 2 })
	tr.add("other", `{"container_id":"c1","source":"stdout","log":"and half","partial_message":"true","partial_id":"x","partial_ordinal":"2","partial_last":"true"}`)
	eventually(t, "the whole line", func() bool { return slices.Contains(texts(server), "half and half") })
	_, outs := tr.Accounts()
	if a := outs[0]; a.Held != 0 || a.Unaccounted != 0 || a.Received != 4 {
		t.Errorf("got %+v, want nothing held", a)
	}
}

// TestReloadAtAStop: the stop ends it, and nothing is lost or sent twice.
func TestReloadAtAStop(t *testing.T) {
	t.Parallel()
	for range 5 {
		dir := t.TempDir()
		server, addr := cluster(t, bulktest.Options{})
		tr := start(t, dir, forwardInput+esOutput("*", addr))
		tr.send("app", lines(100)...)
		begun, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for n := 0; ; n++ {
				failed := tr.reload(dir, forwardInput+esOutput("*", addr+fmt.Sprintf("    Workers %d\n", 1+n%2)))
				if strings.Contains(failed, ErrNotRunning.Error()) {
					return
				}
				if n == 0 {
					close(begun)
				}
			}
		}()
		<-begun
		tr.wait()
		<-ended
		if n := len(server.Documents("*")); n != 100 || server.Conflicts() > 0 {
			t.Errorf("got %d documents and %d sent twice, want 100 once", n, server.Conflicts())
		}
	}
}

// TestReloadWaitsForTheStart: one that is asked for too early isn't lost.
func TestReloadWaitsForTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plan := compilePlan(t, dir, forwardInput+toFile)
	r, _ := New(plan, Env{Log: start(t, t.TempDir(), forwardInput+toFile).env.Log})
	reloaded := make(chan error, 1)
	go func() {
		_, err := r.Reload(t.Context(), plan)
		reloaded <- err
	}()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, t.Context()) }()
	if err := <-reloaded; err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := r.Reload(t.Context(), plan); err != ErrNotRunning {
		t.Errorf("got %v after the stop, want %v", err, ErrNotRunning)
	}
}

// TestWhatIsHeldGoesOnAfterAReloadThatFails: it is released in its time, though nothing more comes.
func TestWhatIsHeldGoesOnAfterAReloadThatFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	multiline := "[FILTER]\n    Name multiline\n    Match app\n    multiline.key_content log\n    multiline.parser java\n    flush_ms 300\n"
	tr := start(t, dir, forwardInput+multiline+nullOutputs("*"))
	held := func() int64 {
		_, outs := tr.Accounts()
		return outs[0].Held
	}
	plan := compilePlan(t, dir, forwardInput+nullOutputs("*"))
	ended, end := context.WithCancel(t.Context())
	end()
	i := tr.newIntake(tr.inputs[0])
	i.Add([]byte("app"), record.Time{}, logBody("java.lang.Exception: x"))
	if err := i.Flush(t.Context()); !errors.Is(err, input.ErrHeld) || held() != 1 {
		t.Fatalf("got %v and %d held, want one record held", err, held())
	}
	eventually(t, "the time of what is held to be known", tr.stages[0].holder.armed.Load)
	for range 20 { // some of them get as far as the last step that may fail
		if _, err := tr.Reload(ended, plan); err != ErrNotRunning {
			t.Fatalf("got %v, want %v", err, ErrNotRunning)
		}
	}
	eventually(t, "the held record", func() bool { return held() == 0 && i.Flush(t.Context()) == nil })
}
