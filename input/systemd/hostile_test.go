package systemd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input/systemd/journal"
	"github.com/firelane/firelane/input/systemd/journaltest"
	"github.com/firelane/firelane/record"
)

// patch changes a number in a file.
func patch(t *testing.T, path string, at int64, v uint64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(binary.LittleEndian.AppendUint64(nil, v), at); err != nil {
		t.Fatal(err)
	}
}

// Offsets in the header.
const (
	entriesAt    = 152
	firstArrayAt = 176
)

func number(t *testing.T, path string, at int64) uint64 {
	t.Helper()
	f := openFile(t, path)
	defer f.Close()
	var b [8]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(b[:])
}

// Whatever is wrong with a file, the others are read, and the log has a line.
func TestDamageStopsNoOtherFile(t *testing.T) {
	old := time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		damage func(t *testing.T, path string)
		want   string // in the log
		left   int    // entries of the file, out of 8
	}{
		"no journal":        {func(t *testing.T, path string) { patch(t, path, 0, 0) }, "does not begin with", 0},
		"cut in its header": {func(t *testing.T, path string) { _ = os.Truncate(path, 100) }, "fewer than its header", 0},
		"cut":               {func(t *testing.T, path string) { _ = os.Truncate(path, int64(number(t, path, firstArrayAt)+24)) }, "the rest of it can't be read", 0},
		"a loop": {func(t *testing.T, path string) {
			first := number(t, path, firstArrayAt)
			patch(t, path, int64(first)+16, first)
		}, "the rest of it can't be read", 4},
		"too many entries": {func(t *testing.T, path string) { patch(t, path, entriesAt, 1<<63) }, "the rest of it can't be read", 8},
		"an entry": {func(t *testing.T, path string) {
			patch(t, path, int64(number(t, path, firstArrayAt)+24+8), 1<<40)
		}, "it is left out", 7},
		"a pipe": {func(t *testing.T, path string) {
			_ = os.Remove(path)
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "", 0},
		"a link to itself": {func(t *testing.T, path string) {
			_ = os.Remove(path)
			if err := os.Symlink(path, path); err != nil {
				t.Fatal(err)
			}
		}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bad := filepath.Join(dir, "bad.journal")
			w := create(t, bad, journaltest.Options{SeqnumID: journaltest.ID("bad")})
			for n := range uint64(8) {
				add(t, w, n, "BAD=1")
			}
			if err := w.Archive(bad); err != nil {
				t.Fatal(err)
			}
			c.damage(t, bad)
			_ = os.Chtimes(bad, old, old)
			good := create(t, filepath.Join(dir, "good.journal"), journaltest.Options{})
			for n := range uint64(50) {
				add(t, good, n, "GOOD=1")
			}
			r := run(t, Options{Path: dir}, config.FluentBit)
			r.idle(t)
			got := strings.Join(r.wait(t, 50+c.left), "\n")
			if n := strings.Count(got, "GOOD"); n != 50 {
				t.Errorf("got %d entries of the other file, want 50", n)
			}
			if n := strings.Count(got, "BAD"); n != c.left {
				t.Errorf("got %d entries of the damaged file, want %d", n, c.left)
			}
			if lines := strings.Count(r.log.String(), "\n"); !strings.Contains(r.log.String(), c.want) || c.want != "" && lines != 1 {
				t.Errorf("got log %s, want a line with %q", r.log, c.want)
			}
		})
	}
}

// A file in a loop of arrays isn't read again and again: its position stays, and so do the others'.
func TestARestartReadsADamagedFileNoFurther(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "system.journal")
	w := create(t, path, journaltest.Options{})
	for n := range uint64(8) {
		add(t, w, n, fmt.Sprint("N=", n))
	}
	if err := w.Archive(path); err != nil {
		t.Fatal(err)
	}
	patch(t, path, int64(number(t, path, firstArrayAt)+24), 8) // the first entry
	o := Options{Path: dir, DB: filepath.Join(dir, "db")}
	r := run(t, o, config.FluentBit)
	r.wait(t, 7)
	r.idle(t)
	r.end(t)
	if r.rejected[damagedEntry] != 1 {
		t.Errorf("got %v, want a damaged entry counted", r.rejected)
	}
	r = run(t, o, config.FluentBit)
	r.idle(t)
	if len(r.flushed) > 0 || len(r.rejected) > 0 {
		t.Errorf("got %q and %v after a restart", r.flushed, r.rejected)
	}
}

// What journald is writing may not be seen at once: it isn't taken for damage.
func TestAnEntryThatIsNotThereYetIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "system.journal")
	w := create(t, path, journaltest.Options{})
	add(t, w, 1, "N=1")
	add(t, w, 2, "N=2")
	at := int64(number(t, path, firstArrayAt) + 24 + 8)
	entry := number(t, path, at)
	patch(t, path, at, 0)
	r := run(t, Options{Path: dir}, config.FluentBit)
	r.wait(t, 1)
	patch(t, path, at, entry)
	equal(t, r.wait(t, 2), `systemd.0 0.000001 {"N":"1"}`, `systemd.0 0.000002 {"N":"2"}`)
	if len(r.rejected) > 0 {
		t.Errorf("got %v rejected", r.rejected)
	}
}

func TestAFileThatIsWrittenOverIsReadAsANewOne(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "system.journal")
	add(t, create(t, path, journaltest.Options{FileID: journaltest.ID("a")}), 1, "N=1")
	other := filepath.Join(t.TempDir(), "other")
	add(t, create(t, other, journaltest.Options{FileID: journaltest.ID("b")}), 2, "N=2")
	r := run(t, Options{Path: dir}, config.FluentBit)
	r.wait(t, 1)
	b, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil { // the same inode
		t.Fatal(err)
	}
	equal(t, r.wait(t, 2), `systemd.0 0.000001 {"N":"1"}`, `systemd.0 0.000002 {"N":"2"}`)
}

func TestACopyOfAFileIsReadOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "system.journal")
	w := create(t, path, journaltest.Options{})
	add(t, w, 1, "N=1")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, Options{Path: dir}, config.FluentBit)
	r.wait(t, 1)
	for _, name := range []string{"a.journal", "z.journal"} { // before and after it
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	add(t, w, 2, "N=2")
	r.wait(t, 2)
	r.idle(t)
	equal(t, r.wait(t, 0), `systemd.0 0.000001 {"N":"1"}`, `systemd.0 0.000002 {"N":"2"}`)
	r.end(t)
	r = run(t, Options{Path: dir}, config.FluentBit) // whichever it finds first
	r.wait(t, 2)
	add(t, w, 3, "N=3")
	if err := os.WriteFile(filepath.Join(dir, "other"), nil, 0o600); err != nil { // has it search
		t.Fatal(err)
	}
	equal(t, r.wait(t, 3), `systemd.0 0.000001 {"N":"1"}`, `systemd.0 0.000002 {"N":"2"}`, `systemd.0 0.000003 {"N":"3"}`)
}

// One entry makes neither a large record nor much work, whatever its fields are.
func TestAnEntryIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		how  string
		want int // fields of the record, at most
	}{
		"many large fields":       {"F=" + strings.Repeat("x", 1<<20-8), "zstd", 2},
		"many too large ones":     {"F=" + strings.Repeat("x", 1<<20), "zstd", 0},
		"many small ones":         {"F=x", "", journal.MaxItems},
		"many that can't be read": {"F=" + strings.Repeat("x", 1000), "xz", 0},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "system.journal")
			w := create(t, path, journaltest.Options{Compress: c.how})
			fields := make([]string, journal.MaxItems+100)
			for i := range fields {
				fields[i] = c.text
			}
			if c.want == 0 {
				fields[2*maxFailed] = "AFTER=1"
			}
			add(t, w, 1, fields...)
			counted := &reads{File: openFile(t, path)}
			defer counted.Close()
			file, err := journal.Open(counted, new(journal.Decoder))
			if err != nil {
				t.Fatal(err)
			}
			m, err := newMaker(&Options{MaxFields: 1 << 30}, config.FluentBit, "t")
			if err != nil {
				t.Fatal(err)
			}
			e, err := file.Peek()
			if err != nil {
				t.Fatal(err)
			}
			_, body, ok, _ := m.make(&source{file: file}, e)
			if !ok || len(body) > maxEntry+100 || len(m.items) > c.want {
				t.Errorf("got a record of %d bytes and %d fields, want at most %d", len(body), len(m.items), c.want)
			}
			if counted.n > 1000 {
				t.Errorf("%d reads for one entry", counted.n)
			}
		})
	}
}

// reads counts the reads of a file.
type reads struct {
	*os.File
	n int
}

func (r *reads) ReadAt(b []byte, at int64) (int, error) {
	r.n++
	return r.File.ReadAt(b, at)
}

var _ io.ReaderAt = (*reads)(nil)

// The memory that fields are kept in has a limit, whatever there is to be read.
func TestTheCacheIsBounded(t *testing.T) {
	var c cache
	s := new(source)
	for n := range int64(100_000) {
		c.put(s, n, cached{name: []byte("NAME"), value: []byte(fmt.Sprint(n))})
		if c.memory() > 2*cacheSize+cacheField {
			t.Fatalf("the cache has %d bytes after %d fields", c.memory(), n)
		}
	}
	if len(c.young)+len(c.old) > 2*cacheSize/cacheCost {
		t.Errorf("the cache has %d fields", len(c.young)+len(c.old))
	}
	if _, ok := c.get(s, 99_999); !ok {
		t.Error("the last field isn't kept")
	}
}

func TestPositionsMakeRoomForNewFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	p, err := readPositions(path)
	if err != nil {
		t.Fatal(err)
	}
	id := func(n int) (id journal.ID) {
		binary.LittleEndian.PutUint32(id[:], uint32(n))
		return id
	}
	for n := range maxSlots {
		if err := p.put(id(n), uint64(n), func(journal.ID) bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	if p.put(id(maxSlots), 1, func(journal.ID) bool { return true }) == nil {
		t.Error("there is a slot more")
	}
	if err := p.put(id(maxSlots), 7, func(is journal.ID) bool { return is != id(5) }); err != nil {
		t.Fatal(err)
	}
	_ = p.close()
	patch(t, path, slotsAt+3*slotSize+16, 99) // without its checksum
	p, err = readPositions(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if pos, ok := p.get(id(maxSlots)); !ok || pos != 7 {
		t.Errorf("got position %d, %v, want 7", pos, ok)
	}
	for _, n := range []int{3, 5} {
		if _, ok := p.get(id(n)); ok {
			t.Errorf("slot %d is still there", n)
		}
	}
	if _, err := readPositions(path); err == nil {
		t.Error("two have the file open")
	}
}

// Whatever a file holds, what becomes of its entries are records.
func FuzzEntries(f *testing.F) {
	path := filepath.Join(f.TempDir(), "system.journal")
	w, err := journaltest.Create(path, journaltest.Options{Compact: true})
	if err != nil {
		f.Fatal(err)
	}
	for n := range uint64(3) {
		if err := w.Add(n, "_SYSTEMD_UNIT=a.service", "A=x", "A=y", fmt.Sprint("N=", n), "_LONG_="+strings.Repeat("x", 70)); err != nil {
			f.Fatal(err)
		}
	}
	_ = w.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, true, 3, `{"A": ["b", "c"], "N": "b"}`)
	f.Add(b, false, 8000, "")
	f.Fuzz(func(t *testing.T, b []byte, lower bool, fields int, names string) {
		o := Options{MaxFields: fields, MaxEntries: 1, Lowercase: lower, Strip: !lower, Tag: "a.*", Entry: &Entry{Map: names, Lowercase: lower}}
		d := config.FluentBit
		if names != "" {
			d = config.Fluentd
		}
		if o.Check(d) != nil {
			return
		}
		file, err := journal.Open(bytes.NewReader(b), new(journal.Decoder))
		if err != nil {
			return
		}
		m, err := newMaker(&o, d, o.Tag)
		if err != nil {
			t.Fatal(err)
		}
		s := &source{file: file}
		for range len(b) {
			e, err := file.Peek()
			if err == nil {
				tag, body, _, _ := m.make(s, e)
				if n, err := record.Check(body); err != nil || n != len(body) || len(tag) > record.MaxTag {
					t.Fatalf("got tag %q and body %q: %d, %v", tag, body, n, err)
				}
			} else if errors.Is(err, io.EOF) || journal.Unreachable(err) {
				return
			}
			file.Skip()
		}
	})
}
