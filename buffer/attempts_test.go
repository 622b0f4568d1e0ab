package buffer

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// die ends the queue as kill -9 does.
func die(q *Queue) {
	q.attempts.Close()
	q.lock.Close()
}

// all are the attempts that earlier processes died in, without what this one has attempted of them.
func all(q *Queue) []Attempt {
	found := q.Interrupted([10]byte{}, 0, 0)
	for i := range found {
		found[i].attempted = 0
	}
	return found
}

func TestWhatTheProcessDiesInIsFoundAtTheNextStart(t *testing.T) {
	dir := t.TempDir()
	id := [10]byte{1, 2}
	one, two, alone := Attempt{Queue: id, First: 10, Records: 5, Deaths: 1}, Attempt{Queue: id, First: 20, Records: 5, Deaths: 1}, Attempt{Queue: id, First: 12, Records: 1, Deaths: 1}
	q := mustOpen(t, Options{Dir: dir, Name: "q"})
	q.Attempting(0, one)
	q.Attempting(1, Attempt{Queue: id, First: 100, Records: 1})
	q.Attempting(1, Attempt{}) // ended
	q.Attempting(3, two)
	die(q)

	q = mustOpen(t, Options{Dir: dir, Name: "q"})
	if got := all(q); !slices.Equal(got, []Attempt{one, two}) {
		t.Errorf("got %v, want the two attempts in progress", got)
	}
	for _, tt := range []struct {
		queue [10]byte
		first uint64
		n     int
		want  int
	}{{id, 0, 10, 0}, {id, 0, 11, 1}, {id, 14, 1, 1}, {id, 15, 5, 0}, {id, 15, 6, 1}, {id, 0, 100, 2}, {id, 25, 1, 0}, {[10]byte{9}, 0, 100, 0}} {
		if got := q.Interrupted(tt.queue, tt.first, tt.n); len(got) != tt.want {
			t.Errorf("%d records from %d on: got %v, want %d attempts", tt.n, tt.first, got, tt.want)
		}
	}
	q.Attempting(0, alone)
	die(q)

	q = mustOpen(t, Options{Dir: dir, Name: "q"})
	if got := all(q); !slices.Equal(got, []Attempt{one, two, alone}) {
		t.Errorf("got %v, want the attempt of the second process, too", got)
	}
	q.Attempted(id, 0, 13)
	q.Attempted(id, 13, 8)
	if got := all(q); !slices.Equal(got, []Attempt{two}) {
		t.Errorf("got %v, want only the one that is not attempted to its end", got)
	}
	q.Attempting(2, Attempt{Queue: id, First: 20, Records: 5, Deaths: 2})
	die(q)

	q = mustOpen(t, Options{Dir: dir, Name: "q"})
	if got := all(q); len(got) != 1 || got[0].Deaths != 2 {
		t.Errorf("got %v, want the same attempt once, with its later count", got)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = mustOpen(t, Options{Dir: dir, Name: "q"})
	if got := all(q); len(got) > 0 {
		t.Errorf("got %v after a clean end, want nothing", got)
	}
	die(q)
}

func TestADamagedFileOfAttemptsIsNoEvidence(t *testing.T) {
	dir := t.TempDir()
	q := mustOpen(t, Options{Dir: dir, Name: "q"})
	q.Attempting(0, Attempt{Records: 5, Deaths: 1})
	die(q)
	path := filepath.Join(dir, "q", attemptsName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[20]++
	if err := os.WriteFile(path, b, fileMode); err != nil {
		t.Fatal(err)
	}
	q = mustOpen(t, Options{Dir: dir, Name: "q"})
	defer q.Close()
	if got := all(q); len(got) > 0 {
		t.Errorf("got %v, want nothing", got)
	}
}

func BenchmarkNotingAnAttempt(b *testing.B) {
	q := mustOpen(b, Options{Dir: b.TempDir(), Name: "q"})
	defer q.Close()
	for b.Loop() {
		q.Attempting(0, Attempt{Records: 5})
	}
}
