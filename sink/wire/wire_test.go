package wire

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// The oracle is Go's own implementation of the format.
func TestFieldsAreThoseOfProtobuf(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 300, 16_383, 16_384, 3 << 20} {
		s := strings.Repeat("x", n)
		var want []byte
		want = protowire.AppendVarint(protowire.AppendTag(want, 1, protowire.VarintType), uint64(n))
		want = protowire.AppendFixed64(protowire.AppendTag(want, 2, protowire.Fixed64Type), uint64(n))
		want = protowire.AppendString(protowire.AppendTag(want, 3, protowire.BytesType), s)
		want = protowire.AppendBytes(protowire.AppendTag(want, 20, protowire.BytesType), []byte(s))
		got := AppendFixed64(AppendVarint(nil, 1, uint64(n)), 2, uint64(n))
		got = AppendBytes(AppendString(got, 3, s), 20, []byte(s))
		if !bytes.Equal(got, want) {
			t.Errorf("%d: got other bytes than protowire appends", n)
		}
		opened, start := Open([]byte("before"), 20)
		opened = Close(append(opened, s...), start)
		if want := protowire.AppendString(protowire.AppendTag([]byte("before"), 20, protowire.BytesType), s); !bytes.Equal(opened, want) {
			t.Errorf("%d: Open and Close: got other bytes than protowire appends", n)
		}
		if got := append(AppendHeader(nil, 20, n), s...); !bytes.Equal(got, AppendString(nil, 20, s)) {
			t.Errorf("%d: AppendHeader: got another header than AppendString appends", n)
		}
	}
}

func FuzzNext(f *testing.F) {
	f.Add(AppendString(AppendVarint(nil, 1, 300), 2, "text"))
	f.Add([]byte{0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add(AppendFixed64(nil, 3, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		for {
			_, _, content, rest, ok := Next(b)
			if !ok {
				return
			}
			if len(rest) >= len(b) || len(content) > len(b) {
				t.Fatalf("%d bytes became content of %d and a rest of %d", len(b), len(content), len(rest))
			}
			b = rest
		}
	})
}
