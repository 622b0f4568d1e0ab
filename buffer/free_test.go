package buffer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rs/zerolog"
)

// takeAll takes all that the queue holds, in chunks of at most 100 bytes, and frees every chunk.
func takeAll(t *testing.T, q *Queue) (chunks []*Chunk) {
	t.Helper()
	for taken := int64(0); taken < q.Stats().Records; {
		c, err := q.Next(context.Background(), 100, 0)
		if err != nil {
			t.Fatal(err)
		}
		taken += int64(c.Records)
		chunks = append(chunks, c)
		q.Free(c)
		checkBalance(t, q)
	}
	return chunks
}

func TestAFreedChunkIsLoadedAsItWas(t *testing.T) {
	for name, dir := range map[string]string{"on disk": t.TempDir(), "in memory": ""} {
		t.Run(name, func(t *testing.T) {
			q := mustOpen(t, Options{Dir: dir, Name: "q", SegmentSize: 400})
			defer q.Close()
			want := fill(t, q, 0, 50)
			chunks := takeAll(t, q)
			fill(t, q, 50, 60) // also into the segment that is being read
			var got []delivery
			for _, c := range chunks {
				if c.Batches != nil {
					t.Fatal("got batches of a freed chunk, want none")
				}
				for range 2 {
					if err := q.Load(c); err != nil {
						t.Fatal(err)
					}
				}
				got = append(got, deliveries(c)...)
				q.Free(c)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %s, want %s", list(got), list(want))
			}
			for _, c := range chunks {
				q.Commit(c)
				checkBalance(t, q)
			}
			if err := q.Load(chunks[0]); err == nil {
				t.Error("got a committed chunk, want an error")
			}
		})
	}
}

// What had ended of a chunk that is dropped counts as committed, the rest as dropped: each record once, at every moment.
func TestAFreedChunkIsDroppedWithItsSegment(t *testing.T) {
	q := mustOpen(t, Options{FS: newFolder(), SegmentSize: 300, Limit: 1000, Full: DropOldest})
	defer q.Close()
	fill(t, q, 0, 3)
	chunks := takeAll(t, q)
	if !q.Ended(chunks[0], 1) {
		t.Fatal("got false for a chunk in flight")
	}
	if s := q.Stats(); s.Ended != 1 || s.Records != 6 {
		t.Fatalf("got %+v, want 6 records of which 1 has ended", s)
	}
	records := int64(6)
	for i := 3; errors.Is(q.Load(chunks[0]), nil); i++ {
		q.Free(chunks[0])
		fill(t, q, i, i+1)
		records += int64(batchRecords(i))
	}
	s := q.Stats()
	if s.Ended != 0 || s.Committed != 1 || s.DroppedNoRoom == 0 || s.Committed+s.DroppedNoRoom+s.Records != records {
		t.Errorf("got %+v, want 1 of %d records committed and the others of the segment dropped", s, records)
	}
	if err := q.Load(chunks[0]); !errors.Is(err, ErrDropped) {
		t.Errorf("got %v, want %v", err, ErrDropped)
	}
	if q.Ended(chunks[0], 1) {
		t.Error("got true for a chunk that was dropped")
	}
	for _, c := range chunks {
		q.Commit(c)
		q.Release(c)
		checkBalance(t, q)
	}
}

// A chunk that is in memory when its segment is dropped is dropped when it is freed.
func TestAChunkIsDroppedWhenItIsFreedAfterItsSegment(t *testing.T) {
	q := mustOpen(t, Options{FS: newFolder(), SegmentSize: 300, Limit: 1000, Full: DropOldest})
	defer q.Close()
	fill(t, q, 0, 1)
	c, err := q.Next(t.Context(), 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; q.Stats().DroppedRecords == 0; i++ {
		fill(t, q, i, i+1)
	}
	before := q.Stats().DroppedNoRoom
	q.Free(c)
	checkBalance(t, q)
	if s := q.Stats(); s.DroppedNoRoom != before+1 || !errors.Is(q.Load(c), ErrDropped) {
		t.Errorf("got %+v, want one record more dropped than %d", s, before)
	}
}

func TestReleasingAFreedChunkDeliversItAgain(t *testing.T) {
	fs := newFolder()
	q := mustOpen(t, Options{FS: fs, SegmentSize: 300})
	want := fill(t, q, 0, 10)
	for _, c := range takeAll(t, q) {
		q.Ended(c, 1)
		q.Release(c)
		checkBalance(t, q)
	}
	q.Close()
	q = mustOpen(t, Options{FS: fs, SegmentSize: 300})
	defer q.Close()
	if got := deliver(t, q); !slices.Equal(got, want) {
		t.Errorf("got %s, want %s", list(got), list(want))
	}
}

func TestDamageIsFoundWhenAChunkIsLoaded(t *testing.T) {
	fs := newFolder()
	q := mustOpen(t, Options{FS: fs, SegmentSize: 1000})
	defer q.Close()
	fill(t, q, 0, 5)
	chunks := takeAll(t, q)
	for name := range fs.files {
		fs.files[name].blocks[0][dataAt+frameHeader+3] ^= 1
	}
	if err := q.Load(chunks[0]); err == nil || errors.Is(err, ErrDropped) {
		t.Fatalf("got %v, want that the chunk is damaged", err)
	}
	for _, c := range chunks[1:] {
		if err := q.Load(c); err != nil {
			t.Error(err)
		}
		q.Commit(c)
	}
	q.Commit(chunks[0])
	checkBalance(t, q)
	if s := q.Stats(); s.Damaged != 1 || s.Records != 0 {
		t.Errorf("got %+v, want one damaged segment and no records", s)
	}
	q.Close()
	if names := fs.names(); len(names) != 1 || names[0] != segmentName(1)+asideSuffix {
		t.Errorf("got %v, want the damaged segment set aside", names)
	}
}

func TestNotesAreThereAfterACrash(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "q", sideName)
	notes := func() []string {
		t.Helper()
		q := mustOpen(t, Options{Dir: dir, Name: "q", Log: zerolog.Nop()})
		defer q.Close()
		all, _, err := q.Notes()
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, n := range all {
			texts = append(texts, string(n))
		}
		return texts
	}
	q := mustOpen(t, Options{Dir: dir, Name: "q"})
	for _, n := range []string{"one", "two"} {
		if err := q.AddNote([]byte(n)); err != nil {
			t.Fatal(err)
		}
	}
	q.Close()
	if got := notes(); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("got %q", got)
	}
	text, _ := os.ReadFile(file)
	for n := range text { // killed in the middle of the write, or a bit is flipped
		os.WriteFile(file, text[:n], fileMode)
		if got, want := notes(), []string{"one", "two"}[:min(n/13, 2)]; !slices.Equal(got, want) {
			t.Errorf("cut to %d bytes: got %q, want %q", n, got, want)
		}
	}
	text[10] ^= 1
	os.WriteFile(file, text, fileMode)
	if got := notes(); !slices.Equal(got, []string{"two"}) {
		t.Errorf("got %q of a file whose first line is damaged, want the second", got)
	}
	q = mustOpen(t, Options{Dir: dir, Name: "q"})
	defer q.Close()
	if err := q.SetNotes([][]byte{[]byte("three")}); err != nil {
		t.Fatal(err)
	}
	if err := q.AddNote([]byte("four")); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := q.Notes(); len(got) != 2 || string(got[0]) != "three" || string(got[1]) != "four" {
		t.Errorf("got %q, want three and four", got)
	}
	if err := q.SetNotes(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want no file", err)
	}
}

// Notes are no records: a folder that has only notes is empty, and they follow the records to another output.
func TestNotesFollowTheRecords(t *testing.T) {
	dir := t.TempDir()
	q := mustOpen(t, Options{Dir: dir, Name: "old"})
	fill(t, q, 0, 1)
	if err := q.AddNote([]byte("note")); err != nil {
		t.Fatal(err)
	}
	q.Close()
	old, err := LockFolder(dir, "old")
	if err != nil {
		t.Fatal(err)
	}
	if !old.OnlySegments() || old.Empty() {
		t.Error("got a folder with other files or none, want only segments")
	}
	another, err := LockFolder(dir, "new")
	if err != nil {
		t.Fatal(err)
	}
	if err := another.TakeOver(old); err != nil {
		t.Fatal(err)
	}
	q = mustOpen(t, Options{Dir: dir, Name: "new", Lock: another})
	defer q.Close()
	if got, _, err := q.Notes(); len(got) != 1 || string(got[0]) != "note" {
		t.Errorf("got %q, %v", got, err)
	}
}

// The file ends in a note that was not written completely, and it can't be replaced: the next note is written all the same.
func TestANoteAfterOneThatWasCutOffIsWhole(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "q", sideName)
	q := mustOpen(t, Options{Dir: dir, Name: "q"})
	defer q.Close()
	if err := os.WriteFile(file, appendNote(nil, []byte("cut off"))[:12], fileMode); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file+".new", folderMode); err != nil {
		t.Fatal(err)
	}
	if err := q.SetNotes([][]byte{[]byte("one")}); err == nil {
		t.Fatal("got notes replaced by way of a folder")
	}
	for _, n := range []string{"two", "three"} {
		if err := q.AddNote([]byte(n)); err != nil {
			t.Fatal(err)
		}
	}
	if got, damaged, err := q.Notes(); len(got) != 2 || string(got[0]) != "two" || string(got[1]) != "three" || damaged != 1 || err != nil {
		t.Errorf("got %q, %d damaged, %v; want two and three, and one damaged", got, damaged, err)
	}
}

func TestNotesThatAreTooLongToBeReadAreToldOf(t *testing.T) {
	dir := t.TempDir()
	q := mustOpen(t, Options{Dir: dir, Name: "q"})
	defer q.Close()
	line := appendNote(nil, bytes.Repeat([]byte{'n'}, 1<<20))
	if err := os.WriteFile(filepath.Join(dir, "q", sideName), bytes.Repeat(line, 5), fileMode); err != nil {
		t.Fatal(err)
	}
	if got, damaged, err := q.Notes(); len(got) != 3 || damaged != 1 || err != nil {
		t.Errorf("got %d notes, %d damaged, %v; want 3, and one for the others", len(got), damaged, err)
	}
}

// Between the end of one reader and the beginning of the next one, what was put back is dropped to make room: those of its records
// that had ended were not lost.
func TestRecordsThatEndedAreNotDroppedWithTheirChunk(t *testing.T) {
	q := mustOpen(t, Options{Limit: 8 << 10, SegmentSize: 1 << 10, Full: DropOldest})
	defer q.Close()
	if err := q.Append(t.Context(), make([]byte, 1<<10), 10, nil); err != nil {
		t.Fatal(err)
	}
	c, err := q.Next(t.Context(), 1<<10, 0)
	if err != nil {
		t.Fatal(err)
	}
	q.Free(c)
	q.Ended(c, 4)
	q.Release(c)
	for q.Stats().DroppedNoRoom == 0 {
		if err := q.Append(t.Context(), make([]byte, 500), 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	q.Rewind()
	if s := q.Stats(); s.Ended != 0 || s.Committed != 4 || s.DroppedNoRoom != 6 {
		t.Errorf("got %+v, want 4 of 10 records committed and 6 dropped", s)
	}
	checkBalance(t, q)
}
