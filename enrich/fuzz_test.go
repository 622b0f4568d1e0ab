package enrich

import (
	"bytes"
	"testing"

	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// FuzzStepsKeepRecordsWhole sends arbitrary maps through every kind of step: what comes out is one map again, and of the
// names that a step sets none is there twice.
func FuzzStepsKeepRecordsWhole(f *testing.F) {
	f.Add(dockerRecord(f), `{"a":1}`)
	f.Add(jsonRecord(f), `{"time":"2026","log":{"log":[]}}`)
	f.Add(body(f, `{"a":{"b":[1,{"c":"x"}]},"t":1795430441,"log":"{\"time\":17.5,\"a\":null}"}`), `{"time":17`)
	f.Add([]byte{0x82, 0xc0, 0xc0, 0xc4, 3, 'l', 'o', 'g', 0x90}, ``)
	steps := []Filter{
		modifierOf(f, ModifierOptions{Record: append(pairs("log x", "a y"), ecsFields...)}),
		modifierOf(f, ModifierOptions{Remove: []string{"a*", "log"}, UUIDField: "id"}),
		modifierOf(f, ModifierOptions{Allow: []string{"log"}, Record: pairs("id 1")}),
		transformerOf(f, TransformerOptions{Record: pairs(`a x${record["a"]["b"]}`, `id ${record["a"]["b"][1]}`, `z {"k":["${tag}",1]}`),
			RemoveKeys: []string{"$.a.b", "$['log'][0]"}, RenewTimeKey: "t"}),
		parseOf(f, ParseOptions{ReserveData: true}, parse.Options{TimeFormat: "%Y"}),
		rubyParseOf(f, ParseOptions{ReserveData: true, RemoveKey: true, KeyPrefix: "p_"}, parse.Spec{Types: "a:integer,b:array,c:string", NullEmpty: true}),
		rubyParseOf(f, ParseOptions{KeyName: "$.a.b", ReserveData: true, RemoveKey: true, HashField: "log"}, parse.Spec{}),
		mustGrep(f, "log .", "a x"),
	}
	constant := modifierOf(f, ModifierOptions{Record: append(pairs("a y", "level z"), ecsFields...)})
	chains := [][]Filter{
		{steps[0]},
		{constant, parseOf(f, ParseOptions{ReserveData: true}, parse.Options{TimeFormat: "%Y"})},
		{constant, parseOf(f, ParseOptions{ReserveData: true, PreserveKey: true}, parse.Options{}), mustGrep(f, "log .", "source x")},
		{constant, rubyParseOf(f, ParseOptions{ReserveData: true, RemoveKey: true, KeyPrefix: "le"}, parse.Spec{NullEmpty: true})},
		{constant, rubyParseOf(f, ParseOptions{ReserveData: true, HashField: "level"}, parse.Spec{})},
		{steps[3], constant, mustGrep(f, "log .", "source x"), mustGrep(f, "log .", "log x")},
		{constant, mustGrep(f, "a y", "log x")},
	}
	f.Fuzz(func(t *testing.T, in []byte, log string) {
		if n, err := record.Check(in); err != nil || n != len(in) || record.KindOf(in[0]) != record.KindMap {
			return
		}
		withLog := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 2), "log"), log)
		withLog = append(record.AppendStr(withLog, "a"), in...)
		for _, rec := range [][]byte{in, withLog} {
			for i, step := range steps {
				ev := record.Event{Tag: "a.b", Body: rec}
				step.Apply(&ev, &Scratch{})
				if n, err := record.Check(ev.Body); err != nil || n != len(ev.Body) || record.KindOf(ev.Body[0]) != record.KindMap {
					t.Fatalf("step %d: got %x of %x and error %v, want a valid map", i, ev.Body, rec, err)
				}
				if n := timesNamed(ev.Body, "id"); i < 4 && i > 0 && n != 1 {
					t.Errorf("step %d: got %d fields called id of %x, want 1", i, n, rec)
				}
			}
			for i, chain := range chains {
				whole, tailed := record.Event{Body: rec}, record.Event{Body: rec}
				kept, keptToo := through(chain, &whole), through(DeferConstants(chain), &tailed)
				if tailed.Fold(nil); kept != keptToo || !bytes.Equal(tailed.Body, whole.Body) {
					t.Errorf("chain %d, with a tail: got %x of %x (kept: %t), want %x (%t)", i, tailed.Body, rec, keptToo, whole.Body, kept)
				}
			}
			ev := record.Event{Body: rec}
			(&collector{t: t}).add(NewJoiner(JoinerConfig{}), ev.Body)
		}
	})
}

// through takes an event through steps, and reports whether it goes on.
func through(steps []Filter, ev *record.Event) bool {
	s := &Scratch{}
	for _, step := range steps {
		if !step.Apply(ev, s) {
			return false
		}
	}
	return true
}

func timesNamed(b []byte, name string) (n int) {
	for f := record.FieldsOf(b); f.Next(); {
		if string(f.Key()) == name {
			n++
		}
	}
	return n
}

func TestStepsMayBeSharedByConnections(t *testing.T) {
	step := mustGrep(t, "log ^a", "log z")
	parse := rubyParseOf(t, ParseOptions{}, parse.Spec{})
	done := make(chan bool)
	for range 4 {
		go func() {
			s, ok := &Scratch{}, true
			for range 500 {
				s.Reset()
				ev := record.Event{Body: body(t, `{"log":"{\"log\":\"abc\"}"}`)}
				ok = parse.Apply(&ev, s) && step.Apply(&ev, s) && rawJSON(ev.Body) == `{"log":"abc"}` && ok
			}
			done <- ok
		}()
	}
	for range 4 {
		if !<-done {
			t.Error("got another connection's event, want only its own")
		}
	}
}

func TestStepsOneBehindTheOtherNeverWriteWhatTheyRead(t *testing.T) {
	s := &Scratch{}
	chain := []Filter{
		modifierOf(t, ModifierOptions{Record: pairs("x 1")}),
		parseOf(t, ParseOptions{ReserveData: true}, parse.Options{}),
		modifierOf(t, ModifierOptions{Remove: []string{"y"}}),
		transformerOf(t, TransformerOptions{Record: pairs(`z ${record["x"]}`), RemoveKeys: []string{"q", "$.n.a"}}),
		modifierOf(t, ModifierOptions{Record: pairs("w 2")}),
	}
	for _, c := range [][2]string{
		{`{"log":"{\"a\":1}","y":2}`, `{"a":1,"x":"1","z":"1","w":"2"}`},
		{`{"log":"{ no JSON","q":1,"n":{"a":1}}`, `{"log":"{ no JSON","n":{},"x":"1","z":"1","w":"2"}`},
	} {
		for range 3 { // the third time in memory that is used already
			s.Reset()
			ev := record.Event{Body: body(t, c[0])}
			for _, step := range chain {
				step.Apply(&ev, s)
			}
			if got := rawJSON(ev.Body); got != c[1] {
				t.Errorf("got %s, want %s", got, c[1])
			}
		}
	}
}

func TestAStepThatLeavesAnEventAloneLeavesItsMemoryAlone(t *testing.T) {
	s := &Scratch{}
	first, second := modifierOf(t, ModifierOptions{Record: pairs("x 1")}), modifierOf(t, ModifierOptions{Record: pairs("y 2")})
	parse := parseOf(t, ParseOptions{}, parse.Options{})
	const in = `"log":"{ no JSON","a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1`
	for range 3 { // the sixteenth field makes the header longer, and moves the others
		s.Reset()
		ev := record.Event{Body: body(t, "{"+in+"}")}
		first.Apply(&ev, s)
		parse.Apply(&ev, s)
		second.Apply(&ev, s)
		if got, want := rawJSON(ev.Body), "{"+in+`,"x":"1","y":"2"}`; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}
