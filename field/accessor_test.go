package field

import (
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// body is the MessagePack of a record, from JSON.
func body(t testing.TB, js string) []byte {
	t.Helper()
	b, err := record.AppendFromJSON(nil, []byte(js))
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	return b
}

const (
	fluentBit = config.FluentBit
	fluentd   = config.Fluentd
)

func TestAccessorsLeadWhereTheirDialectSays(t *testing.T) {
	const in = `{"a":{"b":[1,{"c":"x"}],"c.d":2,"]":3},"a.b":4,"$a":5,"n":null}`
	for _, c := range []struct {
		d        config.Dialect
		accessor string
		want     string // as JSON, "" for nothing
	}{
		{fluentBit, "a.b", "4"},
		{fluentBit, "$a['b'][0]", "1"},
		{fluentBit, "$a['b'][-1]['c']", `"x"`},
		{fluentBit, `$a["b"][1]["c"]`, `"x"`},
		{fluentBit, "$a['c.d']", "2"},
		{fluentBit, "$a[']']", "3"},
		{fluentBit, "$a.b[0]", "1"},
		{fluentBit, "$.a.b[0]", "1"},
		{fluentBit, "$['a']['b'][0]", "1"},
		{fluentBit, "$a['b'][2]", ""},
		{fluentBit, "$a['b'][-3]", ""},
		{fluentBit, "$a[0]", ""},
		{fluentBit, "$a['x']", ""},
		{fluentBit, "$n", "null"},
		{fluentd, "a.b", "4"},
		{fluentd, "$a", "5"},
		{fluentd, "$.a.b[0]", "1"},
		{fluentd, "$.a.b[1].c", `"x"`},
		{fluentd, "$['a']['c.d']", "2"},
		{fluentd, "$['a'].b[-2]", "1"},
		{fluentd, "$.a['c.d']", "2"},
		{fluentd, "$.n", "null"},
	} {
		a, err := ParseAccessor(c.accessor, c.d)
		if err != nil {
			t.Errorf("%s: %v", c.accessor, err)
			continue
		}
		whole := body(t, in)
		for name, ev := range map[string]record.Event{"body": {Body: whole}, "tail": {Body: body(t, `{"z":0}`), Tail: whole}} {
			got := ""
			if value, ok := a.Find(&ev); ok {
				got = string(record.AppendJSON(nil, value))
				if n, err := record.Check(value); err != nil || n != len(value) {
					t.Errorf("%s: %x isn't one value", c.accessor, value)
				}
			}
			if got != c.want {
				t.Errorf("%s leads to %s in the %s, want %s", c.accessor, got, name, c.want)
			}
		}
	}
}

func TestAccessorsThatLeadNowhereAreErrors(t *testing.T) {
	for _, c := range []struct {
		d              config.Dialect
		accessor, want string
	}{
		{fluentBit, "", `"" names no field; want name or $name['inner']`},
		{fluentBit, "$", `"$" names no field; want name or $name['inner']`},
		{fluentd, "", `"" names no field; want name or $.name.inner`},
		{fluentd, "$.", `"$." can't be parsed: a name is empty or has blanks; want $['a']['b']`},
		{fluentd, "$.a..b", `"$.a..b" can't be parsed: a name is empty or has blanks; want $['a']['b']`},
		{fluentd, "$.a b", `"$.a b" can't be parsed: a name is empty or has blanks; want $['a']['b']`},
		{fluentd, "$[0]", `"$[0]" can't be parsed: a record is not an array; want a name before the first [number]`},
		{fluentBit, "$a[b]", `"$a[b]" can't be parsed: "[b]" is neither ['name'] nor [number]`},
		{fluentBit, "$a['b", `"$a['b" can't be parsed: "['b" is neither ['name'] nor [number]`},
		{fluentBit, "$a[]", `"$a[]" can't be parsed: "[]" is neither ['name'] nor [number]`},
		{fluentBit, "$a['b']c", `"$a['b']c" can't be parsed: "c" follows a ]; want .name, ['name'] or [number]`},
	} {
		if _, err := ParseAccessor(c.accessor, c.d); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if value, ok := Accessor(nil).Get(body(t, `{"":1}`)); ok {
		t.Errorf("the zero value leads to %x", value)
	}
}

func TestAScalarIsTextANumberOrABool(t *testing.T) {
	ev := record.Event{Body: body(t, `{"a":"","b":1.5,"c":false,"d":null,"e":[],"f":{}}`)}
	for name, want := range map[string]bool{"a": true, "b": true, "c": true, "d": false, "e": false, "f": false, "g": false} {
		if _, ok := Name(name).FindScalar(&ev); ok != want {
			t.Errorf("%s: %t", name, ok)
		}
	}
}

func TestAValueIsTakenOutAndNothingElse(t *testing.T) {
	for _, c := range []struct{ accessor, in, want string }{
		{"$.a", `{"a":1,"b":2}`, `{"b":2}`},
		{"$.a.b", `{"a":{"b":1,"c":2},"b":3}`, `{"a":{"c":2},"b":3}`},
		{"$.a[0]", `{"a":[1,2,3]}`, `{"a":[2,3]}`},
		{"$.a[-1]", `{"a":[1,2,3]}`, `{"a":[1,2]}`},
		{"$.a[1].b", `{"a":[{"b":1},{"b":2,"c":3}]}`, `{"a":[{"b":1},{"c":3}]}`},
		{"$.a.x", `{"a":{"b":1}}`, `{"a":{"b":1}}`},
		{"$.a[5]", `{"a":[1]}`, `{"a":[1]}`},
	} {
		a, err := ParseAccessor(c.accessor, fluentd)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(record.AppendJSON(nil, a.AppendWithout(nil, body(t, c.in)))); got != c.want {
			t.Errorf("%s without %s is %s, want %s", c.in, c.accessor, got, c.want)
		}
	}
}

// FuzzAccessor: whatever is read as an accessor leads to one value or to nothing, and what is taken out of a record
// leaves a record.
func FuzzAccessor(f *testing.F) {
	nested := body(f, `{"a":{"b":[1,{"c":"x"}],"":2},"b":[[0,[1]]],"a.b":null}`)
	for _, s := range []string{"a", "$a['b'][0]", "$.a.b[-1].c", "$['a']['']", `$b[0][1][0]`, "a.b", "$.a..b", "$a[99999999999999999999]", "$['", "$a[']"} {
		f.Add(s, nested)
	}
	f.Fuzz(func(t *testing.T, s string, in []byte) {
		for _, d := range []config.Dialect{fluentBit, fluentd} {
			a, err := ParseAccessor(s, d)
			if err != nil {
				if len(a) != 0 {
					t.Errorf("%q: an error and an accessor", s)
				}
				continue
			}
			if n, err := record.Check(in); err != nil || n != len(in) || record.KindOf(in[0]) != record.KindMap {
				continue
			}
			ev := record.Event{Body: in}
			value, ok := a.Find(&ev)
			if n, err := record.Check(value); ok && (err != nil || n != len(value)) {
				t.Errorf("%q leads to %x in %x", s, value, in)
			}
			out := a.AppendWithout(nil, in)
			if n, err := record.Check(out); err != nil || n != len(out) || record.KindOf(out[0]) != record.KindMap {
				t.Errorf("%x without %q is %x", in, s, out)
			}
			if !ok && string(out) != string(in) {
				t.Errorf("%q leads nowhere in %x, and without it is %x", s, in, out)
			}
			if _, still := a.Get(out); still && !a[len(a)-1].isIndex {
				t.Errorf("%q is still in %x", s, out)
			}
		}
	})
}
