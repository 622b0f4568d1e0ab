package pages

import (
	"encoding/binary"
	"os"
	"testing"
)

// With -buildmode=pie, as distributions build, the pages would come back without their addresses: the process ended at its start.
func TestPagesAreKeptThatTheStartHasWrittenTo(t *testing.T) {
	const relro = 0x6474e552
	head := func(kind uint16, segments ...uint32) []byte {
		h := make([]byte, 64+56*len(segments))
		copy(h, "\x7fELF\x02\x01")
		le := binary.LittleEndian
		le.PutUint16(h[16:], kind)
		le.PutUint64(h[32:], 64)
		le.PutUint16(h[54:], 56)
		le.PutUint16(h[56:], uint16(len(segments)))
		for i, s := range segments {
			le.PutUint32(h[64+56*i:], s)
		}
		return h
	}
	whole := head(2, 1, 1, 1)
	for name, c := range map[string]struct {
		head []byte
		want bool
	}{
		"at fixed addresses": {whole, true}, "position-independent": {head(3, 1, 1), false}, "with RELRO": {head(2, 1, 1, relro), false},
		"cut off": {whole[:len(whole)-56], false}, "empty": {nil, false}, "of 32 bits": {append([]byte("\x7fELF\x01\x01"), whole[6:]...), false},
	} {
		if got := hasNoAddresses(c.head); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	if isUnwritten("/nowhere") {
		t.Error("got true for a file that isn't there")
	}
}

func TestAProcessGoesOnAfterItsPagesAreDropped(t *testing.T) {
	Drop()
	if _, err := os.ReadFile("/proc/self/statm"); err != nil {
		t.Error(err)
	}
}
