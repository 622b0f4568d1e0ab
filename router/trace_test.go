package router

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
)

// manySteps has filters and steps of every kind, also those that a router merges.
const manySteps = `
[FILTER]
    Name multiline
    Match *
    multiline.key_content log
    multiline.parser java
[FILTER]
    Name record_modifier
    Match *
    Record one 1
[FILTER]
    Name record_modifier
    Match *
    Record two 2
[FILTER]
    Name grep
    Match *
    Exclude log noise
[FILTER]
    Name rewrite_tag
    Match app*
    Rule $log ^bad errors.$TAG true
[FILTER]
    Name rewrite_tag
    Match app*
    Rule $log ^moved moved false
[FILTER]
    Name nest
    Match errors*
    Operation nest
    Wildcard o*
    Nest_under inner
[FILTER]
    Name record_modifier
    Match *
    Record last 3
` + "[OUTPUT]\n    Name opensearch\n    Match app*\n[OUTPUT]\n    Name null\n    Match *\n"

var manyLines = []string{
	"plain", "noise", "bad thing", "moved away", "java.lang.RuntimeException: oops", "\tat com.example.App.main(App.java:5)", "after", "bad end",
}

// traced returns what arrives at each output in a trace, as queued does.
func traced(t *testing.T, conf string, lines []string) map[string][]string {
	t.Helper()
	plan := compilePlan(t, t.TempDir(), forwardInput+conf)
	all := map[string][]string{}
	trace, diags := NewTrace(plan, Env{Log: zerolog.Nop()}, 0, func(s *Sight) {
		if s.What != Arrived {
			return
		}
		text := s.Event.Tag + ":"
		for f := record.FieldsOf(s.Event.Body); f.Next(); {
			value, _ := record.Text(f.Value())
			text += " " + string(value)
		}
		id := plan.Outputs[s.Output].ID
		all[id] = append(all[id], text)
	})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	defer trace.Close()
	for _, line := range lines {
		trace.Add([]byte("app"), record.Time{Sec: 1}, logBody(line))
	}
	trace.Release()
	return all
}

func TestATraceTakesEventsWhereARouterDoes(t *testing.T) {
	got := traced(t, manySteps, manyLines)
	r := opened(t, manySteps)
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", manyLines...)
	for _, e := range r.expiries() {
		i.expire(e.holder, enrich.Everything)
	}
	flush(t, i)
	for _, o := range r.outputs {
		want := queued(t, o)
		if len(want) < 5 || !slices.Equal(got[o.id], want) {
			t.Errorf("%s: got %q in a trace, want what the router queues: %q", o.id, got[o.id], want)
		}
	}
}

// sights returns what a trace of lines shows, a line each.
func sights(t *testing.T, conf string, lines ...string) (all []string) {
	t.Helper()
	plan := compilePlan(t, t.TempDir(), forwardInput+conf)
	names := map[What]string{Began: "began", Filtered: "filtered", Entered: "entered", Held: "held", Emitted: "emitted", Ended: "ended",
		Left: "left", Arrived: "arrived", Unrouted: "unrouted", Looped: "looped", Failed: "failed"}
	trace, diags := NewTrace(plan, Env{Log: zerolog.Nop()}, 0, func(s *Sight) {
		text := names[s.What]
		switch s.What {
		case Began:
			text += fmt.Sprintf(" %s %d", s.Event.Tag, s.Depth)
		case Arrived:
			text += " " + plan.Outputs[s.Output].ID
		case Emitted:
			text += fmt.Sprintf(" %s %d of %d", cmp.Or(s.Tag, "on"), s.Filter, s.N)
		case Filtered:
			text += fmt.Sprintf(" %d %v", s.Filter, s.Kept)
		case Unrouted, Looped:
		default:
			text += fmt.Sprint(" ", s.Filter)
		}
		all = append(all, text)
	})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	defer trace.Close()
	for _, line := range lines {
		trace.Add([]byte("app"), record.Time{Sec: 1}, logBody(line))
	}
	trace.Release()
	return all
}

func wantSights(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestATraceShowsFiltersAndOutputsInOrder(t *testing.T) {
	conf := "[FILTER]\n    Name record_modifier\n    Match *\n    Record a 1\n[FILTER]\n    Name grep\n    Match *\n    Exclude log noise\n" + nullOutputs("*")
	wantSights(t, sights(t, conf, "plain", "noise"),
		"began app 0", "filtered 0 true", "filtered 1 true", "arrived null.0",
		"began app 0", "filtered 0 true", "filtered 1 false")
}

func TestATraceShowsAReroutedEventWithinTheStepThatReroutesIt(t *testing.T) {
	conf := "[FILTER]\n    Name rewrite_tag\n    Match app\n    Rule $log bad other true\n" + nullOutputs("app", "other")
	wantSights(t, sights(t, conf, "bad"),
		"began app 0", "entered 0", "emitted on 0 of 0", "arrived null.0", "ended 0",
		"emitted other 0 of 0", "began other 0", "arrived null.1", "ended 0", "left 0")
}

func TestATraceShowsWhatAHolderMakesOfSeveralEvents(t *testing.T) {
	conf := "[FILTER]\n    Name multiline\n    Match *\n    multiline.key_content log\n    multiline.parser java\n" + nullOutputs("*")
	wantSights(t, sights(t, conf, "java.lang.RuntimeException: oops", "\tat com.example.App.main(App.java:5)"),
		"began app 0", "entered 0", "held 0", "left 0", "began app 0", "entered 0", "held 0", "left 0",
		"emitted on 0 of 2", "arrived null.0", "ended 0")
}

func TestATraceShowsWhereEventsAreLost(t *testing.T) {
	loop := "[FILTER]\n    Name rewrite_tag\n    Match app*\n    Rule $log bad $TAG.x false\n[FILTER]\n    Name rewrite_tag\n    Match app*\n    Rule $log bad $TAG.y false\n"
	got := sights(t, loop+nullOutputs("*"), "bad")
	if !slices.Contains(got, "looped") || slices.Contains(got, "arrived null.0") {
		t.Errorf("got %q, want looped, and nothing at the output", got)
	}
	if n := len(slices.DeleteFunc(got, func(s string) bool { return s != "looped" })); n != 1 {
		t.Errorf("got looped %d times, want once", n)
	}
	wantSights(t, sights(t, nullOutputs("other"), "plain"), "unrouted")
	lost := "[FILTER]\n    Name rewrite_tag\n    Match app\n    Rule $log bad nowhere false\n" + nullOutputs("app")
	wantSights(t, sights(t, lost, "bad"), "began app 0", "entered 0", "emitted nowhere 0 of 0", "unrouted", "ended 0", "left 0")
}

// panics is a filter whose code panics.
type panics struct{}

func (panics) Apply(*record.Event, *enrich.Scratch) bool { panic("oops") }

func TestATraceShowsAPanicAndGoesOn(t *testing.T) {
	plan := compilePlan(t, t.TempDir(), forwardInput+placeholder+nullOutputs("*"))
	var all []What
	trace, _ := NewTrace(plan, Env{Log: zerolog.Nop()}, 0, func(s *Sight) { all = append(all, s.What) })
	defer trace.Close()
	trace.r.stages[0].filter.(*watchedFilter).Filter = panics{}
	for range 2 {
		trace.Add([]byte("app"), record.Time{Sec: 1}, logBody("x"))
	}
	if want := []What{Began, Failed, Began, Failed}; !slices.Equal(all, want) {
		t.Errorf("got %v, want %v", all, want)
	}
}

func TestATraceLeavesOutWhatAsksServicesPrintsOrLimitsARate(t *testing.T) {
	plan := compilePlan(t, t.TempDir(), forwardInput+
		"[FILTER]\n    Name throttle\n    Match *\n    Rate 1\n    Window 1\n    Interval 1h\n[FILTER]\n    Name ecs\n    Match *\n    Add task $TaskID\n[FILTER]\n    Name stdout\n    Match *\n"+
		nullOutputs("*"))
	arrived := 0
	trace, diags := NewTrace(plan, Env{Log: zerolog.Nop()}, 0, func(s *Sight) {
		if s.What == Arrived {
			arrived++
		}
	})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	defer trace.Close()
	for range 100 {
		trace.Add([]byte("app"), record.Time{Sec: 1}, dockerBody(t))
	}
	if arrived != 100 {
		t.Errorf("got %d of 100 events at the output, want all: nothing limits the rate of a sample", arrived)
	}
	for n, want := range []string{"limits a rate", "asks a service", "prints records on standard output"} {
		if got := trace.Off()[n]; got != want {
			t.Errorf("step %d: got %q, want %q", n, got, want)
		}
	}
}

func TestATraceBindsNoSocketAndMakesNoQueue(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // the input's port is taken
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	dir := t.TempDir()
	plan := compilePlan(t, dir, "[SERVICE]\n    storage.path DIR/queue\n[INPUT]\n    Name forward\n    Listen 127.0.0.1\n    Port "+port+
		"\n[OUTPUT]\n    Name file\n    Match *\n    Path DIR\n    File out\n")
	var item Item
	trace, diags := NewTrace(plan, Env{Log: zerolog.Nop()}, 0, func(s *Sight) {
		if s.What == Arrived {
			item = s.Item
		}
	})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	trace.Add([]byte("app"), record.Time{Sec: 1}, logBody("x"))
	trace.Release()
	trace.Close()
	if len(item.Body) == 0 || !slices.Contains(item.Where, filepath.Join(dir, "out")) {
		t.Errorf("got %q for %q, want a line and its file", item.Body, item.Where)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 { // test.conf
		t.Errorf("got %v, want no file beside the configuration", files)
	}
}

func TestARecordThatIsTooLargeIsADeadLetterInATrace(t *testing.T) {
	plan := compilePlan(t, t.TempDir(), forwardInput+nullOutputs("*"))
	var got error
	trace, _ := NewTrace(plan, Env{Log: zerolog.Nop()}, 0, func(s *Sight) { got = cmp.Or(s.Item.Err, got) })
	defer trace.Close()
	trace.Add([]byte("app"), record.Time{Sec: 1}, logBody(strings.Repeat("x", record.MaxJSON)))
	if got == nil || !strings.Contains(got.Error(), "want at most") {
		t.Errorf("got %v, want the reason of the dead letter", got)
	}
}
