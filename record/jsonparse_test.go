package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// jsonSamples are JSON values, and others that nearly are.
var jsonSamples = []string{
	jsonLine, `{}`, `[]`, ` [ ] `, `{"a":1,"a":2}`, `{"a" : [ 1 , {"b":null} ] , "c" : true }`, `"x"`, `""`, `true`, `null`, ` false`,
	`0`, `-0`, `-0.0`, `1.5e3`, `1E+2`, `-12`, `9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `-9223372036854775809`,
	`18446744073709551615`, `18446744073709551616`, `123456789012345678901234567890`, `1e400`, `-1e400`, `1e-400`, `0.1`, `5e-324`,
	`"\u00e9\ud83d\ude00\ud83d\u0041\udc00\"\\\/\b\f\n\r\t"`, "\"\xff\xe2\x82\"", `"` + strings.Repeat(`\n`, 40) + `"`, `"` + strings.Repeat(`\u0041`, 32) + `"`,
	`"` + strings.Repeat("é", 200) + `\"` + strings.Repeat("x", 70_000) + `"`,
	`{"a":1,}`, `[1,]`, `[,]`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `[1 2]`, `01`, `1.`, `.5`, `+1`, `-`, `1e`, `1e+`, `--1`, `tru`, `trux`, `nul`, `"`, `"\`, `"\x"`,
	`"\u12"`, `"\u12g4"`, "\"\n\"", "\"\x00\"", `[`, `{`, `{"a"`, `{"a":`, `{"a":1`, `[1`, `1 1`, `{} x`, ``, ` `, "\xef\xbb\xbf{}", `'a'`, `NaN`, `Infinity`, "\x00", "1\x00",
	"\"plain\xc2\xa2\xc2\xdc \x7f\x20\"",
}

func TestJSONBecomesMessagePack(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":1,"a":[true,null]}`:            "\x82\xa1a\x01\xa1a\x92\xc3\xc0",
		`18446744073709551615`:               "\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
		`18446744073709551616`:               "\xb418446744073709551616",
		`-9223372036854775808`:               "\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
		`-9223372036854775809`:               "\xb4-9223372036854775809",
		`1.0`:                                "\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00",
		`1e999`:                              "\xa51e999",
		`-0`:                                 "\xcb\x80\x00\x00\x00\x00\x00\x00\x00",
		`"\ud83d\ude00\udc00"`:               "\xa7\U0001f600\ufffd",
		"\"\xff\"":                           "\xa1\xff",
		`"` + strings.Repeat(`\n`, 31):       "",
		`"` + strings.Repeat(`\n`, 31) + `"`: "\xbf" + strings.Repeat("\n", 31),
		`"` + strings.Repeat(`\n`, 32) + `"`: "\xd9\x20" + strings.Repeat("\n", 32),
	} {
		out, err := AppendFromJSON([]byte("x"), []byte(in))
		if string(out) != "x"+want || (err == nil) != (want != "") {
			t.Errorf("%s: %x, %v, want %x", in, out, err, want)
		}
	}
}

func TestContainersOfEverySizeGetTheirHeader(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 65_535, 65_536, 70_000} {
		array := "[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]"
		object := "{" + strings.TrimSuffix(strings.Repeat(`"k":1,`, n), ",") + "}"
		out, err := AppendFromJSON(nil, []byte(array))
		if want := append(AppendArrayHeader(nil, n), bytes.Repeat([]byte{1}, n)...); err != nil || !bytes.Equal(out, want) {
			t.Errorf("array of %d: %.20x…, %v", n, out, err)
		}
		out, err = AppendFromJSON(nil, []byte(object))
		if want := append(AppendMapHeader(nil, n), bytes.Repeat([]byte("\xa1k\x01"), n)...); err != nil || !bytes.Equal(out, want) {
			t.Errorf("object of %d: %.20x…, %v", n, out, err)
		}
	}
}

func TestJSONIsTakenAsStrictlyAsEncodingJSONDoes(t *testing.T) {
	for _, s := range jsonSamples {
		compareWithEncodingJSON(t, []byte(s))
	}
}

func TestJSONThatEndsTooEarlyIsShort(t *testing.T) {
	for n := range len(jsonLine) {
		if out, err := AppendFromJSON(nil, []byte(jsonLine[:n])); err != ErrShort || out != nil {
			t.Fatalf("%s: %v", jsonLine[:n], err)
		}
	}
}

func TestDepthOfJSONIsLimited(t *testing.T) {
	for depth, want := range map[int]error{MaxDepth: nil, MaxDepth + 1: ErrDepth, 1_000_000: ErrDepth} {
		s := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		out, err := AppendFromJSON(nil, []byte(s))
		if err != want {
			t.Errorf("%d deep: %v, want %v", depth, err, want)
		}
		if err == nil {
			if _, err := Check(out); err != nil {
				t.Errorf("%d deep: Check refuses it: %v", depth, err)
			}
		}
	}
}

func TestASequenceOfJSONIsReadOneByOne(t *testing.T) {
	rest := []byte(` {"a":1}{"b":2}` + "\n" + `3 "x"[]`)
	var got []string
	for len(rest) > 0 {
		var out []byte
		var err error
		if out, rest, err = NextFromJSON(nil, rest); err != nil {
			t.Fatal(err)
		}
		got = append(got, string(AppendJSON(nil, out)))
	}
	if want := `{"a":1} {"b":2} 3 "x" []`; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestControlCharactersInStringsAreTaken(t *testing.T) {
	in := "{\"log\":\"a\ttab, \x1b[31mred\x1b[0m\nand a second line\"}"
	out, err := AppendFromJSON(nil, []byte(in))
	if v, _ := Find(out, "log"); err != nil || string(v[2:]) != "a\ttab, \x1b[31mred\x1b[0m\nand a second line" {
		t.Errorf("got %q and error %v", v, err)
	}
	for _, in := range []string{"{\n\"a\"\x00:1}", "\x01{}", "{\"a\":\t1\x02}"} {
		if _, err := AppendFromJSON(nil, []byte(in)); err == nil {
			t.Errorf("%q: got no error for a control character outside of a string", in)
		}
	}
}

func FuzzAppendFromJSON(f *testing.F) {
	for _, s := range jsonSamples {
		if len(s) < 1000 {
			f.Add([]byte(s))
		}
	}
	f.Fuzz(compareWithEncodingJSON)
}

// escapeControls replaces control characters inside strings by their escapes.
func escapeControls(in []byte) []byte {
	var out []byte
	inside := false
	for i := 0; i < len(in); i++ {
		switch c := in[i]; {
		case inside && c == '\\' && i+1 < len(in):
			out = append(out, c)
			i++
			out = append(out, in[i])
		case inside && c < ' ':
			out = fmt.Appendf(out, "\\u%04x", c)
		default:
			inside = inside != (c == '"')
			out = append(out, c)
		}
	}
	return out
}

func compareWithEncodingJSON(t *testing.T, in []byte) {
	out, err := AppendFromJSON([]byte("x"), in)
	if err != nil && string(out) != "x" {
		t.Fatalf("%q: dst is changed after %v", in, err)
	}
	if err == ErrDepth {
		return
	}
	// Only a control character inside a string is taken that encoding/json refuses.
	if err == nil && !json.Valid(in) {
		in = escapeControls(in)
	}
	if (err == nil) != json.Valid(in) {
		t.Fatalf("%q: %v, encoding/json says valid: %v", in, err, json.Valid(in))
	}
	if err != nil {
		return
	}
	out = out[1:]
	if n, err := Check(out); err != nil || n != len(out) {
		t.Fatalf("%q: Check of %x: %d, %v", in, out, n, err)
	}
	d := json.NewDecoder(bytes.NewReader(in))
	d.UseNumber()
	var want any
	if err := d.Decode(&want); err != nil {
		t.Fatal(err)
	}
	if got, err := msgpack.NewDecoder(bytes.NewReader(out)).DecodeInterface(); err != nil || !reflect.DeepEqual(repaired(got), asMessagePack(want)) {
		t.Fatalf("%q: got %#v, %v, want %#v", in, got, err, asMessagePack(want))
	}
	// And back: nothing is lost but the spelling of numbers and strings.
	if !json.Valid(AppendJSON(nil, out)) {
		t.Fatalf("%q: back: %s", in, AppendJSON(nil, out))
	}
}

// asMessagePack is v, as encoding/json decodes it, with numbers as AppendFromJSON promises them.
func asMessagePack(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = asMessagePack(v[i])
		}
		return v
	case map[string]any:
		for k := range v {
			v[k] = asMessagePack(v[k])
		}
		return v
	case json.Number:
		if s := string(v); strings.ContainsAny(s, ".eE") || s == "-0" {
			if f, err := strconv.ParseFloat(s, 64); err == nil {
				return f
			}
		} else if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return i
		} else if u, err := strconv.ParseUint(s, 10, 64); err == nil {
			return u
		}
		return string(v)
	}
	return v
}

// repaired is v, as msgpack/v5 decodes it, with integers as int64 where they fit and strings as encoding/json has them.
func repaired(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = repaired(v[i])
		}
		return v
	case map[string]any:
		m := map[string]any{}
		for k := range v {
			m[string([]rune(k))] = repaired(v[k])
		}
		return m
	case string:
		return string([]rune(v))
	case float64:
		return v
	}
	if r := reflect.ValueOf(v); r.CanInt() {
		return r.Int()
	} else if r.CanUint() {
		if r.Uint() <= math.MaxInt64 {
			return int64(r.Uint())
		}
		return r.Uint()
	}
	return v
}

func TestJSONThatGrowsBeyondTheLimitIsRefused(t *testing.T) {
	text := []byte("[" + strings.Repeat("1.5,", MaxJSON/9+10) + "1]")
	if out, err := AppendFromJSON(nil, text); !errors.Is(err, ErrRange) || out != nil {
		t.Errorf("got %d bytes and error %v, want %v", len(out), err, ErrRange)
	}
}
