package put

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

func FuzzBase64(f *testing.F) {
	for n := range 40 {
		f.Add(bytes.Repeat([]byte{0xfb, 0xff, 0, byte(n)}, n)[:n])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := "before" + base64.StdEncoding.EncodeToString(b)
		for _, room := range []int{0, 1 << 12} {
			dst := append(make([]byte, 0, 6+room), "before"...)
			if got := string(appendBase64(dst, b)); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
	})
}

// FuzzRecordsInBase64 encodes records that share parts of their ends, one after the other.
func FuzzRecordsInBase64(f *testing.F) {
	f.Add([]byte("abcdefghij"), []byte(strings.Repeat("what records share", 4)), uint8(1))
	f.Add([]byte{}, []byte{}, uint8(0))
	f.Add(bytes.Repeat([]byte("x"), 40), bytes.Repeat([]byte("0123456789"), 300), uint8(7))
	f.Fuzz(func(t *testing.T, heads, tail []byte, step uint8) {
		var e base64Encoder
		for i := range 64 {
			cut := i * int(step) % (len(tail) + 1)
			if i%5 > 0 {
				cut = 0 // most have all of it
			}
			record := append(bytes.Clone(heads[:i%(len(heads)+1)]), tail[cut:]...)
			if got, want := string(e.append([]byte("before"), record)), "before"+base64.StdEncoding.EncodeToString(record); got != want {
				t.Fatalf("record %d, %q: got %s, want %s", i, record, got, want)
			}
			if n := len(e.ends[len(record)%3].data); n > maxEnd {
				t.Fatalf("%d bytes are remembered", n)
			}
		}
	})
}

// TestTheSharedEndOfRecordsIsEncodedOnce: after a few records each alignment has what they share, and nothing of their own.
func TestTheSharedEndOfRecordsIsEncodedOnce(t *testing.T) {
	var e base64Encoder
	shared := `","container_name":"/web","source":"stdout","ecs_cluster":"demo"}` + "\n"
	for i := range 60 {
		e.append(nil, []byte(`{"log":"`+strings.Repeat(string(rune('a'+i%26)), i)+shared))
	}
	for i, known := range e.ends {
		if n := len(known.data); n < len(shared)-2 || n > len(shared) || known.misses > 3 {
			t.Errorf("alignment %d has %d bytes of %d after %d misses", i, n, len(shared), known.misses)
		}
	}
	e.reset()
	for i := range 200 {
		e.append(nil, []byte(strings.Repeat(string(rune('a'+i%26)), 90)))
	}
	if n := e.ends[0].misses; n != maxMisses {
		t.Errorf("records that share nothing were compared %d times", n)
	}
}

func BenchmarkBase64(b *testing.B) {
	src := bytes.Repeat([]byte(`{"log":"a line of an application"}`), 12)
	dst := make([]byte, 0, 1<<12)
	b.Run("appendBase64", func(b *testing.B) {
		b.SetBytes(int64(len(src)))
		for b.Loop() {
			appendBase64(dst, src)
		}
	})
	b.Run("encoding/base64", func(b *testing.B) {
		b.SetBytes(int64(len(src)))
		for b.Loop() {
			base64.StdEncoding.AppendEncode(dst, src)
		}
	})
}
