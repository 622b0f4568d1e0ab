package put

import (
	"bytes"
	"encoding/base64"
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
