package record

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// samples are well-formed values of every form, and what they are.
var samples = []struct {
	name string
	b    string
}{
	{"nil", "\xc0"}, {"false", "\xc2"}, {"true", "\xc3"},
	{"fixint", "\x00"}, {"largest fixint", "\x7f"}, {"negative fixint", "\xe0"}, {"minus one", "\xff"},
	{"uint8", "\xcc\xff"}, {"uint16", "\xcd\xff\xff"}, {"uint32", "\xce\xff\xff\xff\xff"},
	{"uint64", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"},
	{"int8", "\xd0\x80"}, {"int16", "\xd1\x80\x00"}, {"int32", "\xd2\x80\x00\x00\x00"},
	{"int64", "\xd3\x80\x00\x00\x00\x00\x00\x00\x00"}, {"positive int64", "\xd3\x00\x00\x00\x00\x00\x00\x00\x05"},
	{"float32", "\xca\x3f\x80\x00\x01"}, {"float64", "\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"},
	{"NaN", "\xcb\x7f\xf8\x00\x00\x00\x00\x00\x01"}, {"infinity", "\xca\xff\x80\x00\x00"},
	{"small float", "\xcb\x3e\x11\x2e\x0b\xe8\x26\xd6\x95"}, {"large float32", "\xca\x7f\x7f\xff\xff"},
	{"fixstr", "\xa3abc"}, {"empty fixstr", "\xa0"}, {"str8", "\xd9\x03abc"}, {"str16", "\xda\x00\x03abc"},
	{"str32", "\xdb\x00\x00\x00\x03abc"}, {"empty str8", "\xd9\x00"},
	{"bin8", "\xc4\x03abc"}, {"bin16", "\xc5\x00\x03abc"}, {"bin32", "\xc6\x00\x00\x00\x03abc"},
	{"not UTF-8", "\xa4a\xff\xe2\x82"}, {"controls", "\xa5\x00\n\"\\\x1f"}, {"line separator", "\xa6\xe2\x80\xa8\xe2\x80\xa9"},
	{"long str", "\xd9\x40" + strings.Repeat("0123456\xc3\xa9", 7) + "e"},
	{"fixarray", "\x93\x01\xa1a\xc0"}, {"empty array", "\x90"}, {"array16", "\xdc\x00\x02\x01\x02"},
	{"array32", "\xdd\x00\x00\x00\x01\x91\x90"}, {"empty array32", "\xdd\x00\x00\x00\x00"},
	{"fixmap", "\x82\xa1a\x01\xa1b\x92\x01\x02"}, {"empty map", "\x80"}, {"map16", "\xde\x00\x01\xa1a\x80"},
	{"map32", "\xdf\x00\x00\x00\x01\xa1a\x81\xa1b\xc3"},
	{"Timestamp of 8 bytes", "\xd7\xff\x00\x00\x00\xa8\x65\x53\xf1\x00"},
	{"Timestamp of 12 bytes", "\xc7\x0c\xff\x00\x00\x00\x2a\xff\xff\xff\xff\xff\xff\xff\xff"},
	{"Timestamp of no year", "\xc7\x0c\xff\x00\x00\x00\x2a\x80\x00\x00\x00\x00\x00\x00\x00"},
	{"fixext1", "\xd4\x05\x01"}, {"fixext2", "\xd5\x05\x01\x02"}, {"Timestamp of 8 bytes", "\xd7\xff\x00\x00\x00\xa8\x65\x53\xf1\x00"},
	{"Timestamp of 12 bytes", "\xc7\x0c\xff\x00\x00\x00\x2a\xff\xff\xff\xff\xff\xff\xff\xff"},
	{"Timestamp of no year", "\xc7\x0c\xff\x00\x00\x00\x2a\x80\x00\x00\x00\x00\x00\x00\x00"},
	{"fixext4", "\xd6\xff\x01\x02\x03\x04"},
	{"fixext8", "\xd7\x05\x01\x02\x03\x04\x05\x06\x07\x08"}, {"fixext16", "\xd8\x05" + strings.Repeat("x", 16)},
	{"ext8", "\xc7\x03\x07abc"}, {"ext16", "\xc8\x00\x03\x07abc"}, {"ext32", "\xc9\x00\x00\x00\x03\x07abc"}, {"empty ext", "\xc7\x00\x01"},
	{"EventTime", "\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x2a"}, {"EventTime as ext8", "\xc7\x08\x00\x65\x53\xf1\x00\x3b\x9a\xc9\xff"},
	{"EventTime out of range", "\xd7\x00\x65\x53\xf1\x00\x3b\x9a\xca\x00"},
	{"same keys", "\x84\xa1a\x01\xa1b\x02\xa1a\x03\xc4\x01a\x04"},
	{"same keys as text", "\x83\x01\xa1x\xa11\xa1y\xcc\x01\xa1z"},
	{"other keys", "\x86\xc0\x01\xc3\x02\xca\x3f\x80\x00\x00\x03\x91\x01\x04\x80\x05\xd4\x05\x01\x06"},
	{"same keys after replacement", "\x82\xa3a.b\x01\xa3a_b\x02"},
	{"keys that aren't UTF-8", "\x82\xa1\xff\x01\xa1\xfe\x02"},
}

// deep is depth arrays, one within the other.
func deep(depth int) []byte { return append(bytes.Repeat([]byte{0x91}, depth-1), 0x90) }

func TestCheckFindsTheEndOfEveryForm(t *testing.T) {
	for _, s := range samples {
		n, err := Check([]byte(s.b + "\xc1"))
		if n != len(s.b) || err != nil {
			t.Errorf("%s: Check = %d, %v, want %d", s.name, n, err, len(s.b))
		}
		if err := msgpack.NewDecoder(strings.NewReader(s.b)).Skip(); err != nil {
			t.Errorf("%s: the sample itself is wrong: %v", s.name, err)
		}
	}
}

func TestCheckCallsEveryPrefixShort(t *testing.T) {
	for _, s := range samples {
		for n := range len(s.b) {
			if _, err := Check([]byte(s.b[:n])); err != ErrShort {
				t.Errorf("%s: the first %d bytes: %v, want ErrShort", s.name, n, err)
			}
		}
	}
}

func TestCheckTellsWhereItFailed(t *testing.T) {
	_, err := Check([]byte("\x82\xa1a\x01\xa1b\xc1"))
	if !errors.Is(err, ErrInvalid) || !strings.HasSuffix(err.Error(), "at byte 6") {
		t.Errorf("got %v", err)
	}
}

func TestDepthIsLimited(t *testing.T) {
	if _, err := Check(deep(MaxDepth)); err != nil {
		t.Errorf("%d deep: %v", MaxDepth, err)
	}
	for _, depth := range []int{MaxDepth + 1, 10_000, 1_000_000} {
		if _, err := Check(deep(depth)); !errors.Is(err, ErrDepth) {
			t.Errorf("%d deep: %v, want ErrDepth", depth, err)
		}
	}
}

func TestLengthsProveNothing(t *testing.T) {
	for _, b := range []string{"\xdf\xff\xff\xff\xff", "\xdd\xff\xff\xff\xff\x01", "\xdb\xff\xff\xff\xffabc", "\xc6\xff\xff\xff\xff",
		"\xc9\xff\xff\xff\xff\x00"} {
		if _, err := Check([]byte(b)); err != ErrShort {
			t.Errorf("%x: %v, want ErrShort", b, err)
		}
		if got := AppendJSON(nil, []byte(b)); len(got) > 16 {
			t.Errorf("%x: %d bytes of JSON", b, len(got))
		}
	}
}

func TestKindOfEveryByte(t *testing.T) {
	for _, s := range samples {
		if KindOf(s.b[0]) == KindInvalid {
			t.Errorf("%s is invalid", s.name)
		}
	}
	if KindOf(0xc1) != KindInvalid {
		t.Error("0xc1 is valid")
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s.b))
	}
	f.Add(deep(MaxDepth + 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := Check(b)
		dec := msgpack.NewDecoder(bytes.NewReader(b))
		oracle := dec.Skip()
		switch {
		case errors.Is(err, ErrDepth):
		case (err == nil) != (oracle == nil):
			t.Fatalf("Check: %v, msgpack: %v", err, oracle)
		case err == nil:
			if rest, err := Skip(b); err != nil || len(rest) != len(b)-n {
				t.Fatalf("Check = %d, Skip leaves %d, %v", n, len(rest), err)
			}
			if _, err := Check(b[:n-1]); err != ErrShort {
				t.Fatalf("cut by one byte: %v", err)
			}
		}
		useEverything(b)
	})
}

// useEverything calls every reader with b, which may be anything.
func useEverything(b []byte) {
	MapHeader(b)
	ArrayHeader(b)
	Str(b)
	Int(b)
	Float(b)
	Bool(b)
	ReadTime(b)
	for f := FieldsOf(b); f.Next(); {
		f.Key()
	}
	Find(b, "a")
	AppendText(nil, b)
	AppendJSON(nil, b)
	AppendJSONMembers(nil, b, &JSONOptions{ReplaceDots: true, Omit: []string{"a", "\xff", "é"}})
	var ev Event
	for r := ReadBatch(b); r.Next(&ev); {
	}
}
