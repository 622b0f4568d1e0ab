package record

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
)

// hostile are bodies that grow as JSON, by what makes them grow.
func hostile() map[string][]byte {
	one := func(value []byte) []byte { return append(AppendStr(AppendMapHeader(nil, 1), "a"), value...) }
	deep := []byte{0xc0}
	for range MaxDepth - 1 {
		deep = append(AppendStr(AppendMapHeader(nil, 1), "\x00"), deep...)
	}
	wide := func(n int, key func(i int) []byte) []byte {
		b := AppendMapHeader(nil, n)
		for i := range n {
			b = append(append(b, key(i)...), 0xc2)
		}
		return b
	}
	return map[string][]byte{
		"NUL":               one(AppendStr(nil, strings.Repeat("\x00", 5000))),
		"quotes":            one(AppendStr(nil, strings.Repeat(`"\`, 5000))),
		"line ends":         one(AppendStr(nil, strings.Repeat("\n\t", 5000))),
		"not UTF-8":         one(AppendBin(nil, bytes.Repeat([]byte{0xff}, 5000))),
		"separators":        one(AppendStr(nil, strings.Repeat("\u2028x", 5000))),
		"text":              one(AppendStr(nil, strings.Repeat("日本語 plain ", 500))),
		"floats":            one(append(AppendArrayHeader(nil, 2000), bytes.Repeat(binary.BigEndian.AppendUint64([]byte{0xcb}, math.Float64bits(-1.2345678901234567e-300)), 2000)...)),
		"small floats":      one(append(AppendArrayHeader(nil, 2000), bytes.Repeat(binary.BigEndian.AppendUint32([]byte{0xca}, math.Float32bits(1e20)), 2000)...)),
		"ext":               one(append(AppendArrayHeader(nil, 3000), bytes.Repeat([]byte{0xc7, 0, 0x80}, 3000)...)),
		"large ext":         one(append([]byte{0xc8, 0xff, 0xff, 0x80}, make([]byte, 0xffff)...)),
		"times":             one(append(AppendArrayHeader(nil, 3000), bytes.Repeat([]byte{0xd6, 0xff, 1, 2, 3, 4}, 3000)...)),
		"nil":               one(append(AppendArrayHeader(nil, 9000), bytes.Repeat([]byte{0xc2}, 9000)...)),
		"deep":              deep,
		"wide":              wide(5000, func(i int) []byte { return AppendUint(nil, uint64(i)) }),
		"the same key":      wide(9000, func(int) []byte { return []byte{0xc0} }),
		"a map as key":      wide(9000, func(int) []byte { return []byte{0x80} }),
		"an array as key":   wide(200, func(i int) []byte { return []byte{0x91, byte(i) & 0x7f} }),
		"ext as key":        wide(30, func(i int) []byte { return []byte{0xd4, byte(i), 0} }),
		"escaped keys":      wide(100, func(i int) []byte { return AppendStr(nil, strings.Repeat("\x01", i)) }),
		"an empty event":    {0x80},
		"arrays of nothing": one(append(AppendArrayHeader(nil, 9000), bytes.Repeat([]byte{0x90}, 9000)...)),
	}
}

func TestNoEventBecomesMoreJSONThanIsCounted(t *testing.T) {
	for name, body := range hostile() {
		if _, err := Check(body); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ev := Event{Body: body}
		size, index := ev.JSONSize()
		out := AppendJSON(nil, body)
		if len(out) > size {
			t.Errorf("%s: got %d bytes counted, want %d at least", name, size, len(out))
		}
		if size+index > maxGrowth*len(body) {
			t.Errorf("%s: got %d bytes and %d of index for %d of MessagePack, want at most %d times as many", name, size, index, len(body), maxGrowth)
		}
		if unique := !strings.Contains(name, "key") && name != "large ext"; unique && size > len(out)+len(out)/4+16 {
			t.Errorf("%s: got %d bytes counted, want about %d", name, size, len(out))
		}
		// Members that are dropped later take room too: no growth means that they were counted.
		room := slices.Grow([]byte(nil), size+maxRoom+2*runRoom)
		if out := AppendJSON(room, body); &room[:1][0] != &out[0] {
			t.Errorf("%s: the JSON outgrew the counted room", name)
		}
	}
}

func TestATailIsCountedAsWell(t *testing.T) {
	body := AppendStr(AppendStr(AppendMapHeader(nil, 1), "a"), strings.Repeat("\x00", 1000))
	whole, with := Event{Body: body}, Event{Body: body, Tail: body}
	one, _ := whole.JSONSize()
	if two, _ := with.JSONSize(); two != 2*one {
		t.Errorf("got %d bytes with the tail, want %d", two, 2*one)
	}
	if with.FitsJSON(one) || !with.FitsJSON(2*one) || !whole.FitsJSON(maxGrowth*len(body)) {
		t.Error("got another verdict than that of the sizes")
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	for name, body := range hostile() {
		ev := Event{Body: body}
		if n := testing.AllocsPerRun(5, func() { ev.JSONSize() }); n > 0 {
			t.Errorf("%s: got %v allocations", name, n)
		}
	}
}

func TestTheTextOfAValueIsBounded(t *testing.T) {
	for size, want := range map[int]bool{1 << 20: true, 4 << 20: false} {
		value := append(AppendStr(AppendMapHeader(nil, 1), "a"), AppendStr(nil, strings.Repeat("\x00", size))...)
		if out := AppendText([]byte("x"), value); (len(out) > size) != want || !want && string(out) != "x" {
			t.Errorf("%d bytes: got %d bytes of text, want some: %v", size, len(out), want)
		}
	}
}
