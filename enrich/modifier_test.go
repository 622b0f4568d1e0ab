package enrich

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// body is a record's MessagePack, made from JSON.
func body(t testing.TB, js string) []byte {
	t.Helper()
	b, err := record.AppendFromJSON(nil, []byte(js))
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	return b
}

// rawJSON is what a body holds, duplicate names included.
func rawJSON(b []byte) string {
	var out strings.Builder
	out.WriteByte('{')
	n := 0
	for f := record.FieldsOf(b); f.Next(); n++ {
		if n > 0 {
			out.WriteByte(',')
		}
		out.Write(record.AppendJSON(nil, f.RawKey()))
		out.WriteByte(':')
		out.Write(record.AppendJSON(nil, f.Value()))
	}
	out.WriteByte('}')
	if count, _, err := record.MapHeader(b); err != nil || count != n {
		return "a map whose header lies"
	}
	if size, err := record.Check(b); err != nil || size != len(b) {
		return "not MessagePack"
	}
	return out.String()
}

// apply sends one event through a step and gives back what comes out as JSON, "" where it is filtered out.
func apply(t testing.TB, step Filter, tag, js string) string {
	t.Helper()
	in := body(t, js)
	ev := record.Event{Tag: tag, Time: record.Time{Sec: 1, Nsec: 2}, Body: bytes.Clone(in)}
	before := ev.Body
	if !step.Apply(&ev, &Scratch{}) {
		return ""
	}
	if !bytes.Equal(before, in) {
		t.Errorf("got the input's bytes changed, want them as they were")
	}
	return rawJSON(ev.Body)
}

func testEnv() Env { return Env{Hostname: "ip-10-0-0-1", Log: zerolog.Nop()} }

func modifierOf(t testing.TB, o ModifierOptions) Filter {
	t.Helper()
	s, err := NewModifier(&o, config.FluentBit, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var ecsFields = []config.Pair{
	{Key: "ecs_cluster", Value: "demo"},
	{Key: "ecs_task_arn", Value: "arn:aws:ecs:eu-west-1:123456789012:task/demo/abc"},
	{Key: "ecs_task_definition", Value: "web:7"},
}

func TestConstantFieldsAreAddedAndNeverTwice(t *testing.T) {
	step := modifierOf(t, ModifierOptions{Record: []config.Pair{{Key: "env", Value: "prod 1"}, {Key: "team", Value: "a"}, {Key: "team", Value: "b"}}})
	for in, want := range map[string]string{
		`{}`:                              `{"env":"prod 1","team":"b"}`,
		`{"log":"x"}`:                     `{"log":"x","env":"prod 1","team":"b"}`,
		`{"env":"dev","log":"x"}`:         `{"log":"x","env":"prod 1","team":"b"}`,
		`{"log":"x","team":1,"env":null}`: `{"log":"x","env":"prod 1","team":"b"}`,
		`{"a":1,"b":[1,{"env":2}],"c":{"env":{}},"d":1.5,"e":true}`: `{"a":1,"b":[1,{"env":2}],"c":{"env":{}},"d":1.5,"e":true,"env":"prod 1","team":"b"}`,
		`{"a":1,"env":2}`: `{"a":1,"env":"prod 1","team":"b"}`,
	} {
		if got := apply(t, step, "app", in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	for _, size := range []int{0, 1, 30, 31, 32, 255, 256, 65535, 65536} {
		long := strings.Repeat("x", size)
		in := `{"` + long + `k":"` + long + `","env":"` + long + `","z":"` + long + `"}`
		want := `{"` + long + `k":"` + long + `","z":"` + long + `","env":"prod 1","team":"b"}`
		if got := apply(t, step, "app", in); got != want {
			t.Errorf("texts of %d bytes: got %.200s, want %.200s", size, got, want)
		}
	}
}

func TestLongNamesAreReplacedToo(t *testing.T) {
	for _, size := range []int{31, 32, 40, 62, 63, 64, 65, 200} {
		name := strings.Repeat("n", size)
		step := modifierOf(t, ModifierOptions{Record: []config.Pair{{Key: name, Value: "new"}}})
		if got, want := apply(t, step, "app", `{"`+name+`":"old","log":"x"}`), `{"log":"x","`+name+`":"new"}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestConstantFieldsGrowTheHeaderOfAMap(t *testing.T) {
	step := modifierOf(t, ModifierOptions{Record: ecsFields})
	for _, n := range []int{0, 12, 13, 15, 16, 65532, 65533, 65536} {
		in := record.AppendMapHeader(nil, n)
		for range n {
			in = record.AppendNil(record.AppendInt(in, 7))
		}
		ev := record.Event{Body: in}
		step.Apply(&ev, &Scratch{})
		if got, _, err := record.MapHeader(ev.Body); err != nil || got != n+3 {
			t.Errorf("got %d fields of %d and error %v, want 3 more", got, n, err)
		}
		if size, err := record.Check(ev.Body); err != nil || size != len(ev.Body) {
			t.Errorf("%d fields: got error %v, want a valid record", n, err)
		}
	}
}

func TestRecordModifierRemovesAndKeepsAsFluentBitDoes(t *testing.T) {
	in := `{"Mem.total":1016024,"Mem.used":841388,"Mem.free":174636,"Swap.total":2064380,"log":"x"}`
	for _, c := range []struct {
		name string
		o    ModifierOptions
		want string
	}{
		{"remove", ModifierOptions{Remove: []string{"Swap.total", "LOG"}}, `{"Mem.total":1016024,"Mem.used":841388,"Mem.free":174636}`},
		{"prefix", ModifierOptions{Remove: []string{"mem.*"}}, `{"Swap.total":2064380,"log":"x"}`},
		{"allow", ModifierOptions{Allow: []string{"Mem.total", "log"}}, `{"Mem.total":1016024,"log":"x"}`},
		{"allow and add", ModifierOptions{Allow: []string{"log"}, Record: []config.Pair{{Key: "log", Value: "y"}}}, `{"log":"y"}`},
		{"everything", ModifierOptions{Remove: []string{"*"}}, `{}`},
	} {
		if got := apply(t, modifierOf(t, c.o), "app", in); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestRecordModifierGivesEachRecordItsUUID(t *testing.T) {
	step := modifierOf(t, ModifierOptions{UUIDField: "id"})
	want := regexp.MustCompile(`^\{"a":1,"id":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"\}$`)
	one, two := apply(t, step, "app", `{"a":1,"id":"old"}`), apply(t, step, "app", `{"a":1}`)
	if !want.MatchString(one) || !want.MatchString(two) || one == two {
		t.Errorf("got %s and %s, want two different UUIDs", one, two)
	}
}

func TestRecordModifierRefusesWhatMeansNothing(t *testing.T) {
	for _, o := range []ModifierOptions{
		{Record: []config.Pair{{Key: "alone"}}},
		{Remove: []string{"a"}, Allow: []string{"b"}},
	} {
		if _, err := NewModifier(&o, config.FluentBit, testEnv()); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: got error %v, want one of one line", o, err)
		}
	}
}

func TestMergingConstantStepsChangesNothing(t *testing.T) {
	a := modifierOf(t, ModifierOptions{Record: []config.Pair{{Key: "a", Value: "1"}, {Key: "b", Value: "1"}}})
	b := modifierOf(t, ModifierOptions{Record: []config.Pair{{Key: "b", Value: "2"}, {Key: "c", Value: "2"}}})
	other := modifierOf(t, ModifierOptions{Remove: []string{"a"}})
	merged := MergeConstants([]Filter{a, b, other, a, b})
	if len(merged) != 3 {
		t.Fatalf("got %d steps, want 3", len(merged))
	}
	got := apply(t, merged[0], "app", `{"c":0,"x":0}`)
	if want := `{"x":0,"a":"1","b":"2","c":"2"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// deferred is Defer of one step.
func deferred(s Filter) Filter { return DeferConstants([]Filter{s})[0] }

func TestLastConstantFieldsAreTheTailUnlessOneIsThere(t *testing.T) {
	step := modifierOf(t, ModifierOptions{Record: []config.Pair{{Key: "env", Value: "prod 1"}, {Key: "team", Value: "a"}}})
	binKey := []byte("\x81\xc4\x03env\x01")
	for in, tailed := range map[string]bool{
		`{}`:                           true,
		`{"log":"x"}`:                  true,
		`{"a":{"env":1}}`:              true,
		`{"env":"dev","log":"x"}`:      false,
		`{"log":"x","team":null}`:      false,
		string(binKey):                 false,
		"\x82\x07\x01\xc0\xa3env":      true,
		"\xdf\x00\x00\x00\x01\x07\x07": true,
	} {
		rec := []byte(in)
		if in[0] == '{' {
			rec = body(t, in)
		}
		want := record.Event{Tag: "app", Body: bytes.Clone(rec)}
		step.Apply(&want, &Scratch{})
		ev, s := record.Event{Tag: "app", Body: rec}, &Scratch{}
		if !deferred(step).Apply(&ev, s) {
			t.Errorf("%s: got it filtered out, want it kept", in)
		}
		if untouched := &ev.Body[0] == &rec[0]; untouched != tailed || (len(ev.Tail) > 0) != tailed {
			t.Errorf("%s: got a tail of %d bytes and the body left alone: %t, want it: %t", in, len(ev.Tail), untouched, tailed)
		}
		ev.Fold(nil)
		if !bytes.Equal(ev.Body, want.Body) {
			t.Errorf("%s: got %s, want %s", in, rawJSON(ev.Body), rawJSON(want.Body))
		}
	}
}

func TestConstantFieldsAreDeferredWhereNoStepBehindThemLooksForThem(t *testing.T) {
	constant := modifierOf(t, ModifierOptions{Record: ecsFields})
	uuid := modifierOf(t, ModifierOptions{UUIDField: "id"})
	parser := parseOf(t, ParseOptions{ReserveData: true}, parse.Options{})
	parseAlone := parseOf(t, ParseOptions{}, parse.Options{})
	grep, grepTail := mustGrep(t, "log x", "log y"), mustGrep(t, "log x", "ecs_cluster y")
	for _, c := range []struct {
		steps []Filter
		want  int // the step that leaves a Tail; -1: none
	}{
		{[]Filter{}, -1}, {[]Filter{constant}, 0}, {[]Filter{uuid, constant}, 1}, {[]Filter{constant, uuid}, -1},
		{[]Filter{constant, uuid, constant}, 2}, {[]Filter{uuid}, -1},
		{[]Filter{constant, parser}, 0}, {[]Filter{constant, parseAlone}, -1}, {[]Filter{constant, parser, uuid}, -1},
		{[]Filter{uuid, constant, grep, parser}, 1}, {[]Filter{constant, grepTail}, -1}, {[]Filter{constant, grep, grepTail}, -1},
	} {
		for i, got := range DeferConstants(c.steps) {
			if _, tail := got.(TailConstants); tail != (i == c.want) {
				t.Errorf("%T: got step %d of type %T, want the tail in step %d", c.steps, i, got, c.want)
			}
		}
	}
}

// dockerRecord is what Docker's driver sends, with a line of 200 bytes.
func dockerRecord(t testing.TB) []byte {
	log, _ := json.Marshal(strings.Repeat("a line of log text, ", 10))
	return body(t, `{"container_id":"`+strings.Repeat("0123456789abcdef", 4)+
		`","container_name":"/ecs-web-7-app-a0b1c2d3e4f5","source":"stdout","log":`+string(log)+`}`)
}

func TestStepsAllocateNothing(t *testing.T) {
	for name, step := range benchSteps(t) {
		rec, s, ev := dockerRecord(t), &Scratch{}, record.Event{}
		if n := testing.AllocsPerRun(100, func() {
			s.Reset()
			ev = record.Event{Tag: "app-firelens-0123", Body: rec}
			step.Apply(&ev, s)
		}); n != 0 {
			t.Errorf("%s: got %v allocations, want none", name, n)
		}
	}
}

func benchSteps(t testing.TB) map[string]Filter {
	return map[string]Filter{
		"constants": modifierOf(t, ModifierOptions{Record: ecsFields}),
		"tail":      deferred(modifierOf(t, ModifierOptions{Record: ecsFields})),
		"override":  modifierOf(t, ModifierOptions{Record: append([]config.Pair{{Key: "source", Value: "x"}}, ecsFields...)}),
		"remove":    modifierOf(t, ModifierOptions{Remove: []string{"container_name"}}),
		"template":  transformerOf(t, set(`app ${tag_parts[0]}`, `where ${record["container_name"]} on ${hostname}`)),
		"grep":      mustGrep(t, "log ^ERR", "log health check"),
		"uuid":      modifierOf(t, ModifierOptions{UUIDField: "id"}),
	}
}

func mustGrep(t testing.TB, regex, exclude string) Filter {
	t.Helper()
	s, err := NewGrep(&GrepOptions{Regex: pairs(regex), Exclude: pairs(exclude)}, config.FluentBit, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// jsonRecord is what Docker's driver sends of an application that logs JSON, with a line of 300 bytes.
func jsonRecord(t testing.TB) []byte {
	line := `{"time":"2026-11-23T10:40:41.123456789Z","level":"info","msg":"request served","method":"GET","path":"/api/v1/orders/1234567",` +
		`"status":200,"duration_ms":12.345,"remote":"10.0.12.34","user_agent":"Mozilla/5.0 (X11; Linux x86_64)","request_id":"b5a8c1d2-0e1f-4a3b",` +
		`"bytes":51234,"cached":false,"caller":"api/orders.go:123"}`
	log, _ := json.Marshal(line)
	return body(t, `{"container_id":"`+strings.Repeat("0123456789abcdef", 4)+
		`","container_name":"/ecs-web-7-app-a0b1c2d3e4f5","source":"stdout","log":`+string(log)+`}`)
}

func TestParsingJSONAllocatesNothing(t *testing.T) {
	for name, step := range jsonSteps(t) {
		rec, s, ev := jsonRecord(t), &Scratch{}, record.Event{}
		if n := testing.AllocsPerRun(100, func() {
			s.Reset()
			ev = record.Event{Body: rec}
			step.Apply(&ev, s)
		}); n != 0 {
			t.Errorf("%s: got %v allocations, want none", name, n)
		}
	}
}

func jsonSteps(t testing.TB) map[string]Filter {
	return map[string]Filter{
		"alone":   parseOf(t, ParseOptions{}, parse.Options{}),
		"reserve": parseOf(t, ParseOptions{ReserveData: true}, parse.Options{}),
		"time":    parseOf(t, ParseOptions{ReserveData: true}, parse.Options{TimeFormat: "%Y-%m-%dT%H:%M:%S.%L%z"}),
	}
}

func BenchmarkParseJSON(b *testing.B) {
	for name, step := range jsonSteps(b) {
		b.Run(name, func(b *testing.B) {
			rec, s, ev := jsonRecord(b), &Scratch{}, record.Event{}
			b.SetBytes(int64(len(rec)))
			b.ReportAllocs()
			for b.Loop() {
				s.Reset()
				ev = record.Event{Body: rec}
				step.Apply(&ev, s)
			}
		})
	}
}

func BenchmarkStep(b *testing.B) {
	for name, step := range benchSteps(b) {
		b.Run(name, func(b *testing.B) {
			rec, s, ev := dockerRecord(b), &Scratch{}, record.Event{}
			b.SetBytes(int64(len(rec)))
			b.ReportAllocs()
			for b.Loop() {
				s.Reset()
				ev = record.Event{Tag: "app-firelens-0123", Body: rec}
				step.Apply(&ev, s)
			}
		})
	}
}

// An event that was rerouted passes the same filter again.
func TestConstantFieldsThatAreThereAlreadyStayAsTheyAre(t *testing.T) {
	step := modifierOf(t, ModifierOptions{Record: pairs("env prod", "team a")})
	in := body(t, `{"log":"x","n":1}`)
	once := record.Event{Body: in}
	s := &Scratch{}
	step.Apply(&once, s)
	twice := once
	step.Apply(&twice, s)
	if &twice.Body[0] != &once.Body[0] || len(twice.Body) != len(once.Body) {
		t.Errorf("got a copy %s of %s, want the same body", rawJSON(twice.Body), rawJSON(once.Body))
	}
	tail := append(record.AppendStr(record.AppendStr(nil, "env"), "prod"), record.AppendStr(record.AppendStr(nil, "team"), "a")...)
	for name, b := range map[string][]byte{
		"a text that ends with them": record.AppendStrBytes(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), append([]byte("x"), tail...)),
		"a text before another one":  record.AppendStrBytes(record.AppendStr(append(record.AppendMapHeader(nil, 2), 0xa1, 'a', 0xa1, 'b'), "log"), tail),
		"one of them twice":          append(append(record.AppendMapHeader(nil, 3), tail[len(tail)-7:]...), tail...),
	} {
		ev := record.Event{Body: b}
		step.Apply(&ev, s)
		if env, team := timesNamed(ev.Body, "env"), timesNamed(ev.Body, "team"); env != 1 || team != 1 || rawJSON(ev.Body) == "not MessagePack" {
			t.Errorf("%s: got %s, want each field once", name, rawJSON(ev.Body))
		}
	}
}
