package record

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/firelane/firelane/internal/race"
)

func TestNothingIsAllocatedInSteadyState(t *testing.T) {
	if race.Enabled {
		t.Skip("under the race detector a sync.Pool drops at random what is put into it")
	}
	event, parsed := typicalEvent(), parsedEvent()
	large := AppendMapHeader(nil, 4*fewMembers)
	for i := range 4 * fewMembers {
		large = AppendInt(AppendStr(large, "field"+strconv.Itoa(i)), int64(i))
	}
	utf8 := AppendStr(nil, strings.Repeat("Größe \x01\"東京\xff", 20))
	opt := &JSONOptions{Omit: []string{"@timestamp", "source"}, ReplaceDots: true}
	line := []byte(jsonLine)
	id := ID{Queue: NewQueueIdentity()}
	at := AppendTime(nil, Time{1, 2})
	dst := make([]byte, 0, 64<<10) // what isn't JSON returns dst as it came, however far it grew
	var batch Batch
	tailed := Event{Tag: "app.a", Body: event, Tail: []byte("\x81\xa3env\xa4prod")}
	var buf []byte
	var reader BatchReader
	var ev Event
	for name, f := range map[string]func(){
		"Check":                        func() { Check(parsed) },
		"Check of a part":              func() { Check(parsed[:len(parsed)-1]) },
		"FieldsOf":                     func() { walkFields(parsed) },
		"Find":                         func() { Find(event, "log") },
		"ReadTime":                     func() { ReadTime(at) },
		"AppendText":                   func() { dst = AppendText(dst[:0], event) },
		"AppendJSON":                   func() { dst = AppendJSON(dst[:0], parsed) },
		"AppendJSONMembers":            func() { dst = AppendJSONMembers(dst[:0], event, opt) },
		"AppendJSONMembers, 17 fields": func() { dst = AppendJSONMembers(dst[:0], parsed, opt) },
		"AppendJSON, 128 fields":       func() { dst = AppendJSON(dst[:0], large) },
		"AppendJSON beyond ASCII":      func() { dst = AppendJSON(dst[:0], utf8) },
		"AppendFromJSON":               func() { dst, _ = AppendFromJSON(dst[:0], line) },
		"AppendFromJSON of no JSON":    func() { dst, _ = AppendFromJSON(dst[:0], line[1:]) },
		"AppendTimeISO":                func() { dst = AppendTimeISO(dst[:0], Time{1, 2}, 9) },
		"ID.Append":                    func() { dst = id.Append(dst[:0]) },
		"Batch": func() {
			batch.Reset()
			batch.Add("app.a", Time{1, 2}, event)
			batch.Add("app.b", Time{1, 2}, event)
			batch.AddEvent(&tailed)
			batch.AddEvent(&tailed)
		},
		"Event.Fold": func() {
			folded := tailed
			buf = folded.Fold(buf)
		},
		"BatchReader": func() {
			for reader.Reset(batch.Bytes()); reader.Next(&ev); {
			}
		},
	} {
		f() // grow the buffers
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func walkFields(body []byte) (n int) {
	for f := FieldsOf(body); f.Next(); {
		n += len(f.Key()) + len(f.RawKey()) + len(f.Value())
	}
	return n
}

func TestFieldsAreFoundByTheirKey(t *testing.T) {
	body := []byte("\x85\xa1a\x01\xc4\x01b\x81\xa1c\xa1x\x05\x06\xa0\x07\xa1a\x02")
	keys := []string{"a", "b", "", "", "a"}
	i := 0
	for f := FieldsOf(body); f.Next(); i++ {
		if string(f.Key()) != keys[i] || (f.Key() == nil) != (i == 2) {
			t.Errorf("key %d is %q (nil: %v)", i, f.Key(), f.Key() == nil)
		}
	}
	if i != 5 {
		t.Errorf("%d fields", i)
	}
	for key, want := range map[string]string{"a": "\x02", "b": "\x81\xa1c\xa1x", "": "\x07", "x": ""} {
		if got, ok := Find(body, key); string(got) != want || ok != (want != "") {
			t.Errorf("Find %q: %x, %v", key, got, ok)
		}
	}
}

func TestWhatIsAppendedIsWhatMsgpackEncodes(t *testing.T) {
	for _, v := range []int64{0, 1, 127, 128, 255, 256, 65_535, 65_536, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64,
		-1, -32, -33, -128, -129, -32_768, -32_769, math.MinInt32, math.MinInt32 - 1, math.MinInt64} {
		b := AppendInt(nil, v)
		var back int64
		if err := msgpack.Unmarshal(b, &back); err != nil || back != v {
			t.Errorf("%d comes back as %d, %v", v, back, err)
		}
		if got, rest, err := Int(b); got != v || len(rest) > 0 || err != nil {
			t.Errorf("Int of %d: %d, %v", v, got, err)
		}
	}
	if _, _, err := Int(AppendUint(nil, math.MaxUint64)); err != ErrRange {
		t.Errorf("the largest uint64 as int64: %v", err)
	}
	for _, n := range []int{0, 1, 31, 32, 255, 256, 65_535, 65_536} {
		s := strings.Repeat("s", n)
		for _, b := range [][]byte{AppendStr(nil, s), AppendStrBytes(nil, []byte(s)), AppendBin(nil, []byte(s))} {
			var back string
			if err := msgpack.Unmarshal(b, &back); err != nil || back != s {
				t.Errorf("string of %d bytes: %v", n, err)
			}
			if got, rest, err := Str(b); string(got) != s || len(rest) > 0 || err != nil {
				t.Errorf("Str of %d bytes: %v", n, err)
			}
		}
		if got, _, err := MapHeader(AppendMapHeader(nil, n)); got != n || err != nil {
			t.Errorf("map of %d: %d, %v", n, got, err)
		}
		if got, _, err := ArrayHeader(AppendArrayHeader(nil, n)); got != n || err != nil {
			t.Errorf("array of %d: %d, %v", n, got, err)
		}
	}
	var f float64
	if err := msgpack.Unmarshal(AppendFloat(nil, 0.1), &f); err != nil || f != 0.1 {
		t.Errorf("0.1 comes back as %v, %v", f, err)
	}
}

func TestIDsAreShortSortedAndBeginWithALetterOrDigit(t *testing.T) {
	const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	inOrder := base64.NewEncoding(idAlphabet).WithPadding(base64.NoPadding)
	identities := [][10]byte{{}, {0xff}, {37 << 2}, {37<<2 | 3, 0xff}}
	for range 1000 {
		identities = append(identities, NewQueueIdentity())
	}
	for _, q := range identities {
		var ids []string
		for _, pos := range []uint64{0, 1, 2, 63, 64, 255, 256, 65_535, 65_536, 1 << 32, 1<<48 - 1} {
			id := ID{q, pos}.String()
			if len(id) != 22 || !strings.Contains(alphanumeric, id[:1]) || strings.Trim(id, idAlphabet) != "" {
				t.Fatalf("id of %x, %d: %s", q, pos, id)
			}
			raw := binary.BigEndian.AppendUint64(q[:len(q):len(q)], pos<<16)[:16]
			if want := inOrder.EncodeToString(raw); id[1:] != want[1:] || id[0] != want[0] && want[0] != '-' && want[0] != '_' {
				t.Fatalf("id of %x, %d: %s, want %s", q, pos, id, want)
			}
			ids = append(ids, id)
		}
		if !slices.IsSorted(ids) || len(slices.Compact(ids)) != len(ids) {
			t.Fatalf("ids don't ascend: %v", ids)
		}
	}
	// A queue's own identity is kept whole: the sign that stands in never meets it.
	if first := NewQueueIdentity(); strings.ContainsAny(string(idAlphabet[first[0]>>2]), "-_") {
		t.Error("an identity that begins with a sign")
	}
}

func TestFieldsEndWhereTheBodyIsCut(t *testing.T) {
	for _, s := range samples {
		for n := range len(s.b) {
			useEverything([]byte(s.b[:n]))
		}
	}
	for n := range len(typicalEvent()) {
		walkFields(typicalEvent()[:n])
	}
}
