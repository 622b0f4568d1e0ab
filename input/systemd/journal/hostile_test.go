package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/firelane/firelane/input/systemd/journaltest"
)

// walk reads whatever a file has. Each entry that is found, or is damaged, must be an item of an array, so their number is limited.
func walk(t testing.TB, b []byte) (entries, bad int, last error) {
	t.Helper()
	f, err := Open(bytes.NewReader(b), new(Decoder))
	if err != nil {
		return 0, 0, err
	}
	limit := len(b)/f.itemSize() + 1
	for steps := 0; ; steps++ {
		if steps > limit {
			t.Fatalf("a file of %d bytes has more than %d entries", len(b), limit)
		}
		e, err := f.Peek()
		switch {
		case errors.Is(err, io.EOF):
			return entries, bad, last
		case err == nil:
			entries++
			if len(e.Data) > MaxItems {
				t.Fatalf("got %d fields", len(e.Data))
			}
			size := 0
			for _, at := range e.Data {
				name, value, err := f.Field(at)
				if err != nil {
					last = err
					continue
				}
				if size += len(name) + len(value); len(name) == 0 || len(name)+len(value) > MaxField {
					t.Fatalf("got a field of %d+%d bytes", len(name), len(value))
				}
				if size > 4*MaxField { // the input reads no more of an entry either
					break
				}
			}
		case Unreachable(err):
			return entries, bad, err
		case errors.Is(err, ErrDamaged):
			bad++
			last = err
		default:
			t.Fatalf("got %v", err)
		}
		f.Skip()
	}
}

func u64At(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

func set(b []byte, at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }

func TestDamagedFilesAreReadAsFarAsTheyGo(t *testing.T) {
	whole := written(t, 20, journaltest.Options{})
	first := int(u64At(whole, atFirstArray)) // of 4 entries
	second := int(u64At(whole, first+objectHeader))
	entry := func(b []byte, n int) int { return int(u64At(b, first+arrayHeader+8*n)) }
	for name, c := range map[string]struct {
		change       func(b []byte) []byte
		entries, bad int
		want         string
	}{
		"whole":                  {func(b []byte) []byte { return b }, 20, 0, ""},
		"no journal":             {func(b []byte) []byte { b[0] = 'X'; return b }, 0, 0, "does not begin with"},
		"short":                  {func(b []byte) []byte { return b[:100] }, 0, 0, "fewer than its header"},
		"of the future":          {func(b []byte) []byte { b[atIncompatible] |= 64; return b }, 0, 0, "later version"},
		"a loop of arrays":       {func(b []byte) []byte { set(b, second+objectHeader, uint64(first)); return b }, 8, 0, "before"},
		"an array in itself":     {func(b []byte) []byte { set(b, first+objectHeader, uint64(first)); return b }, 4, 0, "before"},
		"overlapping arrays":     {func(b []byte) []byte { set(b, first+objectHeader, uint64(first+8)); return b }, 4, 0, "before"},
		"a huge array":           {func(b []byte) []byte { set(b, first+8, math.MaxUint64); return b }, 0, 0, "no array"},
		"an empty array":         {func(b []byte) []byte { set(b, first+8, arrayHeader); return b }, 0, 0, "is empty"},
		"a count without end":    {func(b []byte) []byte { set(b, atEntries, math.MaxUint64); return b }, 20, 12, "before"},
		"no first array":         {func(b []byte) []byte { set(b, atFirstArray, 0); return b }, 0, 0, "before"},
		"an entry in the header": {func(b []byte) []byte { set(b, first+arrayHeader, 8); return b }, 19, 1, "invalid offset"},
		"an entry beyond":        {func(b []byte) []byte { set(b, first+arrayHeader, math.MaxUint64); return b }, 19, 1, "invalid offset"},
		"an entry of no type":    {func(b []byte) []byte { b[entry(b, 1)] = 9; return b }, 19, 1, "no entry"},
		"a huge entry":           {func(b []byte) []byte { set(b, entry(b, 1)+8, 1<<47); return b }, 19, 1, "beyond its end"},
		"a field beyond":         {func(b []byte) []byte { set(b, entry(b, 1)+entryHeader, 1<<40); return b }, 20, 0, "beyond its end"},
		"a field that is none":   {func(b []byte) []byte { set(b, entry(b, 1)+entryHeader, uint64(first)); return b }, 20, 0, "no field"},
		"a field without name":   {func(b []byte) []byte { return bytes.Replace(b, []byte("MESSAGE="), []byte("=MESSAGE"), 1) }, 20, 0, "no name"},
	} {
		t.Run(name, func(t *testing.T) {
			entries, bad, err := walk(t, c.change(bytes.Clone(whole)))
			if entries != c.entries || bad != c.bad {
				t.Errorf("got %d entries and %d damaged ones, want %d and %d (%v)", entries, bad, c.entries, c.bad, err)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
}

func TestATruncatedFileIsReadAsFarAsItGoes(t *testing.T) {
	for _, o := range []journaltest.Options{{Compress: "zstd"}, {Compact: true, Compress: "lz4"}} {
		whole := written(t, 20, o)
		for n := range whole {
			walk(t, whole[:n])
		}
	}
}

// bomb returns a journal whose one entry has fields with these payloads.
func bomb(t *testing.T, flags byte, payloads ...[]byte) []byte {
	t.Helper()
	b := written(t, 1, journaltest.Options{})
	first := int(u64At(b, atFirstArray))
	entry := int(u64At(b, first+arrayHeader))
	for i, p := range payloads {
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
		set(b, entry+entryHeader+16*i, uint64(len(b)))
		head := make([]byte, dataHeader)
		head[0], head[1] = typeData, flags
		set(head, 8, uint64(dataHeader+len(p)))
		b = append(append(b, head...), p...)
	}
	return b
}

// What a field becomes is limited before it is decompressed.
func TestCompressedBombs(t *testing.T) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	zeros := append([]byte("A="), make([]byte, 64<<20)...)
	sized := enc.EncodeAll(zeros, nil)
	var unsized bytes.Buffer
	stream, err := zstd.NewWriter(&unsized, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Write(zeros); err != nil {
		t.Fatal(err)
	}
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	small := enc.EncodeAll([]byte("A="+strings.Repeat("x", MaxField/2)), nil)
	for name, c := range map[string]struct {
		flags   byte
		payload []byte
		want    error
	}{
		"its size is told":          {flagZstd, sized, ErrTooLong},
		"its size isn't told":       {flagZstd, unsized.Bytes(), ErrTooLong},
		"several frames":            {flagZstd, bytes.Repeat(small, 100), ErrTooLong},
		"lz4":                       {flagLZ4, append(binary.LittleEndian.AppendUint64(nil, 1<<60), 0xff, 0xff, 0xff), ErrTooLong},
		"lz4 that tells too much":   {flagLZ4, append(binary.LittleEndian.AppendUint64(nil, 1000), 0x10, 'A'), ErrDamaged},
		"lz4 of nothing":            {flagLZ4, append(make([]byte, 8), 0xff, 0xff, 0xff), ErrDamaged},
		"lz4 without a size":        {flagLZ4, []byte{1}, ErrDamaged},
		"not compressed, but large": {0, zeros[:MaxField+1], ErrTooLong},
		"no zstd":                   {flagZstd, []byte("A=B"), ErrDamaged},
		"xz":                        {flagXZ, []byte("A=B"), ErrXZ},
	} {
		t.Run(name, func(t *testing.T) {
			b := bomb(t, c.flags, c.payload)
			if _, _, err := walk(t, b); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			f, err := Open(bytes.NewReader(b), new(Decoder))
			if err != nil {
				t.Fatal(err)
			}
			if e, err := f.Peek(); err == nil {
				_, _, _ = f.Field(e.Data[0])
			}
			if n := cap(f.dec.out); n > 2*MaxField {
				t.Errorf("%d bytes were made of a field", n)
			}
		})
	}
}

func FuzzFile(f *testing.F) {
	for _, o := range []journaltest.Options{{}, {Compact: true}, {Compress: "zstd"}, {Compress: "lz4", Compact: true}} {
		f.Add(written(f, 6, o))
	}
	f.Fuzz(func(t *testing.T, b []byte) { walk(t, b) })
}

// Real files with wrong bytes are read as far as they go: neither a panic, nor an end that doesn't come.
func TestRealFilesWithWrongBytes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"regular", "compact"} {
		whole := realFile(t, name)
		used := len(bytes.TrimRight(whole, "\x00"))
		for range 300 {
			b := bytes.Clone(whole[:used])
			for range 1 + random.IntN(20) {
				at := random.IntN(len(b))
				if random.IntN(2) == 0 {
					at = random.IntN(headerSize) // most of a file are hash tables
				}
				b[at] = byte(random.IntN(256))
			}
			walk(t, b)
		}
	}
}
