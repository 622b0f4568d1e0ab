package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// idle waits until all that is there is queued.
func (r *run) idle() {
	r.t.Helper()
	if err := r.in.WaitIdle(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// A program that writes to where it was before its file was truncated, as without O_APPEND, leaves a hole: NULs before its next line.
func TestTheHoleThatTruncatingLeavesIsNoLine(t *testing.T) {
	l := newLogs(t)
	f, err := os.OpenFile(l.path("app.log"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 3000 {
		fmt.Fprintln(f, strings.Repeat("x", 99))
	}
	r := l.start(t)
	r.gets(3000)
	if err := os.Truncate(l.path("app.log"), 0); err != nil {
		t.Fatal(err)
	}
	f.WriteString("after\n")
	r.gets(3001)
	f.WriteString("a\x00b\n")
	r.gets(3002)
	same(t, r.stop()[3000:], []string{"after", "a\x00b"})
}

func TestNULsAtTheEndOfAFileMayBecomeLines(t *testing.T) {
	l := newLogs(t)
	f, err := os.OpenFile(l.path("app.log"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteString("a\n")
	r := l.start(t)
	r.gets(1)
	f.WriteString(strings.Repeat("\x00", 10))
	r.idle()
	f.WriteAt([]byte("b\n"), 2) // what was reserved, or has arrived only now
	r.gets(2)
	f.WriteString("c\n" + strings.Repeat("\x00", 10))
	r.gets(3)
	if err := os.Remove(l.path("app.log")); err != nil {
		t.Fatal(err)
	}
	r.idle()
	same(t, r.stop(), []string{"a", "b", "c"})
}

// Without notifications a file's new name is seen by the next search only, which may come later than rotate_wait is over.
func TestAFileThatIsRenamedToANameThatMatchesIsNotReadAgain(t *testing.T) {
	l := newLogs(t)
	l.o.Inotify = false
	l.o.RotateWait = time.Nanosecond
	l.write(t, "app.log", text(1, 10))
	r := l.start(t)
	r.gets(10)
	if err := os.Rename(l.path("app.log"), l.path("app.1.log")); err != nil {
		t.Fatal(err)
	}
	l.write(t, "app.log", text(11, 20))
	r.gets(20)
	r.idle()
	r.stop()
	l.write(t, "app.1.log", text(21, 22))
	r = l.start(t)
	r.gets(2)
	r.idle()
	same(t, r.stop(), lines(21, 22))
}

// A stop waits for what the files have at that time, also where nothing has told of it yet.
func TestAStopWaitsForLinesThatNothingHasToldOf(t *testing.T) {
	l := newLogs(t)
	l.o.Inotify = false
	l.write(t, "app.log", text(1, 10))
	r := l.start(t)
	r.gets(10)
	r.idle()
	l.write(t, "app.log", text(11, 20))
	l.write(t, "new.log", text(21, 30))
	r.idle()
	got := r.stop()
	slices.SortFunc(got, func(a, b string) int { return number(a) - number(b) })
	same(t, got, lines(1, 30))
}

// The file that took the place of one with a saved offset is new, whatever read_from_head says.
func TestARotationWhileNobodyReadsLosesNothingWithoutReadFromHead(t *testing.T) {
	l := newLogs(t)
	l.o.FromHead = false
	r := l.start(t)
	r.idle()
	l.write(t, "app.log", text(1, 10))
	r.gets(10)
	r.stop()
	l.write(t, "app.log", text(11, 20))
	if err := os.Rename(l.path("app.log"), l.path("app.log.1")); err != nil {
		t.Fatal(err)
	}
	l.write(t, "app.log", text(21, 30))
	l.write(t, "other.log", "it existed at the start\n")
	r = l.start(t)
	r.gets(20)
	got := r.stop()
	slices.Sort(got)
	same(t, got, lines(11, 30))
}

// An old file that its program still writes to while nobody reads.
func TestARenamedFileIsFollowedByTheNextRunToo(t *testing.T) {
	l := newLogs(t)
	l.o.RotateWait = time.Hour
	l.write(t, "app.log", text(1, 10))
	r := l.start(t)
	r.gets(10)
	if err := os.Rename(l.path("app.log"), l.path("app.log.1")); err != nil {
		t.Fatal(err)
	}
	l.write(t, "app.log", text(11, 20))
	r.gets(20)
	l.write(t, "app.log.1", "the last one has no")
	r.idle()
	r.stop()
	l.write(t, "app.log.1", " newline\n"+text(21, 30))
	r = l.start(t)
	r.gets(10)
	r.idle()
	got := r.stop()
	slices.Sort(got)
	same(t, got[len(got)-10:], lines(21, 30))
}

// A folder that can't be looked into for a while, such as one on a server that doesn't answer.
func TestAFileThatCannotBeLookedAtForAWhileIsNotReadAgain(t *testing.T) {
	l := newLogs(t)
	l.o.Inotify = false
	l.o.RotateWait = time.Nanosecond
	link := filepath.Join(t.TempDir(), "logs")
	if err := os.Symlink(l.dir, link); err != nil {
		t.Fatal(err)
	}
	l.o.Path = []string{filepath.Join(link, "*.log")}
	l.write(t, "app.log", text(1, 10))
	r := l.start(t)
	r.gets(10)
	swap(t, "logs", link) // leads to itself
	r.idle()
	r.idle()
	swap(t, l.dir, link)
	l.write(t, "app.log", text(11, 20))
	r.idle()
	same(t, r.stop(), lines(1, 20))
}

// swap makes the symbolic link at path lead elsewhere.
func swap(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// As large as before, with other contents.
func TestAFileThatIsWrittenAnewWithTheSameSizeIsReadAgain(t *testing.T) {
	l := newLogs(t)
	l.o.Inotify = false // so that nobody sees it in between
	l.write(t, "app.log", text(1, 5))
	r := l.start(t)
	r.gets(5)
	r.idle()
	if err := os.WriteFile(l.path("app.log"), []byte(text(5, 9)), 0o600); err != nil {
		t.Fatal(err)
	}
	r.idle()
	same(t, r.stop(), append(lines(1, 5), lines(5, 9)...))
}

// The device number of a network volume depends on what was mounted before it.
func TestAVolumeThatIsMountedAgainKeepsItsOffsets(t *testing.T) {
	l := newLogs(t)
	l.write(t, "app.log", text(1, 10))
	r := l.start(t)
	r.gets(10)
	r.stop()
	s, err := openStore(l.o.DB)
	if err != nil {
		t.Fatal(err)
	}
	s.begin()
	for id, p := range s.places {
		s.free(id)
		p.id.dev++
		s.put(p)
	}
	s.seal()
	if _, err := s.commit(); err != nil {
		t.Fatal(err)
	}
	s.close()
	l.write(t, "app.log", text(11, 20))
	r = l.start(t)
	r.gets(10)
	same(t, r.stop(), lines(11, 20))
	if s, err = openStore(l.o.DB); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if len(s.places) != 1 {
		t.Errorf("got %d places, want the one with the new number", len(s.places))
	}
}

// A file that isn't open can only be found by its inode.
func TestAFileThatIsRenamedWhileItIsClosedIsReadToItsEnd(t *testing.T) {
	l := newLogs(t)
	l.write(t, "app.log", text(1, 10))
	l.write(t, "other.log", "")
	in := l.open(t).(*Input)
	in.maxOpen = 1
	r := l.run(t, in)
	r.gets(10)
	l.write(t, "other.log", text(11, 20))
	r.gets(20)
	l.write(t, "app.log", text(21, 30))
	for n := range 3 {
		if err := os.Rename(l.path("app.log"), l.path(fmt.Sprint("app.log.", n))); err != nil {
			t.Fatal(err)
		}
		l.write(t, "app.log", text(31+10*n, 40+10*n))
		r.gets(40 + 10*n)
	}
	got := r.stop()
	slices.SortFunc(got, func(a, b string) int { return number(a) - number(b) })
	same(t, got, lines(1, 60))
}

// Where nothing tells of new files, the successor of a renamed file is looked for at its place, not only by the next search.
func TestTheSuccessorOfARenamedFileIsSeenAtTheNextLook(t *testing.T) {
	l := newLogs(t)
	in := l.open(t).(*Input)
	in.scan(true)
	path := l.path("app.log")
	f := in.byPath[path]
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	in.look(f, time.Now())
	l.write(t, "app.log", "")
	in.look(f, time.Now())
	if f := in.byPath[path]; f == nil || f.rotated {
		t.Errorf("got %v at its place, want the new file", f)
	}
	in.closeAll()
	in.Close()
}

// As in both programs.
func TestTheFieldOfPathKeyIsTheNameThatAFileHadFirst(t *testing.T) {
	l := newLogs(t)
	l.o.PathKey, l.o.Tag = "file", "app"
	l.write(t, "app.log", text(1, 1))
	in := l.open(t).(*Input)
	c := &counter{rejected: map[string]int{}}
	in.recv = c
	in.liner.setReceiver(c)
	in.scan(true)
	path := l.path("app.log")
	if err := os.Rename(path, l.path("old.log")); err != nil {
		t.Fatal(err)
	}
	in.scan(false)
	in.scan(false) // it has its new name
	in.pass(t.Context())
	if want := []string{`app {"file":"` + path + `","log":"line number 1"}`}; !slices.Equal(c.bodies, want) || in.byPath[l.path("old.log")] == nil {
		t.Errorf("got %q, want %q", c.bodies, want)
	}
	in.closeAll()
	in.Close()
}
