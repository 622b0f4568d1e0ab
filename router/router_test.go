package router

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/bulk/bulktest"
	"github.com/firelane/firelane/sink/dead"
)

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "16") // tests with real sockets wait more than they compute
	leaktest.Main(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// patience is how long a test waits for something that must happen, on a busy machine.
const patience = time.Minute

// eventually waits until what holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) { // accounts tell nobody when they change
		if time.Now().After(deadline) {
			t.Fatalf("timed out after %v waiting for %s", patience, what)
		}
	}
}

// A testRouter is a router that runs in this process.
type testRouter struct {
	*Router
	t      *testing.T
	socket string
	log    *logBuffer
	stop   context.CancelFunc
	ended  chan error
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// compilePlan compiles a configuration, in which SOCKET and DIR stand for places of the test's own.
func compilePlan(t testing.TB, dir, text string) *config.Plan {
	t.Helper()
	text = strings.NewReplacer("SOCKET", filepath.Join(dir, "in.sock"), "DIR", dir).Replace(text)
	file := filepath.Join(dir, "test.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, diags := config.Compile(file, Catalogue(), func(string) (string, bool) { return "", false })
	if len(diags) > 0 {
		t.Fatalf("compile: got %v, want no error", diags)
	}
	return plan
}

// start runs a configuration until the test ends or stops it.
func start(t *testing.T, dir, text string) *testRouter {
	t.Helper()
	return startIn(t, dir, text, Env{})
}

// startIn is start with what Env has besides the log.
func startIn(t *testing.T, dir, text string, env Env) *testRouter {
	t.Helper()
	plan := compilePlan(t, dir, text)
	log := &logBuffer{}
	env.Log, env.Version, env.Hostname = zerolog.New(log), "test", "host"
	if env.OwnLog != nil {
		env.Log = zerolog.New(io.MultiWriter(env.OwnLog, log))
	}
	r, diags := New(plan, env)
	if len(diags) > 0 {
		t.Fatalf("new: got %v, want no error", diags)
	}
	ctx, cancel := context.WithCancel(context.Background())
	tr := &testRouter{Router: r, t: t, socket: filepath.Join(dir, "in.sock"), log: log, stop: cancel, ended: make(chan error, 1)}
	go func() { tr.ended <- r.Run(ctx, context.Background()) }()
	t.Cleanup(func() { tr.wait() })
	eventually(t, "the router to run", func() bool { return strings.Contains(log.String(), "firelane is running") })
	return tr
}

// wait stops the router and waits for its end.
func (tr *testRouter) wait() {
	tr.t.Helper()
	tr.stop()
	select {
	case err, ok := <-tr.ended:
		if ok && err != nil {
			tr.t.Errorf("run: got %v, want no error", err)
		}
		if ok {
			close(tr.ended)
		}
		_, outs := tr.Accounts()
		for _, a := range outs {
			if a.Unaccounted != 0 {
				tr.t.Errorf("got %+v, want no record unaccounted", a)
			}
		}
	case <-time.After(patience):
		tr.t.Fatalf("timed out after %v waiting for the router to stop; its log:\n%s", patience, tr.log)
	}
}

// send logs lines as an application does; it returns when all are acknowledged.
func (tr *testRouter) send(tag string, lines ...string) {
	tr.t.Helper()
	client, err := fluent.New(fluent.Config{FluentNetwork: "unix", FluentSocketPath: tr.socket, SubSecondPrecision: true, RequestAck: true})
	if err != nil {
		tr.t.Fatal(err)
	}
	defer client.Close()
	for _, line := range lines {
		if err := client.Post(tag, map[string]string{"container_id": "c1", "source": "stdout", "log": line}); err != nil {
			tr.t.Fatal(err)
		}
	}
}

func lines(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("line %d", i)
	}
	return all
}

// cluster is a bulk endpoint, and its address as two options.
func cluster(t *testing.T, o bulktest.Options) (*bulktest.Server, string) {
	t.Helper()
	s := bulktest.New(o)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	host, port, _ := strings.Cut(strings.TrimPrefix(h.URL, "http://"), ":")
	return s, "    Host " + host + "\n    Port " + port + "\n"
}

// forwardInput has a longer grace than a test waits: a router that ends before has ended for another reason.
const forwardInput = `
[SERVICE]
    storage.path DIR/queue
    Flush 10ms
    Grace 300
[INPUT]
    Name forward
    unix_path SOCKET
`

// shortGrace is forwardInput for a router that is stopped while records can't be delivered.
var shortGrace = strings.Replace(forwardInput, "Grace 300", "Grace 50ms", 1)

// balanced checks an account: whatever has happened, it adds up to what was sent.
func (tr *testRouter) balanced(sent int64) Account {
	tr.t.Helper()
	_, outs := tr.Accounts()
	a := outs[0]
	sum := a.Delivered + a.Filtered + a.Dead + a.Buffered
	for _, n := range a.Dropped {
		sum += n
	}
	if sum != sent || a.Received != sent {
		tr.t.Errorf("got the account %+v, want it to add up to the %d that were sent", a, sent)
	}
	return a
}

func TestEveryRecordIsInTheAccountsWhateverBecomesOfIt(t *testing.T) {
	t.Parallel()
	_, addr := cluster(t, bulktest.Options{Item: func(_, _, _ string, doc []byte) bulktest.ItemFault {
		if bytes.Contains(doc, []byte("line 1")) { // 1 and 10 to 19
			return bulktest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "no"}
		}
		return bulktest.ItemFault{}
	}})
	tr := start(t, t.TempDir(), forwardInput+`
[FILTER]
    Name grep
    Match *
    Exclude log ^line 2
[OUTPUT]
    Name es
    Match *
`+addr)
	tr.send("app", lines(30)...)
	eventually(t, "everything to end", func() bool { return tr.balanced(30).Buffered == 0 })
	a := tr.balanced(30)
	if a.Filtered != 11 || a.Dead != 11 || a.Delivered != 8 {
		t.Errorf("got the account %+v, want 11 filtered, 11 dead-lettered and 8 delivered", a)
	}
}

func TestEveryMatchingOutputGetsTheRecordInFluentBit(t *testing.T) {
	t.Parallel()
	one, addr1 := cluster(t, bulktest.Options{})
	two, addr2 := cluster(t, bulktest.Options{})
	tr := start(t, t.TempDir(), forwardInput+"[OUTPUT]\n    Name es\n    Match app*\n"+addr1+"[OUTPUT]\n    Name opensearch\n    Match *\n"+addr2)
	tr.send("app", "both")
	tr.send("other", "second")
	eventually(t, "three documents", func() bool { return len(one.Documents("*")) == 1 && len(two.Documents("*")) == 2 })
}

func TestFirstMatchTakesTheRecordInFluentd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tr := start(t, dir, `
<system>
  root_dir DIR/queue
</system>
<source>
  @type unix
  path SOCKET
</source>
<filter **>
  @type record_transformer
  <record>
    ecs_cluster demo
  </record>
</filter>
<match app**>
  @type copy
  <store>
    @type file
    path DIR/first
    append true
    <format>
      @type json
    </format>
  </store>
  <store>
    @type null
  </store>
</match>
<match **>
  @type null
</match>
`)
	tr.send("app", "one", "two")
	tr.send("other", "three")
	eventually(t, "all outputs", func() bool {
		_, outs := tr.Accounts()
		return outs[0].Delivered == 2 && outs[1].Delivered == 2 && outs[2].Delivered == 1
	})
	files, _ := filepath.Glob(filepath.Join(dir, "first*"))
	if len(files) != 1 {
		t.Fatalf("got the files %v, want one", files)
	}
	text, _ := os.ReadFile(files[0])
	if got := string(text); strings.Count(got, `"ecs_cluster":"demo"`) != 2 || strings.Contains(got, "three") {
		t.Errorf("got %s in the file, want the first two lines, each with its cluster", got)
	}
}

func TestWhatWasAcknowledgedSurvivesAStopAndArrivesOnceAtTheNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var down bool
	var mu sync.Mutex
	setDown := func(v bool) { mu.Lock(); down = v; mu.Unlock() }
	setDown(true)
	server, addr := cluster(t, bulktest.Options{Request: func(int, *http.Request) bulktest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if down {
			return bulktest.Fault{Lose: true} // taken, but nobody learns of it
		}
		return bulktest.Fault{}
	}})
	conf := shortGrace + "[OUTPUT]\n    Name es\n    Match *\n" + addr
	first := start(t, dir, conf)
	first.send("app", lines(100)...)
	first.wait()
	if a := first.balanced(100); a.Buffered != 100 {
		t.Fatalf("got the account %+v after a stop with no reply ever received, want 100 buffered", a)
	}
	setDown(false)
	second := start(t, dir, conf)
	eventually(t, "the rest to be delivered", func() bool { return second.balanced(100).Delivered == 100 })
	if n := len(server.Documents("*")); n != 100 {
		t.Errorf("got %d documents, want 100", n)
	}
}

func TestIdleRouterStopsAtOnce(t *testing.T) {
	t.Parallel()
	_, addr := cluster(t, bulktest.Options{})
	tr := start(t, t.TempDir(), forwardInput+"[OUTPUT]\n    Name es\n    Match *\n"+addr)
	tr.send("app", "x")
	eventually(t, "delivery", func() bool { return tr.balanced(1).Delivered == 1 })
	tr.wait()
	if !strings.Contains(tr.log.String(), `"received":1,"delivered":1,"filtered":0`) {
		t.Errorf("got this log, want the accounts in its last line:\n%s", tr.log)
	}
}

func TestRecordsWithoutAnOutputAreCounted(t *testing.T) {
	t.Parallel()
	tr := start(t, t.TempDir(), forwardInput+"[OUTPUT]\n    Name null\n    Match app*\n")
	tr.send("nobody", "a", "b")
	ins, _ := tr.Accounts()
	if ins[0].Received != 2 || ins[0].Unrouted != 2 {
		t.Errorf("got the input's account %+v, want 2 received and 2 unrouted", ins[0])
	}
	if !strings.Contains(tr.log.String(), "no output matches this tag") {
		t.Errorf("got this log, want it to say that no output matches:\n%s", tr.log)
	}
}

func TestWithoutAWritableFolderTheQueueIsInMemoryAndThatIsLogged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, addr := cluster(t, bulktest.Options{})
	conf := strings.Replace(forwardInput, "DIR/queue", "DIR/test.conf/queue", 1) // below a file
	tr := start(t, dir, conf+"[OUTPUT]\n    Name es\n    Match *\n"+addr)
	tr.send("app", "x")
	eventually(t, "delivery", func() bool { return len(server.Documents("*")) == 1 })
	for _, want := range []string{"no queue on disk", `"queue_on_disk":false`} {
		if !strings.Contains(tr.log.String(), want) {
			t.Errorf("got this log, want %q in it:\n%s", want, tr.log)
		}
	}
}

func TestDeadOutputLeavesTheOtherAlone(t *testing.T) {
	t.Parallel()
	alive, addr := cluster(t, bulktest.Options{})
	tr := start(t, t.TempDir(), shortGrace+
		"[OUTPUT]\n    Name es\n    Match *\n    Host 127.0.0.1\n    Port 1\n[OUTPUT]\n    Name es\n    Match *\n"+addr)
	tr.send("app", lines(200)...)
	eventually(t, "the living output", func() bool { return len(alive.Documents("*")) == 200 })
	eventually(t, "the accounts to say so", func() bool {
		_, outs := tr.Accounts()
		return outs[0].Buffered == 200 && outs[1].Delivered == 200
	})
}

func TestLinesThatDockerSplitAreJoinedUnlessTurnedOff(t *testing.T) {
	t.Parallel()
	for _, join := range []string{"on", "off"} {
		t.Run("join_partial "+join, func(t *testing.T) {
			server, addr := cluster(t, bulktest.Options{})
			tr := start(t, t.TempDir(), strings.Replace(forwardInput, "Grace 300", "Grace 300\n    join_partial "+join, 1)+
				"[OUTPUT]\n    Name es\n    Match *\n"+addr)
			client, err := fluent.New(fluent.Config{FluentNetwork: "unix", FluentSocketPath: tr.socket, RequestAck: true})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			for n, text := range []string{"first ", "second ", "third"} {
				err := client.Post("app", map[string]string{
					"container_id": "c1", "source": "stdout", "log": text, "partial_message": "true", "partial_id": "p",
					"partial_ordinal": fmt.Sprint(n + 1), "partial_last": fmt.Sprint(n == 2),
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			want := map[string]int{"on": 1, "off": 3}[join]
			eventually(t, "documents", func() bool { return len(server.Documents("*")) == want })
			if doc := server.Documents("*")[0]; join == "on" && !bytes.Contains(doc.Source, []byte(`"log":"first second third"`)) {
				t.Errorf("got %s, want the three parts joined", doc.Source)
			}
		})
	}
}

func TestSocketThatCannotBeBoundIsOneClearError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.sock"), []byte("not a socket"), 0o600); err != nil {
		t.Fatal(err)
	}
	plan := compilePlan(t, dir, forwardInput+"[OUTPUT]\n    Name null\n    Match *\n")
	r, _ := New(plan, Env{Log: zerolog.Nop()})
	err := r.Run(context.Background(), context.Background())
	if err == nil || !strings.Contains(err.Error(), "test.conf:6: forward: ") {
		t.Errorf("got error %v, want the place of the input and what is in the way", err)
	}
}

func TestDeadLettersAreDeliveredOnceMore(t *testing.T) {
	t.Parallel()
	var fixed atomic.Bool
	server, addr := cluster(t, bulktest.Options{Item: func(_, _, _ string, doc []byte) bulktest.ItemFault {
		if !fixed.Load() && bytes.Contains(doc, []byte("line 1")) {
			return bulktest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "no such field"}
		}
		return bulktest.ItemFault{}
	}})
	dir := t.TempDir()
	conf := forwardInput + "[OUTPUT]\n    Name es\n    Match *\n" + addr
	tr := start(t, dir, conf)
	tr.send("app", lines(5)...)
	eventually(t, "the dead letter and the other documents", func() bool { a := tr.balanced(5); return a.Dead == 1 && a.Delivered == 4 })

	plan := compilePlan(t, dir, conf)
	files, _, err := DeadFiles(plan)
	if err != nil || len(files["es.0"]) != 1 {
		t.Fatalf("got the dead letter files %v and error %v, want one file", files, err)
	}
	fixed.Store(true)
	a, err := Resend(context.Background(), plan, Env{Log: zerolog.Nop()}, "es.0", files["es.0"], nil)
	if err != nil || a.Delivered != 1 || a.Dead != 0 {
		t.Errorf("resend: got %+v and error %v, want 1 delivered", a, err)
	}
	if docs := server.Documents("*"); len(docs) != 5 || !bytes.Contains(docs[4].Source, []byte(`"log":"line 1"`)) {
		t.Errorf("got the documents %v, want 5, the one that was sent again last", docs)
	}
	if files, _, _ := DeadFiles(plan); len(files) != 0 {
		t.Errorf("got the files %v after the resend, want none", files)
	}
	tr.balanced(5) // the running router was not disturbed
}

// A batch in the queue can't be read on after a body that is no map.
func TestADeadLettersLineWithoutARecordCostsNoOtherRecord(t *testing.T) {
	t.Parallel()
	server, addr := cluster(t, bulktest.Options{})
	dir := t.TempDir()
	plan := compilePlan(t, dir, forwardInput+"[OUTPUT]\n    Name es\n    Match *\n"+addr)
	file := filepath.Join(dir, "es.0.jsonl")
	var text string
	for _, rec := range []string{`{"log":"1"}`, `null`, `5`, `{"log":"2"}`} {
		text += `{"output":"es.0","tag":"app","record_time":"2026-11-25T10:00:00Z","record":` + rec + "}\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Resend(context.Background(), plan, Env{Log: zerolog.Nop()}, "es.0", []string{file}, nil)
	if a.Delivered != 2 || len(server.Documents("*")) != 2 {
		t.Errorf("got %+v, want both records delivered", a)
	}
	if err == nil || !strings.Contains(err.Error(), "are kept: 2, the first: "+file) {
		t.Errorf("got error %v, want the lines kept that have no record", err)
	}
}

// Each would send all records: somebody may be impatient with a slow destination.
func TestTwoResendsAtOnceSendEachRecordOnce(t *testing.T) {
	t.Parallel()
	server, addr := cluster(t, bulktest.Options{})
	dir := t.TempDir()
	plan := compilePlan(t, dir, forwardInput+"[OUTPUT]\n    Name es\n    Match *\n"+addr)
	file := filepath.Join(dir, "es.0.jsonl")
	text := `{"output":"es.0","tag":"app","record_time":"2026-11-25T10:00:00Z","record":{"log":"1"}}` + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	resend := func() (Account, error) {
		return Resend(context.Background(), plan, Env{Log: zerolog.Nop()}, "es.0", []string{file}, nil)
	}
	first, err := dead.Lock(file)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := resend(); err == nil || a.Received != 0 {
		t.Errorf("got %+v and error %v, want nothing sent beside another resend", a, err)
	}
	first()
	if a, err := resend(); err != nil || a.Delivered != 1 || len(server.Documents("*")) != 1 {
		t.Errorf("got %+v and error %v, want one record delivered after it", a, err)
	}
}

// As those that a kill leaves in the middle of a line.
func TestWhatADeadLetterHasDeliveredIsNotSentAgainForALineWithoutARecord(t *testing.T) {
	t.Parallel()
	server, addr := cluster(t, bulktest.Options{})
	dir := t.TempDir()
	conf := forwardInput + "[OUTPUT]\n    Name es\n    Match *\n" + addr + "    dead_letter.path " + dir + "\n"
	plan := compilePlan(t, dir, conf)
	r, diags := New(plan, Env{Log: zerolog.Nop()})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	file := filepath.Join(dir, r.outputs[0].name+dead.Suffix)
	const head = `{"output":"es.0","tag":"app","record_time":"2026-11-25T10:00:00Z","record":`
	const bad = `{"time":"2026-` + "\n" + head + "null}\n"
	text := head + `{"log":"1"}}` + "\n" + bad + head + `{"log":"2"}}` + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for n, want := range []int64{2, 0, 0} {
		files, _, err := DeadFiles(plan)
		if err != nil || len(files["es.0"]) != 1 {
			t.Fatalf("got the files %v and error %v, want one", files, err)
		}
		a, err := Resend(context.Background(), plan, Env{Log: zerolog.Nop()}, "es.0", files["es.0"], nil)
		if a.Delivered != want || err == nil {
			t.Errorf("resend %d: got %+v and error %v, want %d delivered, and an error for the other lines", n, a, err, want)
		}
		if got, err := os.ReadFile(file + ".1"); err != nil || string(got) != bad {
			t.Errorf("resend %d: got the file %q and error %v, want the lines without a record", n, got, err)
		}
	}
	if docs := server.Documents("*"); len(docs) != 2 {
		t.Errorf("got %d documents, want each record once", len(docs))
	}
}

func TestAnotherAliasKeepsTheQueue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf := shortGrace + "[OUTPUT]\n    Name es\n    Alias NAME\n    Match *\n    Port 1\n"
	first := start(t, dir, strings.Replace(conf, "NAME", "old", 1))
	first.send("app", "x")
	first.wait()
	second := start(t, dir, strings.Replace(conf, "NAME", "new", 1))
	if a := second.balanced(1); a.Buffered != 1 {
		t.Errorf("got the account %+v of the output with another alias, want its record buffered", a)
	}
}

func TestTwoRoutersNeverShareAQueue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf := forwardInput + "[OUTPUT]\n    Name null\n    Match *\n"
	start(t, dir, conf)
	plan := compilePlan(t, dir, strings.Replace(conf, "SOCKET", "DIR/other.sock", 1))
	r, _ := New(plan, Env{Log: zerolog.Nop()})
	err := r.Run(context.Background(), context.Background())
	if err == nil || !strings.Contains(err.Error(), "another router uses this folder") || !strings.Contains(err.Error(), dir) {
		t.Errorf("got error %v, want the folder and that it is in use", err)
	}
}

// TestSecondStartLeavesTheRunningRouterAlone: `docker exec log_router /firelane` starts a second router with the same
// configuration.
func TestSecondStartLeavesTheRunningRouterAlone(t *testing.T) {
	t.Parallel()
	for name, conf := range map[string]string{
		"queue on disk":   forwardInput,
		"queue in memory": strings.Replace(forwardInput, "DIR/queue", "DIR/test.conf/queue", 1),
	} {
		dir := t.TempDir()
		conf += "[OUTPUT]\n    Name null\n    Match *\n"
		first := start(t, dir, conf)
		r, _ := New(compilePlan(t, dir, conf), Env{Log: zerolog.Nop()})
		if err := r.Run(context.Background(), context.Background()); err == nil {
			t.Errorf("%s: got no error from the second start, want one", name)
		}
		first.send("app", "x")
		eventually(t, name+": the record after the second start", func() bool {
			_, outs := first.Accounts()
			return outs[0].Delivered == 1
		})
	}
}

// TestSilentClientsDoNotKeepARouterThatStops: who still writes is taken, but a connection alone is nothing to wait for.
func TestSilentClientsDoNotKeepARouterThatStops(t *testing.T) {
	t.Parallel()
	tr := start(t, t.TempDir(), forwardInput+"[OUTPUT]\n    Name null\n    Match *\n")
	client, err := fluent.New(fluent.Config{FluentNetwork: "unix", FluentSocketPath: tr.socket, RequestAck: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	post := func() {
		if err := client.Post("app", map[string]string{"log": "x"}); err != nil {
			t.Fatal(err)
		}
	}
	post()
	begin := time.Now()
	tr.stop()
	post()
	tr.wait()
	if took := time.Since(begin); took < silenceTime {
		t.Errorf("the stop took %v, want it to wait %v for more records", took, silenceTime)
	}
	if a := tr.balanced(2); a.Delivered != 2 {
		t.Errorf("got the account %+v, want what came during the stop delivered", a)
	}
	if log := tr.log.String(); !strings.Contains(log, "clients are still connected, but silent") {
		t.Errorf("got this log, want why it left:\n%s", log)
	}
}

func TestSilenceBeginsAgainWithEachRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, nullOutputs("*"))
		i := r.newIntake(r.inputs[0])
		begin, silent := time.Now(), make(chan bool)
		go func() { silent <- r.awaitSilence(t.Context()) }()
		for range 2 {
			time.Sleep(silenceTime * 2 / 3)
			i.addLogs("app", "x")
			flush(t, i)
			queued(t, r.outputs[0]) // delivered
		}
		last := time.Since(begin)
		if !<-silent {
			t.Error("got no silence, want it")
		}
		if took := time.Since(begin); took < last+silenceTime || took > last+silenceTime+2*silencePoll {
			t.Errorf("got silence after %v, want it %v after the last record, which came after %v", took, silenceTime, last)
		}
	})
}

// TestDropsForRoomAreLoggedBeforeTheLastLinesAndAddUp: nothing follows the accounts, and a line's total is that of its moment.
func TestDropsForRoomAreLoggedBeforeTheLastLinesAndAddUp(t *testing.T) {
	t.Parallel()
	tr := start(t, t.TempDir(), shortGrace+"[OUTPUT]\n    Name es\n    Match *\n    Port 1\n    storage.total_limit_size 16K\n    overflow_action drop_oldest_chunk\n")
	const sent = 2000
	i := tr.newIntake(tr.inputs[0])
	for range sent {
		i.Add([]byte("app"), record.Time{Sec: 1}, []byte{0x81, 0xa1, 'a', 0xa1, 'b'})
		if err := i.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tr.wait()
	a := tr.balanced(sent)
	total, stopped := int64(0), false
	for line := range strings.Lines(tr.log.String()) {
		var l struct {
			Message string
			Total   int64 `json:"dropped_total"`
			Dropped map[string]int64

			Suppressed int
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(l.Message, "the queue is full"):
			if l.Suppressed > 0 && l.Total == 0 && !stopped {
				break // how many lines were suppressed, at the end
			}
			if stopped || l.Total <= total || l.Total > a.Dropped[noRoom] {
				t.Errorf("got %s after a total of %d, want it before the accounts, which say %v", line, total, a.Dropped)
			}
			total = l.Total
		case strings.HasPrefix(l.Message, "stopped; what is buffered"):
			stopped = true
			if l.Dropped[noRoom] != a.Dropped[noRoom] {
				t.Errorf("got %s, want %v dropped", line, a.Dropped)
			}
		}
	}
	if total == 0 || !stopped {
		t.Errorf("got this log, want drops for room and the accounts:\n%s", tr.log)
	}
}

func TestWhatAQueueInMemoryHeldAtTheEndIsCountedAsLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf := strings.NewReplacer("DIR/queue", "DIR/test.conf/queue", "Grace 300", "Grace 50ms").Replace(forwardInput)
	tr := start(t, dir, conf+"[OUTPUT]\n    Name es\n    Match *\n    Port 1\n")
	tr.send("app", lines(3)...)
	tr.wait()
	if a := tr.balanced(3); a.Buffered != 0 || a.Dropped["queue was in memory"] != 3 {
		t.Errorf("got the account %+v, want 3 dropped with the queue", a)
	}
	if !strings.Contains(tr.log.String(), "the queue was in memory, and what it held is lost") {
		t.Errorf("got this log, want the loss in its last line:\n%s", tr.log)
	}
}

func TestDeadLettersGoToAnIndexOnce(t *testing.T) {
	t.Parallel()
	server, addr := cluster(t, bulktest.Options{Item: func(_, index, _ string, doc []byte) bulktest.ItemFault {
		if index != "graveyard-2026" && bytes.Contains(doc, []byte("line 1")) {
			return bulktest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "failed to parse field [log]"}
		}
		return bulktest.ItemFault{}
	}})
	tr := start(t, t.TempDir(), forwardInput+"[OUTPUT]\n    Name es\n    Match *\n    Logstash_Format On\n    dead_letter index\n    dead_letter.index graveyard-%Y\n"+addr)
	client, err := fluent.New(fluent.Config{FluentNetwork: "unix", FluentSocketPath: tr.socket, RequestAck: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines(3) {
		if err := client.PostWithTime("app", time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), map[string]string{"log": line}); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Close(); err != nil { // a client that is connected keeps a router that stops
		t.Fatal(err)
	}
	eventually(t, "the dead letter", func() bool { return len(server.Documents("graveyard-2026")) == 1 })
	doc := string(server.Documents("graveyard-2026")[0].Source)
	for _, want := range []string{
		`"@timestamp":"2026-11-23T10:00:00.000000000Z"`, `"status":400`, `"type":"mapper_parsing_exception"`, `"reason":"failed to parse field [log]"`,
		`"index":"logstash-2026.11.23"`, `"output":"es.0"`, `"tag":"app"`, `"record":"{\"log\":\"line 1\"}"`,
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("no %s in %s", want, doc)
		}
	}
	tr.wait()
	_, outs := tr.Accounts()
	if len(outs) != 2 || outs[0].Dead != 1 || outs[0].Delivered != 2 || outs[1].Output != "es.0.dead" || outs[1].Delivered != 1 {
		t.Errorf("got the accounts %+v, want 2 delivered and 1 dead letter, which its own output delivered", outs)
	}
}

func TestDeadLetterIndexNeedsACluster(t *testing.T) {
	plan := compilePlan(t, t.TempDir(), forwardInput+"[OUTPUT]\n    Name stdout\n    Match *\n    dead_letter index\n")
	_, diags := New(plan, Env{Log: zerolog.Nop()})
	if len(diags) != 1 || !strings.Contains(diags[0].String(), "dead_letter index needs an output of type es") {
		t.Errorf("got %v, want one error that says which output dead_letter index needs", diags)
	}
}

func TestWaysAfterACopyStartFromTheSameRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf := `
<system>
  root_dir DIR/queue
</system>
<source>
  @type unix
  path SOCKET
</source>
<filter **>
  @type record_transformer
  <record>
    before ${tag}
  </record>
</filter>
<match **>
  @type copy
  <store>
    @type relabel
    @label @ONE
  </store>
  <store>
    @type relabel
    @label @TWO
  </store>
</match>
`
	for _, way := range []string{"ONE", "TWO"} {
		conf += strings.ReplaceAll(`
<label @WAY>
  <filter **>
    @type record_transformer
    <record>
      WAY_a ${tag}
    </record>
  </filter>
  <filter **>
    @type record_transformer
    <record>
      WAY_b ${tag}
    </record>
  </filter>
  <match **>
    @type file
    path DIR/WAY
    append true
    <format>
      @type json
    </format>
  </match>
</label>
`, "WAY", way)
	}
	conf = strings.Replace(conf, "ONE_a ${tag}", "log changed in ${tag}", 1) // by one way alone
	tr := start(t, dir, conf)
	tr.send("app", "x", "x", "x") // the scratch has grown to its size after the first
	eventually(t, "both ways", func() bool {
		_, outs := tr.Accounts()
		return outs[0].Delivered == 3 && outs[1].Delivered == 3
	})
	for way, wants := range map[string][]string{
		"ONE": {`"before":"app"`, `"log":"changed in app"`, `"ONE_b":"app"`},
		"TWO": {`"before":"app"`, `"log":"x"`, `"TWO_a":"app"`, `"TWO_b":"app"`},
	} {
		files, _ := filepath.Glob(filepath.Join(dir, way+"*"))
		if len(files) != 1 {
			t.Fatalf("got the files %v of %s, want one", files, way)
		}
		text, _ := os.ReadFile(files[0])
		for _, want := range wants {
			if strings.Count(string(text), want) != 3 {
				t.Errorf("%s: got %s, want %s three times", way, text, want)
			}
		}
	}
}

func TestRunReturnsAtOnceWhenNowEnds(t *testing.T) {
	t.Parallel()
	r, _ := New(compilePlan(t, t.TempDir(), forwardInput+nullOutputs("*")), Env{Log: zerolog.Nop()})
	now, end := context.WithCancel(context.Background())
	end()
	done := make(chan error)
	go func() { done <- r.Run(context.Background(), now) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("got no end of Run, want it at once")
	}
}
