package record

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestJSONThatIsCutIsValidAndLimited(t *testing.T) {
	long := strings.Repeat("ä", 1000)
	text := func(s string) []byte { return AppendStr(nil, s) }
	for _, tt := range []struct {
		name string
		ev   Event
		want string
	}{
		{"whole", Event{Body: mapOf(text("a"), AppendInt(nil, 1), text("b"), text("x"))}, `{"a":1,"b":"x"}`},
		{"empty", Event{Body: mapOf()}, `{}`},
		{"with a tail", Event{Body: mapOf(text("a"), text("x")), Tail: mapOf(text("t"), text("y"))}, `{"a":"x","t":"y"}`},
		{"a long text", Event{Body: mapOf(text("a"), text(long))}, `{"a":"` + long[:20] + `… (2000 bytes)"}`},
		{"a long array", Event{Body: mapOf(text("a"), append(AppendArrayHeader(nil, 1), text(long)...))}, `{"a":"(2004 bytes)"}`},
		{"a long key", Event{Body: mapOf(text(long), AppendInt(nil, 1))}, `{"` + long[:20] + `":1}`},
		{"a key that is no text", Event{Body: mapOf(AppendInt(nil, 1), AppendInt(nil, 1))}, `{"(1 bytes)":1}`},
	} {
		if got := string(AppendJSONCut(nil, &tt.ev, 20)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	var members [][]byte
	for n := range 1000 {
		members = append(members, text(fmt.Sprint("key", n)), text("value"))
	}
	got := AppendJSONCut(nil, &Event{Body: mapOf(members...)}, 20)
	var m map[string]string
	if err := json.Unmarshal(got, &m); err != nil || len(got) > 200 || m["…"] != fmt.Sprint(1000-len(m)+1, " more members") {
		t.Errorf("got %s and error %v, want few members, and the number of the others", got, err)
	}
}

// mapOf is a map of keys and values.
func mapOf(parts ...[]byte) []byte {
	b := AppendMapHeader(nil, len(parts)/2)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}
