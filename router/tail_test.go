package router

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// What ECS adds to every record is held once for many, where no step after it reads a record. With a step after it that
// changes nothing it is in each record. The tests here hold that no destination can tell the difference.
const seenByAll = "[FILTER]\n    Name grep\n    Match *\n    Exclude ecs_cluster no-such-cluster\n"

// add puts records into the queues as a connection does, all of one tag, by one write.
func (tr *testRouter) add(tag string, records ...string) {
	tr.t.Helper()
	i := tr.newIntake(tr.inputs[0])
	for n, js := range records {
		body, err := record.AppendFromJSON(nil, []byte(js))
		if err != nil {
			tr.t.Fatalf("%s: %v", js, err)
		}
		i.Add([]byte(tag), record.Time{Sec: 1_764_000_000, Nsec: uint32(n)}, body)
	}
	if err := i.Flush(tr.t.Context()); err != nil {
		tr.t.Fatal(err)
	}
}

// done waits until all outputs have done with n records each.
func (tr *testRouter) done(n int64) {
	tr.t.Helper()
	eventually(tr.t, "all outputs", func() bool {
		_, outs := tr.Accounts()
		return !slices.ContainsFunc(outs, func(a Account) bool { return a.Delivered+a.Filtered+a.Dead != n })
	})
}

// sources are the documents of a cluster, in the order of their text.
func sources(s *bulktest.Server) string {
	var all []string
	for _, d := range s.Documents("*") {
		all = append(all, d.Index+" "+string(d.Source))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

var mixedRecords = []string{
	`{"container_id":"c1","container_name":"/web","source":"stdout","log":"a line"}`,
	`{"log":"with an own field","ecs_cluster":"mine","level":"info"}`,
	`{"log":{"nested":{"a.b":[1,2.5,null,true,"ecs_cluster"]}},"@timestamp":"2020-02-29T01:02:03Z"}`,
	`{"log":"no date","@timestamp":"yesterday","ecs_task_arn":null,"ecs_cluster":"twice"}`,
	`{"log":"x"}`,
}

// everywhere sends records to every kind of destination, by way of filters, and returns what arrived at each.
func everywhere(t *testing.T, filters string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	server, addr := cluster(t, bulktest.Options{})
	hears, port := listenOnce(t)
	outputs := map[string]string{
		"es":               "    Name es\n    Logstash_Format On\n" + addr,
		"es, by its field": "    Name opensearch\n    Logstash_Format On\n    Logstash_Prefix_Key ecs_cluster\n    Include_Tag_Key On\n" + addr,
		"es, replace_dots": "    Name es\n    Index dots\n    Replace_Dots On\n" + addr,
		"stdout":           "    Name stdout\n    Format json_lines\n",
		"stdout's own":     "    Name stdout\n",
		"forward":          "    Name forward\n    Host 127.0.0.1\n    Port " + port + "\n",
	}
	for _, format := range []string{"out_file", "plain", "csv", "ltsv", "template", "msgpack"} {
		outputs[format] = "    Name file\n    Path DIR\n    Template {log} {ecs_cluster}\n    File got-" + format + "\n    Format " + format + "\n"
	}
	conf := forwardInput + filters
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		conf += "[OUTPUT]\n    Match *\n" + outputs[name]
	}
	stdout := os.Stdout
	own, err := os.Create(filepath.Join(dir, "got-stdout"))
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout = own
	tr := start(t, dir, conf)
	os.Stdout = stdout
	tr.add("app", mixedRecords...)
	tr.done(int64(len(mixedRecords)))
	tr.wait()
	got := map[string]string{"forward": <-hears, "es": sources(server)}
	files, _ := filepath.Glob(filepath.Join(dir, "got-*"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(file)] = string(text)
	}
	lines := strings.SplitAfter(got["got-stdout"], "\n") // of two outputs, which take turns
	slices.Sort(lines)
	got["got-stdout"] = strings.Join(lines, "")
	return got
}

// listenOnce listens for one connection, and emits what it sent when it has ended.
func listenOnce(t *testing.T) (hears <-chan string, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	heard := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b, _ := io.ReadAll(c)
		heard <- string(b)
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return heard, port
}

func TestConstantFieldsArriveTheSameHoweverTheyAreHeld(t *testing.T) {
	once, each := everywhere(t, ecsMetadata), everywhere(t, ecsMetadata+seenByAll)
	if len(once) != 9 || len(each) != len(once) {
		t.Fatalf("got %d and %d destinations, want 9 each time", len(once), len(each))
	}
	for name, want := range each {
		if !strings.Contains(want, "production") || !strings.Contains(want, "web:42") && name != "got-template" {
			t.Errorf("%s: got %s, want the fields of ECS in it: otherwise the test shows nothing", name, want)
		}
		if got := once[name]; got != want {
			t.Errorf("%s: got  %s\nwant %s", name, got, want)
		}
	}
}

// unstarted is a router for what its intakes do alone.
func unstarted(t *testing.T, conf string) *Router {
	t.Helper()
	r, diags := New(compilePlan(t, t.TempDir(), conf), Env{Log: zerolog.Nop()})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return r
}

func TestConstantFieldsAreHeldOnceABatchAndCostNoAllocation(t *testing.T) {
	for filters, want := range map[string]int{ecsMetadata: 1, ecsMetadata + seenByAll: 100} {
		r := unstarted(t, forwardInput+filters+"[OUTPUT]\n    Name null\n    Match *\n")
		i, body := r.newIntake(r.inputs[0]), dockerBody(t)
		tag := []byte("app")
		add := func() {
			for range 100 {
				i.Add(tag, record.Time{Sec: 1}, body)
			}
		}
		add()
		if got := bytes.Count(i.pending[0].batch.Bytes(), []byte("ecs_task_arn")); got != want {
			t.Errorf("got the fields %d times for 100 records, want %d times", got, want)
		}
		if n := testing.AllocsPerRun(100, func() {
			i.pending[0].batch.Reset()
			add()
		}); n != 0 {
			t.Errorf("got %v allocations for 100 records, want none", n)
		}
	}
}

func TestStepsAfterConstantFieldsSeeThem(t *testing.T) {
	t.Parallel()
	server, addr := cluster(t, bulktest.Options{})
	tr := start(t, t.TempDir(), forwardInput+ecsMetadata+"[FILTER]\n    Name grep\n    Match app\n    Regex ecs_cluster ^prod\n"+
		"[FILTER]\n    Name grep\n    Match other\n    Exclude ecs_cluster ^prod\n[OUTPUT]\n    Name es\n    Match *\n"+addr)
	tr.add("app", `{"log":"kept"}`, `{"log":"own","ecs_cluster":"mine"}`)
	tr.add("other", `{"log":"dropped"}`)
	tr.add("third", `{"log":"untouched"}`)
	tr.done(4)
	docs := sources(server)
	if strings.Count(docs, `"ecs_cluster":"production"`) != 3 || strings.Contains(docs, "dropped") {
		t.Errorf("got these documents, want 3 of the cluster and none that was dropped:\n%s", docs)
	}
}

func TestTagsWithConstantFieldsOfTheirOwnShareAnOutput(t *testing.T) {
	t.Parallel()
	server, addr := cluster(t, bulktest.Options{})
	conf := forwardInput
	for _, tag := range []string{"a", "b"} {
		conf += "[FILTER]\n    Name record_modifier\n    Match " + tag + "\n    Record team team-" + tag + "\n"
	}
	tr := start(t, t.TempDir(), conf+"[OUTPUT]\n    Name es\n    Match *\n"+addr)
	i := tr.newIntake(tr.inputs[0])
	for n := range 6 {
		i.Add([]byte{"abc"[n%3]}, record.Time{Sec: 1_764_000_000}, []byte("\x81\xa3log\xa1"+"abc"[n%3:n%3+1]))
	}
	if err := i.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	tr.done(6)
	docs := sources(server)
	for _, want := range []string{`"log":"a","team":"team-a"}`, `"log":"b","team":"team-b"}`, `"log":"c"}`} {
		if strings.Count(docs, want) != 2 {
			t.Errorf("got these documents, want %s twice:\n%s", want, docs)
		}
	}
}

func TestWaysAfterACopyAddConstantFieldsOfTheirOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	filter := func(key string) string {
		return "<filter **>\n  @type record_transformer\n  <record>\n    " + key + " is set\n  </record>\n</filter>\n"
	}
	match := func(way string) string {
		return "<match **>\n  @type file\n  path DIR/" + way + "\n  <format>\n    @type json\n  </format>\n</match>\n"
	}
	conf := "<system>\n  root_dir DIR/queue\n</system>\n<source>\n  @type unix\n  path SOCKET\n</source>\n" + filter("before") +
		"<match **>\n  @type copy\n"
	for _, way := range []string{"one", "two"} {
		conf += "  <store>\n    @type relabel\n    @label @" + way + "\n  </store>\n"
	}
	conf += "</match>\n<label @one>\n" + filter("one") + match("one") + "</label>\n<label @two>\n" + match("two") + "</label>\n"
	tr := start(t, dir, conf)
	tr.add("app", `{"log":"x"}`, `{"log":"y","before":"own"}`, `{"log":"z","one":"own"}`)
	tr.done(3)
	for way, want := range map[string]string{
		"one": `{"log":"x","before":"is set","one":"is set"}` + "\n" + `{"log":"y","before":"is set","one":"is set"}` + "\n" + `{"log":"z","before":"is set","one":"is set"}` + "\n",
		"two": `{"log":"x","before":"is set"}` + "\n" + `{"log":"y","before":"is set"}` + "\n" + `{"log":"z","one":"own","before":"is set"}` + "\n",
	} {
		files, _ := filepath.Glob(filepath.Join(dir, way+"*"))
		if len(files) != 1 {
			t.Fatalf("got the files %v of %s, want one", files, way)
		}
		if got, _ := os.ReadFile(files[0]); string(got) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", way, got, want)
		}
	}
}

func TestDeadLettersKeepTheConstantFieldsAndAreDeliveredOnceMore(t *testing.T) {
	t.Parallel()
	var fixed atomic.Bool
	refusals := bulktest.Options{Item: func(_, _, _ string, doc []byte) bulktest.ItemFault {
		if !fixed.Load() && bytes.Contains(doc, []byte("bad")) {
			return bulktest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "no such field"}
		}
		return bulktest.ItemFault{}
	}}
	const arn = "arn:aws:ecs:eu-central-1:123456789012:task/production/0f3d5c1b9a8e4c7d8b2a6f4e1c9d7b3a"
	var docs []string
	for _, filters := range []string{ecsMetadata, ecsMetadata + seenByAll} {
		fixed.Store(false)
		server, addr := cluster(t, refusals)
		dir := t.TempDir()
		conf := forwardInput + filters + "[OUTPUT]\n    Name es\n    Match *\n" + addr
		tr := start(t, dir, conf)
		tr.add("app", `{"log":"good"}`, `{"log":"bad"}`, `{"log":"bad","ecs_cluster":"own"}`)
		tr.done(3)
		plan := compilePlan(t, dir, conf)
		files, _, err := DeadFiles(plan)
		if err != nil || len(files["es.0"]) != 1 {
			t.Fatalf("got the dead letter files %v and error %v, want one file", files, err)
		}
		text, _ := os.ReadFile(files["es.0"][0])
		want := `"record":{"log":"bad","ecs_cluster":"production","ecs_task_arn":"` + arn + `","ecs_task_definition":"web:42"}}` + "\n"
		if strings.Count(string(text), want) != 2 {
			t.Errorf("got the dead letter %s, want this twice: %s", text, want)
		}
		fixed.Store(true)
		if a, err := Resend(context.Background(), plan, Env{Log: zerolog.Nop()}, "es.0", files["es.0"], nil); err != nil || a.Delivered != 2 {
			t.Errorf("resend: got %+v and error %v, want 2 delivered", a, err)
		}
		docs = append(docs, sources(server))
	}
	if docs[0] != docs[1] || strings.Count(docs[0], arn) != 3 {
		t.Errorf("got different documents, or none with the task, want the same:\n%s\nand\n%s", docs[0], docs[1])
	}
}

func TestQueueMayHoldConstantFieldsInBothForms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var down atomic.Bool
	down.Store(true)
	server, addr := cluster(t, bulktest.Options{Item: func(_, _, _ string, _ []byte) bulktest.ItemFault {
		if down.Load() {
			return bulktest.ItemFault{Status: 429, Type: "busy", Reason: "later"}
		}
		return bulktest.ItemFault{}
	}})
	output := "[OUTPUT]\n    Name es\n    Match *\n" + addr
	for n, filters := range []string{ecsMetadata + seenByAll, ecsMetadata, ecsMetadata + seenByAll} {
		tr := start(t, dir, shortGrace+filters+output)
		tr.add("app", fmt.Sprintf(`{"log":"start %d"}`, n))
		tr.wait()
	}
	down.Store(false)
	tr := start(t, dir, shortGrace+ecsMetadata+output)
	tr.done(3)
	docs := sources(server)
	for n := range 3 {
		if want := fmt.Sprintf(`"log":"start %d","ecs_cluster":"production"`, n); strings.Count(docs, want) != 1 {
			t.Errorf("got these documents, want %s once:\n%s", want, docs)
		}
	}
}
