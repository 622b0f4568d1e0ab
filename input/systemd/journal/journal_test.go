package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/firelane/firelane/input/systemd/journaltest"
)

// realFile reads a journal that systemd-journal-remote 252 has made of testdata/entries.export.
func realFile(t testing.TB, name string) []byte {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata", name+".journal.zst"))
	if err != nil {
		t.Fatal(err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	b, err := dec.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func entriesOf(t testing.TB, b []byte) []journaltest.Entry {
	t.Helper()
	f, err := Open(bytes.NewReader(b), new(Decoder))
	if err != nil {
		t.Fatal(err)
	}
	list, err := readAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// readAll reads entries up to the first error.
func readAll(f *File) (list []journaltest.Entry, err error) {
	for {
		e, err := f.Peek()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		got := journaltest.Entry{Realtime: e.Realtime}
		for _, at := range e.Data {
			name, value, err := f.Field(at)
			if err != nil {
				return list, err
			}
			got.Fields = append(got.Fields, string(name)+"="+string(value))
		}
		list = append(list, got)
		f.Skip()
	}
}

func compare(t *testing.T, got, want []journaltest.Entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d entries, want %d", len(got), len(want))
	}
	for i := range got {
		slices.Sort(got[i].Fields)
		slices.Sort(want[i].Fields)
		if got[i].Realtime != want[i].Realtime || !slices.Equal(got[i].Fields, want[i].Fields) {
			t.Errorf("entry %d: got %d %q, want %d %q", i, got[i].Realtime, got[i].Fields, want[i].Realtime, want[i].Fields)
		}
	}
}

// Files of systemd itself have what its own text of them says.
func TestRealFilesAreRead(t *testing.T) {
	text, err := os.ReadFile("testdata/entries.export")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"regular", "compact", "unkeyed"} {
		t.Run(name, func(t *testing.T) {
			want, err := journaltest.Export(text)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, entriesOf(t, realFile(t, name)), want)
		})
	}
}

// written returns a journal of n entries, as the tests' own writer writes it.
func written(t testing.TB, n int, o journaltest.Options) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "system.journal")
	w, err := journaltest.Create(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i := range n {
		if err := w.Add(uint64(i), "MESSAGE=entry "+string(rune('a'+i%26)), "_HOSTNAME=h", "LONG="+strings.Repeat("text ", 40)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEntriesAreThereWhenTheHeaderCountsThem(t *testing.T) {
	b := realFile(t, "compact")
	binary.LittleEndian.PutUint64(b[atEntries:], 7)
	f, err := Open(bytes.NewReader(b), new(Decoder))
	if err != nil {
		t.Fatal(err)
	}
	if list, err := readAll(f); len(list) != 7 || err != nil {
		t.Fatalf("got %d entries, %v, want 7", len(list), err)
	}
	binary.LittleEndian.PutUint64(b[atEntries:], 60)
	if more, err := f.Refresh(); !more || err != nil {
		t.Fatalf("got %v, %v, want more", more, err)
	}
	if list, err := readAll(f); len(list) != 53 || err != nil {
		t.Fatalf("got %d entries, %v, want 53", len(list), err)
	}
}

// journald makes its files larger than they are: what was read as zeros may be written later.
func TestWhatWasReadBeforeItWasWrittenIsReadAgain(t *testing.T) {
	for _, o := range []journaltest.Options{{First: 64}, {First: 64, Compact: true}} {
		whole := written(t, 60, o)
		want := entriesOf(t, whole)
		b := bytes.Clone(whole)
		array := int(u64At(b, atFirstArray))
		size := 8
		if o.Compact {
			size = 4
		}
		items := array + arrayHeader
		entry := func(n int) int { return int(u64At(whole, items+n*size) & (1<<32 - 1)) }
		clear(b[entry(7)+int(u64At(whole, entry(7)+8)):])
		clear(b[items+8*size : array+int(u64At(whole, array+8))])
		binary.LittleEndian.PutUint64(b[atEntries:], 8)
		f, err := Open(bytes.NewReader(b), new(Decoder))
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(f)
		if err != nil || len(got) != 8 {
			t.Fatalf("got %d entries, %v, want 8", len(got), err)
		}
		copy(b, whole)
		if more, err := f.Refresh(); !more || err != nil {
			t.Fatalf("got %v, %v, want more", more, err)
		}
		more, err := readAll(f)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, append(got, more...), want)
	}
}

func TestSeek(t *testing.T) {
	for _, o := range []journaltest.Options{{}, {Compact: true}} {
		b := written(t, 100, o)
		want := entriesOf(t, b)
		f, err := Open(bytes.NewReader(b), new(Decoder))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []uint64{50, 3, 4, 99, 0, 7, 100, 63, 64} {
			f.Seek(n)
			e, err := f.Peek()
			if n == 100 {
				if !errors.Is(err, io.EOF) {
					t.Errorf("got %v after the last entry, want the end", err)
				}
				continue
			}
			if err != nil || e.Realtime != want[n].Realtime {
				t.Errorf("entry %d: got %+v, %v", n, e, err)
			}
		}
	}
}
