package enrich

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// lifting is a connection with a Lifter.
type lifting struct {
	testing.TB
	lifter  Lifter
	after   Lifter // for LiftAfter
	scratch Scratch
}

// A way is what a tag's events go through.
type way struct {
	all   []Filter // as they are configured
	steps []Filter
}

func wayOf(all ...Filter) way {
	return way{all, DeferConstants(all)}
}

// sets is a way that only sets constant fields; no way at all without any.
func sets(t testing.TB, fields ...string) way {
	t.Helper()
	if len(fields) == 0 {
		return wayOf()
	}
	return wayOf(modifierOf(t, ModifierOptions{Record: pairs(fields...)}))
}

// send brings an event to its end, and returns body and tail as JSON. Together they must be what the configured steps make
// of it, but for the members' order.
func (l *lifting) send(w way, in []byte) (left, tail string) {
	l.Helper()
	want := record.Event{Body: in}
	through(w.all, &want)
	ev := record.Event{Body: bytes.Clone(in)}
	before := ev.Body
	through(w.steps, &ev)
	l.scratch.Reset()
	l.lifter.Lift(&ev, &l.scratch)
	if !bytes.Equal(before, in) {
		l.Errorf("the input's bytes were written to: %x, %x", in, before)
	}
	left, tail = l.check(ev, in, want)
	if c := OnlyTailConstants(w.steps); c != nil {
		once := record.Event{Body: before}
		l.scratch.Reset()
		l.after.LiftAfter(c, &once, &l.scratch)
		l.check(once, in, want)
	}
	return left, tail
}

// check checks ev, which in has become, and returns its body and tail as JSON.
func (l *lifting) check(ev record.Event, in []byte, want record.Event) (left, tail string) {
	l.Helper()
	left = rawJSON(ev.Body)
	if len(ev.Tail) > 0 {
		tail = rawJSON(ev.Tail)
	}
	whole := ev
	whole.Fold(nil)
	if got, want := members(whole.Body), members(want.Body); !slices.Equal(got, want) {
		l.Errorf("%s became %s with %s: got %q, want %q", rawJSON(in), left, tail, got, want)
	}
	for f := record.FieldsOf(ev.Tail); f.Next(); {
		if n := timesNamed(ev.Body, string(f.Key())); n > 0 {
			l.Errorf("%s is in the body of %s and in its tail", f.Key(), left)
		}
	}
	return left, tail
}

// members are a map's, each as MessagePack, in the order of their bytes.
func members(body []byte) (all []string) {
	if n, err := record.Check(body); err != nil || n != len(body) {
		return []string{"not MessagePack"}
	}
	for f := record.FieldsOf(body); f.Next(); {
		all = append(all, string(f.RawKey())+string(f.Value()))
	}
	slices.Sort(all)
	return all
}

const (
	liftedID   = `"container_id":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"`
	liftedName = `"container_name":"/ecs-web-7-app-c0ffee"`
	liftedFrom = `"source":"stdout"`
)

func TestWhatIsTheSameInAllEventsIsLifted(t *testing.T) {
	l := &lifting{TB: t}
	e := sets(t, "ecs_cluster demo")
	for i, members := range [][]string{
		{liftedID, liftedName, liftedFrom, `"log":"0"`},
		{liftedID, liftedName, liftedFrom, `"log":"1"`}, // the log isn't the same
		{liftedID, liftedName, liftedFrom, `"log":"2"`},
		{`"log":"3"`, liftedFrom, liftedID, liftedName},
		{liftedName, `"log":"4"`, liftedID, liftedFrom},
		{liftedFrom, liftedID, `"log":"5"`, liftedName},
	} {
		js := "{" + strings.Join(members, ",") + "}"
		want, wantTail := js, `{"ecs_cluster":"demo"}`
		if i > 1 {
			want, wantTail = fmt.Sprintf(`{"log":"%d"}`, i), "{"+liftedID+","+liftedName+","+liftedFrom+`,"ecs_cluster":"demo"}`
		}
		if left, tail := l.send(e, body(t, js)); left != want || tail != wantTail {
			t.Errorf("%s: got %s and the tail %s, want %s and %s", js, left, tail, want, wantTail)
		}
	}
}

func TestWhatDiffersOnceIsNotLiftedAnyMore(t *testing.T) {
	docker := func(more ...string) string {
		return "{" + strings.Join(append([]string{liftedID, liftedName}, more...), ",") + "}"
	}
	const left = "{" + liftedFrom + "}"
	rest := docker()
	for name, c := range map[string]struct {
		odd   string // comes second, and is left whole
		left  string // of one that comes third, and is as the first
		tail  string
		taken bool // the odd one isn't left whole
	}{
		"another value":     {odd: docker(`"source":"stderr"`), left: left, tail: rest},
		"a longer value":    {odd: docker(`"source":"stdouts"`), left: left, tail: rest},
		"a number":          {odd: docker(`"source":1`), left: left, tail: rest},
		"none":              {odd: docker(), left: left, tail: rest},
		"something new":     {odd: docker(liftedFrom, `"sphere":"x"`), left: "{}", tail: docker(liftedFrom), taken: true},
		"next to nothing":   {odd: left, left: docker(liftedFrom), tail: ""},
		"nothing":           {odd: "{}", left: docker(liftedFrom), tail: ""},
		"all but the least": {odd: "{" + liftedName + "}", left: "{" + liftedID + "," + liftedFrom + "}", tail: "{" + liftedName + "}"},
	} {
		t.Run(name, func(t *testing.T) {
			l, e := &lifting{TB: t}, sets(t)
			l.send(e, body(t, docker(liftedFrom)))
			if left, tail := l.send(e, body(t, c.odd)); !c.taken && (left != c.odd || tail != "") {
				t.Errorf("got %s and the tail %s of the odd one, want it as it was", left, tail)
			}
			if left, tail := l.send(e, body(t, docker(liftedFrom))); left != c.left || tail != c.tail {
				t.Errorf("then: got %s with %s, want %s with %s", left, tail, c.left, c.tail)
			}
		})
	}
}

// TestANameInTwoFormsIsTheSameName: a name may be there twice, as a str or a bin, with a header of any length.
func TestANameInTwoFormsIsTheSameName(t *testing.T) {
	first := body(t, "{"+liftedID+","+liftedFrom+"}")
	value := []byte{0xa1, 'x'}
	for name, key := range map[string][]byte{
		"str":    record.AppendStr(nil, "source"),
		"str8":   append([]byte{0xd9, 6}, "source"...),
		"str32":  append([]byte{0xdb, 0, 0, 0, 6}, "source"...),
		"bin":    record.AppendBin(nil, []byte("source")),
		"number": {0x07},
	} {
		l, e := &lifting{TB: t}, sets(t)
		l.send(e, first)
		twice := append(append(append([]byte{0x83}, first[1:]...), key...), value...)
		if _, tail := l.send(e, twice); (tail != "") != (name == "number") {
			t.Errorf("%s: got %s lifted, want it only beside a number", name, tail)
		}
	}
}

func TestAnyNumberOfMembersIsLifted(t *testing.T) {
	for _, n := range []int{0, 1, 12, 13, 14, 15, 16, 40, 70_000} {
		l, e := &lifting{TB: t}, sets(t)
		in := record.AppendMapHeader(nil, n+2)
		in = append(in, body(t, "{"+liftedID+","+liftedName+"}")[1:]...)
		for i := range n {
			in = record.AppendInt(record.AppendStr(in, fmt.Sprintf("a key of more than 31 bytes, so that it isn't lifted: %d", i)), int64(i))
		}
		l.send(e, in)
		if _, tail := l.send(e, in); (tail != "") != (n < 65_000) {
			t.Errorf("%d members and two: got %s lifted, want it of up to 65,000", n, tail)
		}
	}
}

func TestANameThatIsNotPlainIsNotLifted(t *testing.T) {
	l, e := &lifting{TB: t}, sets(t)
	const label = `"com.amazonaws.ecs.cluster":"production"`
	in := body(t, "{"+label+","+liftedName+","+liftedFrom+"}")
	l.send(e, in)
	if left, tail := l.send(e, in); left != "{"+label+"}" || tail != "{"+liftedName+","+liftedFrom+"}" {
		t.Errorf("got %s and the tail %s, want the two plain names lifted", left, tail)
	}
}

// TestConstantFieldsReplaceWhatIsLifted: one connection may send tags whose ways set different fields.
func TestConstantFieldsReplaceWhatIsLifted(t *testing.T) {
	l := &lifting{TB: t}
	none, other, same := sets(t), sets(t, "ecs_cluster demo"), sets(t, "source mine", "ecs_cluster demo")
	in := body(t, "{"+liftedID+","+liftedFrom+`,"log":"x"}`)
	own := body(t, "{"+liftedID+","+liftedFrom+`,"log":"x","ecs_cluster":"own"}`)
	for i, s := range []struct {
		w    way
		in   []byte
		tail string
	}{
		{none, in, ""},
		{none, in, "{" + liftedID + "," + liftedFrom + `,"log":"x"}`},
		{other, in, "{" + liftedID + "," + liftedFrom + `,"log":"x","ecs_cluster":"demo"}`},
		{other, own, "{" + liftedID + "," + liftedFrom + `,"log":"x"}`}, // the body has the field then
		{none, in, "{" + liftedID + "," + liftedFrom + `,"log":"x"}`},
		{same, in, ""}, // the way replaces source, which is lifted no more
		{same, own, "{" + liftedID + `,"log":"x"}`},
		{other, in, "{" + liftedID + `,"log":"x","ecs_cluster":"demo"}`},
		{none, in, "{" + liftedID + `,"log":"x"}`},
	} {
		if _, tail := l.send(s.w, s.in); tail != s.tail {
			t.Errorf("event %d: got %s, want %s", i, tail, s.tail)
		}
	}
}

// TestATailFromTheStepsStays: a parser after the constant fields passes them on as a tail.
func TestATailFromTheStepsStays(t *testing.T) {
	l := &lifting{TB: t}
	w := wayOf(modifierOf(t, ModifierOptions{Record: pairs("ecs_cluster demo")}), parseOf(t, ParseOptions{ReserveData: true}, parse.Options{}))
	for i, s := range []struct{ log, left, tail string }{
		{"text", "", `{"ecs_cluster":"demo"}`},
		{`{\"n\":1}`, "", `{"ecs_cluster":"demo"}`}, // no log is left, which was there before
		{`{\"n\":2}`, `{"n":2}`, "{" + liftedID + "," + liftedFrom + `,"ecs_cluster":"demo"}`},
		{`{\"ecs_cluster\":\"own\"}`, "", ""},
		{`{\"n\":3}`, `{"n":3}`, "{" + liftedID + "," + liftedFrom + `,"ecs_cluster":"demo"}`},
	} {
		left, tail := l.send(w, body(t, "{"+liftedID+","+liftedFrom+`,"log":"`+s.log+`"}`))
		if s.left != "" && left != s.left || s.tail != "" && tail != s.tail {
			t.Errorf("event %d: got %s with %s, want %s with %s", i, left, tail, s.left, s.tail)
		}
	}
}

func TestLiftingAllocatesNothing(t *testing.T) {
	for name, w := range map[string]way{"a tail": sets(t, "ecs_cluster demo"), "its own now and then": sets(t, "ecs_cluster demo", "source mine")} {
		var l Lifter
		s, rec, n := &Scratch{}, dockerRecord(t), 0
		own := body(t, `{"ecs_cluster":"own",`+rawJSON(rec)[1:])
		var ev record.Event
		allocs := testing.AllocsPerRun(100, func() {
			ev = record.Event{Body: rec}
			if n++; n%3 == 0 {
				ev.Body = own
			}
			s.Reset()
			for _, step := range w.steps {
				step.Apply(&ev, s)
			}
			l.Lift(&ev, s)
		})
		if allocs != 0 || len(ev.Tail) == 0 {
			t.Errorf("%s: got %v allocations an event and the tail %x, want none and a tail", name, allocs, ev.Tail)
		}
	}
}

// TestLiftAfterLiftsAsMuchAsLift: otherwise the scan that it saves would cost more elsewhere.
func TestLiftAfterLiftsAsMuchAsLift(t *testing.T) {
	w := sets(t, "ecs_cluster demo")
	var l Lifter
	var ev record.Event
	for range 2 {
		ev = record.Event{Body: body(t, "{"+liftedID+","+liftedFrom+`,"message":"some text that stays the same"}`)}
		l.LiftAfter(OnlyTailConstants(w.steps), &ev, &Scratch{})
	}
	if want := "{" + liftedID + "," + liftedFrom + `,"message":"some text that stays the same","ecs_cluster":"demo"}`; rawJSON(ev.Tail) != want {
		t.Errorf("got %s, want %s", rawJSON(ev.Tail), want)
	}
}

func TestASampleOfAMetricIsLeftAlone(t *testing.T) {
	sample := metric.Sample{Name: "process_cpu_seconds_total", Help: "CPU time", Kind: metric.Counter, Value: 1}
	var l Lifter
	var s Scratch
	for range 3 {
		ev := record.Event{Body: sample.Append(nil)}
		if l.Lift(&ev, &s); !metric.Is(ev.Body) || len(ev.Tail) > 0 {
			t.Fatalf("got the body %q and the tail %q, want the sample as it is", ev.Body, ev.Tail)
		}
		s.Reset()
	}
}

func TestALongEventIsLeftAlone(t *testing.T) {
	l, e := &lifting{TB: t}, sets(t)
	l.send(e, body(t, "{"+liftedID+`,"log":"short"}`))
	in := body(t, "{"+liftedID+`,"log":"`+strings.Repeat("x", maxLiftedBody)+`"}`)
	if _, tail := l.send(e, in); tail != "" {
		t.Errorf("got %s lifted, want nothing", tail)
	}
	if _, tail := l.send(e, body(t, "{"+liftedID+`,"log":"short"}`)); tail == "" {
		t.Error("got nothing lifted from the next event, want its constants")
	}
}

// FuzzLifter sends the maps that it finds in its input by one connection, on ways with different endings: no event is
// changed, whatever came before it.
func FuzzLifter(f *testing.F) {
	docker := func(members ...string) []byte { return body(f, "{"+strings.Join(members, ",")+"}") }
	f.Add(bytes.Join([][]byte{
		docker(liftedID, liftedName, liftedFrom, `"log":"a"`), docker(liftedFrom, liftedID, `"log":"b"`, liftedName), docker(`"log":"c"`, liftedName, liftedID),
	}, nil), uint16(0))
	f.Add(bytes.Repeat(docker(liftedName, `"ecs_cluster":"own"`), 4), uint16(0b11100100))
	f.Add(append(docker(liftedName), append([]byte{0x82, 0xd9, 14}, append([]byte("container_name\xa1x"), docker(liftedName)[1:]...)...)...), uint16(0))
	all := []way{
		sets(f), sets(f, "ecs_cluster demo"), sets(f, "container_name x", "a y"),
		wayOf(modifierOf(f, ModifierOptions{Record: pairs("ecs_cluster demo")}), parseOf(f, ParseOptions{ReserveData: true}, parse.Options{})),
	}
	f.Fuzz(func(t *testing.T, in []byte, ways uint16) {
		l := &lifting{TB: t}
		for len(in) > 0 {
			n, err := record.Check(in)
			if err != nil {
				return
			}
			if record.KindOf(in[0]) == record.KindMap {
				l.send(all[ways&3], in[:n:n])
				ways = ways>>2 | ways<<14
			}
			in = in[n:]
		}
	})
}

func BenchmarkLift(b *testing.B) {
	var l Lifter
	e, s := sets(b, "ecs_cluster demo"), &Scratch{}
	orders := [][]byte{
		body(b, "{"+liftedID+","+liftedName+","+liftedFrom+`,"log":"`+strings.Repeat("x", 250)+`"}`),
		body(b, "{"+liftedFrom+`,"log":"`+strings.Repeat("y", 250)+`",`+liftedName+","+liftedID+"}"),
	}
	var ev record.Event
	b.ReportAllocs()
	b.SetBytes(int64(len(orders[0])))
	n := 0
	for b.Loop() {
		ev = record.Event{Body: orders[n&1]}
		s.Reset()
		for _, step := range e.steps {
			step.Apply(&ev, s)
		}
		l.Lift(&ev, s)
		n++
	}
}
