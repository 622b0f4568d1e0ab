package tail

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// reopen closes a store and opens it again.
func reopen(t *testing.T, s *store) *store {
	t.Helper()
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s, err := openStore(s.path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func commit(t *testing.T, s *store, places ...place) {
	t.Helper()
	s.begin()
	for _, p := range places {
		s.put(p)
	}
	s.seal()
	if _, err := s.commit(); err != nil {
		t.Fatal(err)
	}
}

func TestOffsetsAreThoseOfTheLastWholeCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "offsets")
	s, err := openStore(path)
	if err != nil {
		t.Fatal(err)
	}
	a := place{id: fileID{1, 2}, offset: 10, print: fingerprint{10, 77}, path: "/a"}
	b := place{id: fileID{1, 3}, offset: 20, path: "/b"}
	commit(t, s, a, b)
	a.offset = 30
	commit(t, s, a)
	s.begin()
	s.free(b.id)
	s.seal()
	if _, err := s.commit(); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s)
	want := map[fileID]place{a.id: a}
	if !maps.Equal(s.places, want) {
		t.Errorf("got %v, want %v", s.places, want)
	}
	whole := s.size
	c := a
	c.offset = 99
	commit(t, s, c, b)
	for size := s.size - 1; size >= whole; size-- { // torn at any byte
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if s = reopen(t, s); !maps.Equal(s.places, want) {
			t.Fatalf("cut to %d bytes: got %v, want %v", size, s.places, want)
		}
	}
	commit(t, s, b)
	want[b.id] = b
	if s = reopen(t, s); !maps.Equal(s.places, want) {
		t.Errorf("got %v, want %v", s.places, want)
	}
	if _, err := openStore(path); err == nil {
		t.Error("two have the file open")
	}
	_ = s.close()
}

func TestTheFileOfOffsetsStaysSmall(t *testing.T) {
	s, err := openStore(filepath.Join(t.TempDir(), "offsets"))
	if err != nil {
		t.Fatal(err)
	}
	var all []place
	for n := range 1000 {
		all = append(all, place{id: fileID{1, uint64(n)}, path: fmt.Sprintf("/var/log/app/%d.log", n)})
	}
	for round := range 200 {
		for n := range all {
			all[n].offset = int64(round)
		}
		commit(t, s, all...)
		if s.size > 4*compactAfter {
			t.Fatalf("it has %d bytes", s.size)
		}
	}
	s = reopen(t, s)
	defer s.close()
	if len(s.places) != 1000 || s.places[all[7].id] != all[7] {
		t.Errorf("got %d places, %v, want 1000", len(s.places), s.places[all[7].id])
	}
}

func FuzzOffsets(f *testing.F) {
	p := place{id: fileID{1, 2}, offset: 10, print: fingerprint{10, 77}, path: "/a"}
	f.Add(appendPlace(appendPlace(nil, p, false), p, true))
	f.Add(appendID(nil, entryGone, p.id))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &store{places: map[fileID]place{}}
		s.apply(b)
		for _, p := range s.places {
			if p.offset < 0 || p.print.size < 0 || p.print.size > printSize || len(p.path) > maxPath {
				t.Errorf("got %v", p)
			}
		}
	})
}

func TestAsManyFilesAsAreFollowedKeepTheirOffsets(t *testing.T) {
	s, err := openStore(filepath.Join(t.TempDir(), "offsets"))
	if err != nil {
		t.Fatal(err)
	}
	var all []place
	for n := range maxFiles {
		all = append(all, place{id: fileID{1, uint64(n)}, offset: 1, path: "/x"})
	}
	commit(t, s, all...)
	all[7].offset = 99
	commit(t, s, all[7])
	s = reopen(t, s)
	defer s.close()
	if got := s.places[all[7].id].offset; got != 99 {
		t.Errorf("got the offset %d, want 99", got)
	}
}

// A full disk has room again.
func TestOffsetsThatCouldNotBeSavedAreSavedLater(t *testing.T) {
	l := newLogs(t)
	l.write(t, "app.log", text(1, 10))
	in := l.open(t).(*Input)
	whole := in.store.file
	if in.store.file, _ = os.Open(l.o.DB); in.store.file == nil { // nothing can be written to it
		t.Fatal("no file of offsets")
	}
	defer in.store.file.Close()
	in.recv = &counter{rejected: map[string]int{}}
	in.liner.setReceiver(in.recv)
	in.scan(true)
	in.pass(t.Context())
	if err := in.flush(t.Context(), &timers{}); err != nil {
		t.Fatal(err)
	}
	in.store.file = whole
	if err := in.flush(t.Context(), &timers{}); err != nil {
		t.Fatal(err)
	}
	if at := l.saved(t).offset; at != int64(len(text(1, 10))) {
		t.Errorf("got the offset %d saved, want %d", at, len(text(1, 10)))
	}
	in.closeAll()
	in.Close()
}

func TestTheFileOfOffsetsIsNotWrittenThroughALink(t *testing.T) {
	dir := t.TempDir()
	s, err := openStore(filepath.Join(dir, "offsets"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, filepath.Join(dir, "offsets.new")); err != nil {
		t.Fatal(err)
	}
	s.size += 3 * compactAfter // as if most of it were out of date
	if err := s.compact(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(other); string(b) != "mine" {
		t.Errorf("got %q and %v in another file", b, err)
	}
}

// Ten thousand files with long paths are more than the largest commit, also when the log is written anew.
func TestOffsetsOfManyFilesWithLongPathsAreKept(t *testing.T) {
	s, err := openStore(filepath.Join(t.TempDir(), "offsets"))
	if err != nil {
		t.Fatal(err)
	}
	var all []place
	for n := range 2*maxCommit/maxPath + 100 {
		path := fmt.Sprintf("/%04d/", n)
		all = append(all, place{id: fileID{1, uint64(n)}, offset: 7, path: path + strings.Repeat("x", maxPath-len(path))})
	}
	commit(t, s, all...)
	for _, how := range []string{"committed", "compacted"} {
		if s = reopen(t, s); len(s.places) != len(all) || s.places[all[len(all)-1].id] != all[len(all)-1] {
			t.Fatalf("%s: got %d places, want %d", how, len(s.places), len(all))
		}
		commit(t, s, all...)
		s.size += 3 * compactAfter // as if most of it were out of date
		if err := s.compact(); err != nil {
			t.Fatal(err)
		}
	}
	s.close()
}
