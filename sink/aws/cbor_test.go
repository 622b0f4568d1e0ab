package aws

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
)

func TestAnswersInCBORAreReadAsJSON(t *testing.T) {
	for in, want := range map[string]string{
		"\xa2\x61a\x00\x61b\x61x":                      `{"a":0,"b":"x"}`,
		"\xbf\x61a\x18\xff\x61b\x39\x01\x00\xff":       `{"a":255,"b":-257}`,
		"\x83\x19\x01\x00\x1a\x00\x01\x00\x00\x20":     `[256,65536,-1]`,
		"\x9f\x1b\xff\xff\xff\xff\xff\xff\xff\xff\xff": `[18446744073709551615]`,
		"\x7f\x62ab\x61c\xff":                          `"abc"`,
		"\x62\"\\":                                     `"\"\\"`,
		"\x61\xff":                                     "\"\ufffd\"",
		"\x43abc":                                      `"YWJj"`,
		"\x84\xf4\xf5\xf6\xf7":                         `[false,true,null,null]`,
		"\x82\xf9\x3c\x00\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00": `[null,null]`,
		"\xc1\x01": `1`,
		"\x80":     `[]`,
		"\xbf\xff": `{}`,
		"\x01more": `1`,
	} {
		if got, err := CBORToJSON(nil, []byte(in)); err != nil || string(got) != want {
			t.Errorf("%x: got %s, error %v; want %s", in, got, err, want)
		}
	}
}

func TestWhatIsNotCBORIsAnError(t *testing.T) {
	for in, want := range map[string]error{
		"":                                     errShortCBOR,
		"\x61":                                 errShortCBOR,
		"\x82\x01":                             errShortCBOR,
		"\x9f\x01":                             errShortCBOR,
		"\x7f\x61a":                            errShortCBOR,
		"\xa1\x61a":                            errShortCBOR,
		"\x1b\x01":                             errShortCBOR,
		"\x5b\xff\xff\xff\xff\xff\xff\xff\xff": errShortCBOR,
		"\x9b\xff\xff\xff\xff\xff\xff\xff\xff": errShortCBOR,
		"\xa1\x01\x01":                         errNotCBOR, // a name that isn't a text
		"\x7f\x41a\xff":                        errNotCBOR,
		"\x7f\x7f\xff\xff":                     errNotCBOR,
		"\x1c":                                 errNotCBOR,
		"\xff":                                 errNotCBOR,
		"\x3b\xff\xff\xff\xff\xff\xff\xff\xff": errNotCBOR,
		"\x9f" + strings.Repeat("\xa0", maxMembers+1) + "\xff": errLongCBOR,
		strings.Repeat("\x81", 1<<20):                          errDeepCBOR,
		strings.Repeat("\xc1", 1<<20):                          errDeepCBOR,
	} {
		if got, err := CBORToJSON(nil, []byte(in)); err != want || len(got) > 1<<15 {
			t.Errorf("%.20x: got %.100s and error %v, want %v", in, got, err, want)
		}
	}
}

// FuzzCBOR: no answer does more than to be refused, and what the SDK reads is read in the same way.
func FuzzCBOR(f *testing.F) {
	for _, in := range []string{
		"\xbf\x71FailedRecordCount\x01\x67Records\x9f\xa2\x6eSequenceNumber\x621\x31\xff\xff", "\x7f\x62ab\x61c\xff", "\x43abc", "\x39\x01\x00", "\xc1\x01", "\x81\x81\x80",
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := CBORToJSON(nil, in)
		if len(got) > 6*len(in)+8 {
			t.Fatalf("%d bytes became %d", len(in), len(got))
		}
		v, failed := cbor.Decode(in)
		if err != nil || failed != nil {
			return
		}
		want, known := valueOf(v)
		if !known {
			return
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(decoded(t, got), decoded(t, text)) {
			t.Errorf("%x: got %s, want %s", in, got, text)
		}
	})
}

func decoded(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// valueOf makes a value of the kind that encoding/json encodes, unless v has something that answers don't have.
func valueOf(v cbor.Value) (_ any, known bool) {
	switch v := v.(type) {
	case cbor.Map:
		m := map[string]any{}
		for name, member := range v {
			if m[name], known = valueOf(member); !known {
				return nil, false
			}
		}
		return m, true
	case cbor.List:
		list := make([]any, len(v))
		for i, member := range v {
			if list[i], known = valueOf(member); !known {
				return nil, false
			}
		}
		return list, true
	case cbor.String:
		return string(v), true
	case cbor.Slice:
		return []byte(v), v != nil
	case cbor.Uint:
		return uint64(v), true
	case cbor.NegInt:
		return -int64(v), 0 < v && v < 1<<62
	case cbor.Bool:
		return bool(v), true
	}
	return nil, false
}

// TestOnlyACBORAnswerWithoutFailuresIsNotRead: everything else is decoded.
func TestOnlyACBORAnswerWithoutFailuresIsNotRead(t *testing.T) {
	for answer, want := range map[string]bool{
		"\xbf\x71FailedRecordCount\x00\x67Records\x80\xff":                   true,
		"\xa1\x71FailedRecordCount\x00":                                      true,
		"\xa1\x71FailedRecordCount\x01":                                      false,
		"\xa1\x71FailedRecordCount\x18\x00":                                  false,
		"\xa2\x71FailedRecordCount\x00\x67Records\x81\xa1\x69ErrorCode\x61a": false,
		"\xa1\x67Records\x80":                                                false,
		"\x81\x71FailedRecordCount\x00":                                      false,
		"":                                                                   false,
	} {
		if got := noneFailedCBOR([]byte(answer), "FailedRecordCount"); got != want {
			t.Errorf("%q: got %v, want %v", answer, got, want)
		}
	}
}
