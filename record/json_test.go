package record

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/internal/race"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

func TestAWholeFloatStaysAFloat(t *testing.T) {
	for v, want := range map[float64]string{1: "1.0", -3: "-3.0", 0: "0.0", 0.25: "0.25", 1e20: "100000000000000000000.0", 1e21: "1e+21", 1e-9: "1e-9"} {
		if got := string(AppendJSON(nil, AppendFloat(nil, v))); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := string(AppendText(nil, AppendFloat(nil, 1))); got != "1" {
		t.Errorf("as text: got %s, want 1", got)
	}
}

func TestJSONOfEveryForm(t *testing.T) {
	want := map[string]string{
		"uint64":                      `18446744073709551615`,
		"int64":                       `-9223372036854775808`,
		"float32":                     `1.0000001`,
		"small float":                 `1e-9`,
		"large float32":               `3.4028235e+38`,
		"NaN":                         `null`,
		"infinity":                    `null`,
		"bin8":                        `"abc"`,
		"not UTF-8":                   "\"a\ufffd\ufffd\ufffd\"",
		"controls":                    `"\u0000\n\"\\\u001f"`,
		"line separator":              `"\u2028\u2029"`,
		"fixmap":                      `{"a":1,"b":[1,2]}`,
		"fixext4":                     `"1970-07-15T16:57:40.000000000Z"`,
		"Timestamp of 8 bytes":        `"2023-11-14T22:13:20.000000042Z"`,
		"Timestamp of 12 bytes":       `"1969-12-31T23:59:59.000000042Z"`,
		"Timestamp of no year":        `"ext(-1):0000002a8000000000000000"`,
		"ext16":                       `"ext(7):616263"`,
		"empty ext":                   `"ext(1):"`,
		"EventTime":                   `"2023-11-14T22:13:20.000000042Z"`,
		"EventTime as ext8":           `"2023-11-14T22:13:20.999999999Z"`,
		"EventTime out of range":      `"ext(0):6553f1003b9aca00"`,
		"same keys":                   `{"b":2,"a":4}`,
		"same keys as text":           `{"1":"z"}`,
		"other keys":                  `{"null":1,"true":2,"msgpack:9101":4,"msgpack:80":5,"ext(5):01":6}`,
		"same keys after replacement": `{"a.b":1,"a_b":2}`,
		"keys that aren't UTF-8":      "{\"\ufffd\":2}",
	}
	// 1.0 as a key is "1", which is no other key here.
	want["other keys"] = `{"null":1,"true":2,"1":3,"msgpack:9101":4,"msgpack:80":5,"ext(5):01":6}`
	for _, s := range samples {
		got := string(AppendJSON([]byte("x"), []byte(s.b)))[1:]
		if w, ok := want[s.name]; ok && got != w {
			t.Errorf("%s: %s, want %s", s.name, got, w)
		}
		delete(want, s.name)
	}
	for name := range want {
		t.Errorf("no sample %q", name)
	}
}

func TestMembersStandWithoutBraces(t *testing.T) {
	body := []byte("\x83\xa3a.b\x01\xa3a_b\x81\xa1.\x02\xa4@tag\x03")
	for _, c := range []struct {
		opt  *JSONOptions
		want string
	}{
		{nil, `"a.b":1,"a_b":{".":2},"@tag":3`},
		{&JSONOptions{ReplaceDots: true}, `"a_b":{"_":2},"@tag":3`},
		{&JSONOptions{Omit: []string{"@tag", "a"}}, `"a.b":1,"a_b":{".":2}`},
		{&JSONOptions{Omit: []string{"a.b"}}, `"a_b":{".":2},"@tag":3`},
		{&JSONOptions{ReplaceDots: true, Omit: []string{"a_b"}}, `"@tag":3`},
		{&JSONOptions{Omit: []string{"a_b", "@tag", "a.b"}}, ``},
	} {
		if got := string(AppendJSONMembers(nil, body, c.opt)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.opt, got, c.want)
		}
	}
	for _, b := range []string{"", "\x80", "\x90", "\xc0", "\xc1", "\xde"} {
		if got := string(AppendJSONMembers(nil, []byte(b), nil)); got != "" {
			t.Errorf("%x: %s", b, got)
		}
	}
}

func TestOmittedKeysAreTheKeysAsWritten(t *testing.T) {
	for _, key := range []string{"a", "", "é", `a"b`, `a\b`, "\xff", "tab\t", "\u2028", strings.Repeat("long\n", 40)} {
		for _, other := range []string{"a", "", "é", `a"b`, `a\"b`, `a\\b`, "\ufffd", `tab\t`, `\u2028`} {
			body := AppendBool(AppendStr(AppendMapHeader(nil, 1), other), true)
			got := string(AppendJSONMembers(nil, body, &JSONOptions{Omit: []string{key}}))
			same := string(AppendJSONString(nil, []byte(key))) == string(AppendJSONString(nil, []byte(other)))
			if (got == "") != same {
				t.Errorf("omit %q of %q: %q", key, other, got)
			}
		}
	}
}

func TestTheLastOfTheSameKeysStays(t *testing.T) {
	for _, n := range []int{2, fewMembers, fewMembers + 1, 50, 1000, 5000} {
		body := AppendMapHeader(nil, 2*n)
		want := make([]string, 0, n)
		for round := range 2 {
			for i := range n {
				key := "key" + strings.Repeat("-", i%5) + strconv.Itoa(i)
				body = AppendInt(AppendStr(body, key), int64(i+round))
				if round == 1 {
					want = append(want, fmt.Sprintf("%q:%d", key, i+1))
				}
			}
		}
		if got := string(AppendJSONMembers(nil, body, nil)); got != strings.Join(want, ",") {
			t.Errorf("%d keys twice: %.200s", n, got)
		}
		last, _ := Find(body, "key0")
		if v, _, _ := Int(last); v != 1 {
			t.Errorf("Find gives %d, AppendJSON 1", v)
		}
	}
}

func TestALargeMapIsNotQuadratic(t *testing.T) {
	const n = 200_000
	body := AppendMapHeader(nil, n)
	for i := range n {
		body = AppendNil(AppendStr(body, strconv.Itoa(i%(n/2))))
	}
	began := time.Now()
	out := AppendJSONMembers(nil, body, nil)
	limit := 15 * time.Second // comparing each with each would take minutes
	if race.Enabled {
		limit *= 10
	}
	if took := time.Since(began); took > limit {
		t.Errorf("%d members took %v", n, took)
	}
	if got := bytes.Count(out, []byte("null")); got != n/2 {
		t.Errorf("%d members", got)
	}
}

func TestJSONIsValidWhereTheInputIsNot(t *testing.T) {
	for _, s := range samples {
		for n := range len(s.b) {
			if got := AppendJSON(nil, []byte(s.b[:n])); !json.Valid(got) {
				t.Errorf("%s: the first %d bytes: %s", s.name, n, got)
			}
		}
	}
	for _, depth := range []int{MaxDepth, MaxDepth + 1, 100_000} {
		if got := AppendJSON(nil, deep(depth)); !json.Valid(got) {
			t.Errorf("%d deep: %s", depth, got)
		}
	}
	// Maps as keys of maps, as deep as may be: escaping doubles with each if their text is JSON.
	key := bytes.Repeat([]byte{0x81}, MaxDepth-1)
	if got := AppendJSON(nil, append(key, "\x80\x01"...)); !json.Valid(got) || len(got) > 1000 {
		t.Errorf("keys within keys: %d bytes", len(got))
	}
}

func TestTextOfScalars(t *testing.T) {
	for in, want := range map[string]string{"\xa3a\"b": `a"b`, "\xc4\x01\xff": "\xff", "\x05": "5", "\xc0": "null", "\xc3": "true",
		"\x92\x01\xa1a": `[1,"a"]`, "\xd4\x05\x01": "ext(5):01", "": "", "\xc1": "", "\xa3ab": "", "\xcd\x01": ""} {
		if got := string(AppendText(nil, []byte(in))); got != want {
			t.Errorf("%x: %q, want %q", in, got, want)
		}
	}
}

func TestStringsAreEscapedAsEncodingJSONDoes(t *testing.T) {
	// Every byte at every place of a word and after it.
	for c := range 256 {
		for at := range 20 {
			s := bytes.Repeat([]byte{'x'}, 20)
			s[at] = byte(c)
			got := AppendJSONString(nil, s)
			var back string
			if err := json.Unmarshal(got, &back); err != nil || back != string([]rune(string(s))) {
				t.Fatalf("%q: %s, %v", s, got, err)
			}
		}
	}
}

func FuzzAppendJSON(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s.b), false)
	}
	f.Add([]byte("\x82\xa3a.b\x01\xa3a_b\x02"), true)
	f.Add(typicalEvent(), true)
	f.Fuzz(func(t *testing.T, b []byte, dots bool) {
		got := AppendJSON(nil, b)
		if dots {
			got = append(AppendJSONMembers([]byte("{"), b, &JSONOptions{ReplaceDots: true}), '}')
		}
		if !json.Valid(got) || bytes.ContainsAny(got, "\n\r") {
			t.Fatalf("not JSON on one line: %q", got)
		}
		n, err := Check(b)
		if err != nil || dots && KindOf(b[0]) != KindMap {
			return
		}
		o := &oracle{raw: b[:n], r: bytes.NewReader(b[:n]), dots: dots}
		o.dec = msgpack.NewDecoder(o.r)
		value, err := o.value()
		if err != nil {
			t.Fatalf("oracle: %v", err)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatalf("oracle: %v", err)
		}
		if want, got := plain(t, text), plain(t, got); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
	})
}

// oracle decodes with msgpack/v5 what AppendJSON writes, to be marshalled by encoding/json.
type oracle struct {
	raw  []byte
	r    *bytes.Reader
	dec  *msgpack.Decoder
	dots bool
}

func (o *oracle) value() (any, error) {
	c, err := o.dec.PeekCode()
	if err != nil {
		return nil, err
	}
	switch {
	case msgpcode.IsFixedMap(c) || c == msgpcode.Map16 || c == msgpcode.Map32:
		return o.mapping()
	case msgpcode.IsFixedArray(c) || c == msgpcode.Array16 || c == msgpcode.Array32:
		n, err := o.dec.DecodeArrayLen()
		list := make([]any, 0)
		for i := 0; i < n && err == nil; i++ {
			var v any
			v, err = o.value()
			list = append(list, v)
		}
		return list, err
	case msgpcode.IsString(c) || msgpcode.IsBin(c):
		s, err := o.dec.DecodeString()
		return string([]rune(s)), err
	case msgpcode.IsExt(c):
		return o.ext()
	}
	v, err := o.dec.DecodeInterface()
	if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		v = nil
	}
	if f, ok := v.(float32); ok && (math.IsNaN(float64(f)) || math.IsInf(float64(f), 0)) {
		v = nil
	}
	return v, err
}

func (o *oracle) mapping() (any, error) {
	n, err := o.dec.DecodeMapLen()
	m := map[string]any{}
	for i := 0; i < n && err == nil; i++ {
		var key string
		if key, err = o.key(); err == nil {
			m[key], err = o.value()
		}
	}
	return m, err
}

func (o *oracle) key() (string, error) {
	from := len(o.raw) - o.r.Len()
	v, err := o.value()
	text := ""
	switch v := v.(type) {
	case string:
		text = v
	case map[string]any, []any:
		text = "msgpack:" + hex.EncodeToString(o.raw[from:len(o.raw)-o.r.Len()])
	default:
		b, _ := json.Marshal(v)
		text = string(b)
	}
	if o.dots {
		text = strings.ReplaceAll(text, ".", "_")
	}
	return text, err
}

func (o *oracle) ext() (any, error) {
	typ, n, err := o.dec.DecodeExtHeader()
	if err != nil {
		return nil, err
	}
	data := make([]byte, min(n, o.r.Len()))
	if err := o.dec.ReadFull(data); err != nil {
		return nil, err
	}
	if typ == 0 && n == 8 {
		u, _ := strconv.ParseUint(hex.EncodeToString(data), 16, 64)
		if sec, nsec := u>>32, u&math.MaxUint32; nsec < 1e9 {
			return time.Unix(int64(sec), int64(nsec)).UTC().Format("2006-01-02T15:04:05.000000000Z"), nil
		}
	}
	if at, ok := timestamp(typ, data); ok {
		return at.Format("2006-01-02T15:04:05.000000000Z"), nil
	}
	return fmt.Sprintf("ext(%d):%x", typ, data), nil
}

// timestamp is MessagePack's own, of a year that can be written.
func timestamp(typ int8, data []byte) (at time.Time, ok bool) {
	if typ != -1 {
		return at, false
	}
	switch len(data) {
	case 4:
		at = time.Unix(int64(binary.BigEndian.Uint32(data)), 0)
	case 8:
		v := binary.BigEndian.Uint64(data)
		if v>>34 >= 1e9 {
			return at, false
		}
		at = time.Unix(int64(v%(1<<34)), int64(v>>34))
	case 12:
		sec, nsec := int64(binary.BigEndian.Uint64(data[4:])), binary.BigEndian.Uint32(data)
		if nsec >= 1e9 || sec < -1e12 || sec > 1e12 {
			return at, false
		}
		at = time.Unix(sec, int64(nsec))
	default:
		return at, false
	}
	at = at.UTC()
	return at, at.Year() >= 0 && at.Year() <= 9999
}

// plain unmarshals text, in which no object may have the same key twice.
func plain(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := unique(d)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func unique(d *json.Decoder) (any, error) {
	token, err := d.Token()
	switch {
	case err != nil:
		return nil, err
	case token == json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := unique(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	case token == json.Delim('{'):
		m := map[string]any{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			if _, dup := m[key.(string)]; dup {
				return nil, errors.New("a key twice")
			}
			if m[key.(string)], err = unique(d); err != nil {
				return nil, err
			}
		}
		_, err = d.Token()
		return m, err
	}
	return token, nil
}

// Closing the gap of the first moved all of what is inside, for each level: it took a hundred times as long.
func TestMembersWithTheSameKeyAtEveryLevelCostLittle(t *testing.T) {
	took := func(levels int, text string) (least time.Duration) {
		body := []byte{}
		for range levels {
			body = AppendInt(AppendStr(AppendMapHeader(body, 3), "a"), 1)
			body = AppendInt(AppendStr(body, "b"), 2)
			body = AppendStr(body, "a")
		}
		body = AppendStr(body, text)
		want := strings.Repeat(`{"b":2,"a":`, levels) + `"` + text + `"` + strings.Repeat("}", levels)
		var got []byte
		least = time.Hour
		for range 5 {
			begin := time.Now()
			got = AppendJSON(got[:0], body)
			least = min(least, time.Since(begin))
		}
		if n := len(got) - len(want); n > levels*len(`"a":1,`) || len(text) < maxMoved/2 && n > 0 {
			t.Errorf("got %d bytes more than without the first members, want none, or as much in a large record", n)
		}
		if string(bytes.ReplaceAll(got, []byte(" "), nil)) != want {
			t.Errorf("got %.300s, want %.300s", got, want)
		}
		return least
	}
	took(MaxDepth-1, "small")
	large := strings.Repeat("x", 2<<20)
	if one, all := took(1, large), took(MaxDepth-1, large); all > 20*one {
		t.Errorf("got %v for all levels and %v for one, want no more than 20 times as long", all, one)
	}
}
