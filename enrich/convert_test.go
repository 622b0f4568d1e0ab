package enrich

import (
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/record"
)

func convertOf(t testing.TB, o ConvertOptions) Filter {
	t.Helper()
	step, err := NewConvert(&o, config.FluentBit, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// What is converted is as Fluent Bit 5.1.1 does it. It doesn't convert "0", converts a text without digits to 0.0, and writes a
// field that is there already a second time.
func TestTypeConverterWritesTheValueInAnotherType(t *testing.T) {
	for _, c := range []struct {
		o        ConvertOptions
		in, want string
	}{
		{ConvertOptions{Str: ordered(0, "a b int")}, `{"a":"12 apples"}`, `{"a":"12 apples","b":12}`},
		{ConvertOptions{Str: ordered(0, "a a int")}, `{"a":"-7","z":1}`, `{"z":1,"a":-7}`},
		{ConvertOptions{Str: ordered(0, "a a int")}, `{"a":"0"}`, `{"a":0}`},
		{ConvertOptions{Str: ordered(0, "a a int")}, `{"a":"none"}`, `{"a":"none"}`},
		{ConvertOptions{Str: ordered(0, "a a int")}, `{"a":"99999999999999999999"}`, `{"a":9223372036854775807}`},
		{ConvertOptions{Str: ordered(0, "a a int")}, `{"a":"-99999999999999999999"}`, `{"a":-9223372036854775808}`},
		{ConvertOptions{Str: ordered(0, "a a uint")}, `{"a":"-5"}`, `{"a":18446744073709551611}`},
		{ConvertOptions{Str: ordered(0, "a a hex", "b b hex")}, `{"a":"0x1F","b":"ff"}`, `{"a":31,"b":255}`},
		{ConvertOptions{Str: ordered(0, "a a float", "b b float", "c c float")}, `{"a":"3.7xyz","b":"-1e3","c":".5e"}`, `{"a":3.7,"b":-1000.0,"c":0.5}`},
		{ConvertOptions{Str: ordered(0, "a a float", "b b float")}, `{"a":"text","b":"-."}`, `{"a":"text","b":"-."}`},
		{ConvertOptions{Str: ordered(0, "a a bool", "b b bool", "c c bool")}, `{"a":"TRUE!","b":"false","c":"t"}`, `{"c":"t","a":true,"b":false}`},
		{ConvertOptions{Int: ordered(0, "i s string", "i f float", "i u uint")}, `{"i":-7}`, `{"i":-7,"s":"-7","f":-7.0,"u":18446744073709551609}`},
		{ConvertOptions{Uint: ordered(0, "i i string")}, `{"i":18446744073709551615}`, `{"i":"18446744073709551615"}`},
		{ConvertOptions{Uint: ordered(0, "i j int", "k k int")}, `{"i":18446744073709551615,"k":3}`, `{"i":18446744073709551615,"j":-1,"k":3}`},
		{ConvertOptions{Float: ordered(0, "f s string", "g t str", "f i int")}, `{"f":1.0,"g":0.1}`, `{"f":1.0,"g":0.1,"s":"1.0","t":"0.1","i":1}`},
		{ConvertOptions{Float: ordered(0, "f i int")}, `{"f":1e300}`, `{"f":1e+300}`},
		{ConvertOptions{Str: ordered(0, "$m['a'][1] b int")}, `{"m":{"a":["x","5"]}}`, `{"m":{"a":["x","5"]},"b":5}`},
		{ConvertOptions{Str: ordered(0, "a a int"), Int: ordered(0, "a b float")}, `{"a":"5"}`, `{"a":5}`}, // rules read the record as it came
		{ConvertOptions{Str: ordered(0, "a a int"), Float: ordered(1, "f f int"), Int: ordered(2, "i i str")}, `{"a":1,"f":1,"i":1.5}`, `{"a":1,"f":1,"i":1.5}`},
	} {
		if got := apply(t, convertOf(t, c.o), "app", c.in); got != c.want {
			t.Errorf("%v on %s: got %s, want %s", c.o, c.in, got, c.want)
		}
	}
}

func TestWrongRulesOfTypeConverterAreNamed(t *testing.T) {
	for want, o := range map[string]ConvertOptions{
		"there is no rule": {},
		"str_key: ":        {Str: ordered(0, "a b")},
		"int_key: ":        {Int: ordered(0, "a b integer")},
		"uint_key: ":       {Uint: ordered(0, "a b bool")},
		"float_key: ":      {Float: ordered(0, "a b float c")},
	} {
		if err := o.Check(config.FluentBit); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s…", err, want)
		}
	}
}

func TestConvertingAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("under the race detector a sync.Pool drops at random what is put into it")
	}
	step := convertOf(t, ConvertOptions{Str: ordered(0, "a a int", "b b float", "c c bool"), Int: ordered(3, "i i string")})
	in := body(t, `{"a":"123","b":"2.5","c":"true","i":99,"log":"text"}`)
	s, ev := &Scratch{}, record.Event{}
	if n := testing.AllocsPerRun(100, func() {
		s.Reset()
		ev = record.Event{Body: in}
		step.Apply(&ev, s)
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
