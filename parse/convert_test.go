package parse

import (
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

func TestAnArrayOfSeparatorsTakesNoMoreThanItsItems(t *testing.T) {
	value := record.AppendStr(nil, strings.Repeat(",", 1<<20))
	dst := make([]byte, 0, 2<<20)
	if n := testing.AllocsPerRun(3, func() { toArray(",")(dst, value) }); n > 3 {
		t.Errorf("got %v allocations, want none for the parts", n)
	}
}

func TestTheTypeOfALongTextIsReadInOnePass(t *testing.T) {
	for _, text := range []string{strings.Repeat("-", 16<<10), strings.Repeat("1", 16<<10), strings.Repeat("1e", 8<<10), strings.Repeat("1.", 8<<10)} {
		value := record.AppendStr(nil, text)
		dst := make([]byte, 0, len(value))
		for name, convert := range map[string]converter{"integer": toInteger, "float": toFloat} {
			if n := testing.AllocsPerRun(1, func() { convert(dst, value) }); n > 20 {
				t.Errorf("%s of %q… took %v allocations, want no more than for a short text", name, text[:4], n)
			}
		}
	}
}

func TestTheNumberAtTheBeginningOfATextIsRead(t *testing.T) {
	for text, want := range map[string]string{
		"1.5ms": "1.5", " -2 ": "-2.0", "+.5x": "0.5", "1.e2": "100.0", "1e": "1.0", "1e+": "1.0", "1e-2e3": "0.01", "1.2.3": "1.2", "--1": "0.0", ".e1": "0.0", "-": "0.0", "": "0.0",
		"1e999": "1.7976931348623157e+308", "-1e999": "-1.7976931348623157e+308",
	} {
		if got := string(record.AppendJSON(nil, toFloat(nil, record.AppendStr(nil, text)))); got != want {
			t.Errorf("%q is %s; want %s", text, got, want)
		}
	}
}

func TestAnIntegerIsTheDigitsAtTheBeginning(t *testing.T) {
	for text, want := range map[string]string{
		"12": "12", " +5ms": "5", "-2.9": "-2", "1e3": "1", ".5": "0", "": "0", "x": "0", "-": "0",
		"9223372036854775807": "9223372036854775807", "9223372036854775808": `"9223372036854775808"`,
	} {
		if got := string(record.AppendJSON(nil, toInteger(nil, record.AppendStr(nil, text)))); got != want {
			t.Errorf("%q is %s; want %s", text, got, want)
		}
	}
}

func TestAKeyOfLogfmtWithoutAValueHasItsType(t *testing.T) {
	for _, c := range []struct{ types, want string }{
		{"", `{"n":true,"m":true,"s":true}`},
		{"n:integer m:float", `{"n":0,"m":0.0,"s":""}`},
		{"s:string", `{"n":"","m":"","s":""}`},
	} {
		p, err := New(&Options{Name: "l", Format: "logfmt", Types: c.types}, config.FluentBit, Env{})
		if err != nil {
			t.Fatal(err)
		}
		out, ok := p.Parse(nil, []byte("n= m s="), new(record.Time))
		if got := string(record.AppendJSON(nil, out)); !ok || got != c.want {
			t.Errorf("types %q: got %s; want %s", c.types, got, c.want)
		}
	}
}
