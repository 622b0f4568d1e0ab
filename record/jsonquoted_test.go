package record

import (
	"bytes"
	"strings"
	"testing"
)

// quotedMap makes a map of values that are MessagePack, by keys before them.
func quotedMap(members ...[]byte) []byte {
	b := AppendMapHeader(nil, len(members)/2)
	return append(b, bytes.Join(members, nil)...)
}

func TestAQuotedMapIsThatOfTheSlowWay(t *testing.T) {
	str := func(s string) []byte { return AppendStr(nil, s) }
	for name, c := range map[string]struct {
		body []byte
		ok   bool
	}{
		"empty":            {quotedMap(), true},
		"plain":            {quotedMap(str("log"), str("hello"), str("container_id"), str(strings.Repeat("0123", 16))), true},
		"a long string":    {quotedMap(str("log"), str(strings.Repeat("x", 300)), str("b"), str("")), true},
		"escapes":          {quotedMap(str("log"), str("say \"hé\"\n\\ \xff\u2028"), str("b"), AppendInt(nil, 7)), true},
		"usual escapes":    {quotedMap(str("log"), str("say \"hé€😀\"\n\t\r\\ \"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""), str("b"), str(strings.Repeat("\\", 300))), true},
		"nested":           {quotedMap(str("log"), quotedMap(str("a"), str("\"b\"")), str("b"), AppendArrayHeader(nil, 0)), true},
		"bin, nil":         {quotedMap(str("log"), AppendBin(nil, []byte("b\x00")), str("b"), AppendNil(nil)), true},
		"a key twice":      {quotedMap(str("log"), str("1"), str("log"), str("2")), false},
		"a key to escape":  {quotedMap(str("a\"b"), str("1")), false},
		"an empty key":     {quotedMap(str(""), str("1")), false},
		"a long key":       {quotedMap(str(strings.Repeat("k", 32)), str("1")), false},
		"a number as key":  {quotedMap(AppendInt(nil, 7), str("1")), false},
		"too large":        {quotedMap(str("log"), str(strings.Repeat("x", maxRoom))), false},
		"cut short":        {quotedMap(str("log"), str("hello"), str("b"), str("x"))[:8], false},
		"not a map":        {str("log"), false},
		"nothing":          {nil, false},
		"only its members": {append(quotedMap(str("log"), str("hello")), "more"...), true},
	} {
		out, ok := AppendJSONQuoted([]byte("before"), c.body)
		if ok != c.ok || !ok && string(out) != "before" {
			t.Errorf("%s: got %q, %v; want ok %v", name, out, ok, c.ok)
		}
		if want := "before" + string(AppendJSONString(nil, AppendJSON(nil, c.body))); ok && string(out) != want {
			t.Errorf("%s: got %s, want %s", name, out, want)
		}
	}
}

func FuzzQuotedMap(f *testing.F) {
	f.Add(quotedMap(AppendStr(nil, "log"), AppendStr(nil, "say \"x\""), AppendStr(nil, "n"), AppendInt(nil, -7)), 3)
	f.Add([]byte("\x82\xa1a\xa1b\xa1c\xc1"), 100)
	f.Fuzz(func(t *testing.T, body []byte, room int) {
		dst := append(make([]byte, 0, 6+min(max(room, 0), 1<<16)), "before"...)
		out, ok := AppendJSONQuoted(dst, body)
		if want := "before" + string(AppendJSONString(nil, AppendJSON(nil, body))); ok && string(out) != want {
			t.Errorf("got %q, want %q", out, want)
		} else if !ok && string(out) != "before" {
			t.Errorf("dst changed to %q", out)
		}
	})
}
