package enrich

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// FuzzFiltersKeepRecordsWhole is FuzzStepsKeepRecordsWhole for the filters that have no dialect of their own.
func FuzzFiltersKeepRecordsWhole(f *testing.F) {
	f.Add(dockerRecord(f), "12 apples")
	f.Add(body(f, `{"log":"0x1f","a":{"b":[1,2.5]},"n":-7,"out":1}`), "true")
	f.Add([]byte{0x82, 0xc0, 0xc0, 0xc4, 3, 'l', 'o', 'g', 0x90}, "-1e400")
	modify, err := NewModify(&ModifyOptions{Set: ordered(0, "out 1"), Rename: ordered(1, "log l"), Copy: ordered(2, "a out2"), ToEnd: ordered(3, "a*")}, config.FluentBit, testEnv())
	if err != nil {
		f.Fatal(err)
	}
	nest, err := NewNest(&NestOptions{Operation: "nest", Wildcard: []string{"*"}, NestUnder: "out", AddPrefix: "p."}, config.FluentBit, testEnv())
	if err != nil {
		f.Fatal(err)
	}
	lift, err := NewNest(&NestOptions{Operation: "lift", NestedUnder: "a", RemovePrefix: "b"}, config.FluentBit, testEnv())
	if err != nil {
		f.Fatal(err)
	}
	steps := []Filter{
		convertOf(f, ConvertOptions{Str: ordered(0, "log out int", "log o2 hex", "log o3 float", "log o4 bool", "log o5 uint"),
			Int: ordered(5, "n out string", "n o6 uint"), Uint: ordered(7, "n o7 int"), Float: ordered(8, "$a['b'][1] out str", "$a['b'][1] o8 int")}),
		checklistOf(f, ChecklistOptions{LookupKey: "log", Mode: "partial", IgnoreCase: true, Records: pairs("out true", "log x")}, "1%a\n0x\ntr_e"),
		expectOf(f, ExpectOptions{Exists: ordered(0, "$a['b'][1]"), Equal: ordered(1, "log x"), Action: "result_key", ResultKey: "out"}, Env{Log: zerolog.Nop()}),
		throttleSizeOf(f, ThrottleSizeOptions{Rate: 1 << 30, Window: 2, NameField: "a|b", LogField: "log"}),
		modify, nest, lift,
	}
	f.Fuzz(func(t *testing.T, in []byte, log string) {
		if n, err := record.Check(in); err != nil || n != len(in) || record.KindOf(in[0]) != record.KindMap {
			return
		}
		withLog := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 3), "log"), log)
		withLog = append(record.AppendStr(withLog, "a"), in...)
		withLog = record.AppendInt(record.AppendStr(withLog, "n"), int64(len(log))-5)
		if _, err := record.Check(withLog); err != nil {
			withLog = in
		}
		for _, rec := range [][]byte{in, withLog} {
			for i, step := range steps {
				ev := record.Event{Tag: "a.b", Body: rec}
				step.Apply(&ev, &Scratch{})
				if n, err := record.Check(ev.Body); err != nil || n != len(ev.Body) || record.KindOf(ev.Body[0]) != record.KindMap {
					t.Fatalf("step %d: got %x of %x and error %v, want a valid map", i, ev.Body, rec, err)
				}
				if n := timesNamed(ev.Body, "out"); i < 4 && n > max(1, timesNamed(rec, "out")) {
					t.Errorf("step %d: got %d fields called out of %x", i, n, rec)
				}
			}
		}
	})
}
